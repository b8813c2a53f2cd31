"""Market-1501 (Zheng et al., ICCV 2015): six cameras before a supermarket, 1,501 persons.

Files are named PPPP_cCsS_FFFFFF_DD.jpg: person (-1 junk, 0000 distractor), camera, sequence, frame, number of the
detection. One query ends in .jpg.jpg, as published.
"""

import re
from pathlib import Path

from model.data.folders import check_counts, folder_of, pictures_in
from model.data.records import Counts, Dataset, Picture, SplitCounts
from model.data.tracks import number_market_tracks

FOLDER = "Market-1501-v15.09.15"
TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"
NAME = re.compile(r"(-1|\d{4})_c([1-6])s([1-6])_(\d{6})_\d{2}(?:\.jpg){1,2}", re.ASCII)
RULE = "PPPP_cCsS_FFFFFF_DD.jpg (PPPP may be -1)"
SEQUENCE_FRAMES = 10_000_000  # more than any sequence has, so that frames of two sequences are never near


# The gallery's 19,732 are the authors' count and hold 3,819 junk pictures and 2,798 distractors.
PUBLISHED = SplitCounts(train=Counts(12_936, 751), query=Counts(3_368, 750), gallery=Counts(19_732, 750))


def load(root: Path, published: SplitCounts = PUBLISHED) -> Dataset:
    """The data set in its distributed folder, or in the folder above.

    `frame` is sequence x 10,000,000 + frame number: in order of time within a camera. `track` numbers the Market tracks
    (`tracks.market_tracks`) of train and gallery apart; queries, distractors and junk have none.

    Raises:
        DataError: a folder is missing, a name is none of Market's, or a count is not the published one.
    """
    folder = folder_of(root, FOLDER, (TRAIN, QUERY, GALLERY))
    parts = {}
    for part, counts in ((TRAIN, published.train), (QUERY, published.query), (GALLERY, published.gallery)):
        parts[part] = pictures_in(folder / part, parse, RULE)
        check_counts(folder / part, parts[part], counts)
    return Dataset("market1501", number_market_tracks(parts[TRAIN]), parts[QUERY], number_market_tracks(parts[GALLERY]))


def parse(path: Path) -> Picture | None:
    """The picture that a file of Market's naming is, without a track; None for any other name."""
    match = NAME.fullmatch(path.name)
    if match is None:
        return None
    person, camera, sequence, frame = (int(group) for group in match.groups())
    return Picture(path, person, camera, frame=sequence * SEQUENCE_FRAMES + frame)
