"""The first candidates of every query compared again, pair by pair."""

from collections.abc import Callable, Sequence

import numpy as np

from model.data.pack import read_picture
from model.data.records import Track
from model.encoder import Frames, Read, Rescorer
from model.evaluation.answers import Similarities, Vectors
from model.evaluation.errors import EvaluationError
from model.sampling import Sampling, frame_indices

FIRST = 3.0  # added to scores of 0 to 1: above all cosines


def rescored(
    vectors: tuple[Vectors, Vectors],
    tracks: tuple[Sequence[Track], Sequence[Track]],
    rescorer: Rescorer[Read],
    top: int,
    sampling: Sampling,
    *,
    step: Callable[[int], None] | None = None,
) -> Similarities:
    """Similarities (Q, N): cosines, and above all of them the scores of each query's `top` candidates.

    vectors, tracks: of queries and of the gallery. Candidates are the first by cosine, whoever a protocol leaves out
    later. A track is read as the encoder reads it, once, however often it is compared. `step` is called with 1 for each
    query.

    Raises:
        EvaluationError: `top` is below 1.
        MissingData: a picture is not there or cannot be read.
    """
    if top < 1:
        raise EvaluationError(f"at least the first candidate is compared again, got {top}: give 1 or more")
    (queries, gallery), (asking, asked) = vectors, tracks
    reads: dict[Track, Read] = {}

    def read(track: Track) -> Read:
        if track not in reads:
            reads[track] = rescorer.read(_frames(track, sampling))
        return reads[track]

    similarities: Similarities = np.empty((len(queries), len(gallery)), np.float32)
    for row, query in enumerate(asking):
        cosines = gallery @ queries[row]
        first = np.argsort(-cosines, kind="stable")[:top]
        similarities[row] = cosines
        similarities[row, first] = FIRST + rescorer.scores(read(query), [read(asked[place]) for place in first])
        if step is not None:
            step(1)
    return similarities


def _frames(track: Track, sampling: Sampling) -> Frames:
    places = np.concatenate(frame_indices(len(track.paths), sampling))
    return np.stack([read_picture(track.paths[place], sampling.height, sampling.width) for place in places])
