"""Who asks and who is asked: the four pairings of image and video that a data set allows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from model.data.records import JUNK, Dataset, Picture, Track
from model.data.tracks import tracks_of
from model.evaluation.answers import Ids
from model.evaluation.errors import EvaluationError, NothingToAsk

Protocol = Literal["i2i", "i2v", "v2i", "v2v"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True, slots=True)
class Probe:
    """Queries and the gallery they are asked of; an image is a track of one picture.

    same_camera: a gallery track of the query's person and camera is left out of that query's ranking, as everywhere
    in person re-identification. That hides the query itself where it is in the gallery, too.
    """

    queries: list[Track]
    gallery: list[Track]
    same_camera: bool = True


def probe_of(dataset: Dataset, protocol: Protocol) -> Probe:
    """Queries and gallery of one protocol. Junk is left out of both, and nobody asks for distractors.

    Where queries are single pictures (Market-1501, MSMT17, CUHK), `i2*` asks with all of them, `*2i` has every picture
    for a gallery, `*2v` its tracks, and `v2*` asks with every track in the gallery that shows a person. Where they are
    tracks (MARS, LS-VID, PRID-2011, iLIDS-VID), `v2*` asks with those, and an image is the first picture of a track on
    either side, as TKP (Gu et al., ICCV 2019) has it for queries.

    Raises:
        EvaluationError: the protocol is unknown, or it needs tracks and the data set has none.
        NothingToAsk: there is no query or no gallery.
    """
    if protocol not in PROTOCOLS:
        raise EvaluationError(f"no protocol is called {protocol!r}: there are {', '.join(PROTOCOLS)}")
    stills = not _has_tracks(dataset.query)
    if "v" in protocol and stills and not _has_tracks(dataset.gallery):
        raise EvaluationError(
            f"{dataset.name} says of no picture which track it belongs to, and {protocol} needs tracks: evaluate i2i, "
            "or give tracks (the column `track_id` in a manifest)"
        )
    if stills:
        queries = _singles(dataset.query) if protocol[0] == "i" else tracks_of(dataset.gallery)
        gallery = _singles(dataset.gallery) if protocol[2] == "i" else tracks_of(dataset.gallery)
    else:
        queries, gallery = tracks_of(dataset.query), tracks_of(dataset.gallery)
        queries = _first_pictures(queries) if protocol[0] == "i" else queries
        gallery = _first_pictures(gallery) if protocol[2] == "i" else gallery
    probe = Probe(
        queries=[track for track in queries if track.person > 0],
        gallery=[track for track in gallery if track.person != JUNK],
    )
    if not probe.queries or not probe.gallery:
        raise NothingToAsk(
            f"{dataset.name} has {len(probe.queries)} queries and {len(probe.gallery)} in the gallery for {protocol}: "
            "both must hold somebody"
        )
    return probe


def others_alone(dataset: Dataset) -> Dataset:
    """The data set with a gallery that holds none of the queries' pictures, as some programs test on MARS.

    Queries that lose their only right answer are left out when they are scored.

    Raises:
        EvaluationError: the gallery has none of them as it is.
    """
    asked = {picture.path for picture in dataset.query}
    gallery = tuple(picture for picture in dataset.gallery if picture.path not in asked)
    if len(gallery) == len(dataset.gallery):
        raise EvaluationError(f"the gallery of {dataset.name} holds no queries: leave --without-queries out")
    return replace(dataset, gallery=gallery)


def ids_of(tracks: Sequence[Track]) -> Ids:
    """Persons and cameras of tracks, row for row."""
    persons, cameras = ([getattr(track, name) for track in tracks] for name in ("person", "camera"))
    return Ids(np.array(persons, np.int64), np.array(cameras, np.int64))


def _has_tracks(pictures: Iterable[Picture]) -> bool:
    return any(picture.track >= 0 for picture in pictures)


def _singles(pictures: Iterable[Picture]) -> list[Track]:
    return [Track(picture.person, picture.camera, (picture.path,)) for picture in pictures]


def _first_pictures(tracks: Iterable[Track]) -> list[Track]:
    return [Track(track.person, track.camera, track.paths[:1]) for track in tracks]
