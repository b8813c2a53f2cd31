"""The first candidates of every query compared again, pair by pair."""

from collections.abc import Callable

import numpy as np

from model.data.pack import read_picture
from model.data.records import Track
from model.encoder import Frames, Read, Rescorer
from model.evaluation.answers import Similarities, Vectors, hidden_rows
from model.evaluation.errors import EvaluationError
from model.evaluation.protocols import Probe, ids_of
from model.sampling import Sampling, frame_indices

FIRST = 3.0  # of what is compared again: above all cosines


def rescored(
    vectors: tuple[Vectors, Vectors],
    probe: Probe,
    rescorer: Rescorer[Read],
    top: int,
    sampling: Sampling,
    *,
    step: Callable[[int], None] | None = None,
) -> Similarities:
    """Similarities (Q, N): cosines, and above all of them each query's `top` candidates in the order of their scores.

    vectors: of the probe's queries and of its gallery. Candidates are the first by cosine of those that can be right or
    wrong. What they are given are no scores but places among them, the same for equal ones: float32 would make equal
    what scores tell apart. A track is read as the encoder reads it, once, however often it is compared. `step` is
    called with 1 for each query.

    Raises:
        EvaluationError: `top` is below 1.
        MissingData: a picture is not there or cannot be read.
    """
    if top < 1:
        raise EvaluationError(f"at least the first candidate is compared again, got {top}: give 1 or more")
    queries, gallery = vectors
    query_ids, gallery_ids = ids_of(probe.queries), ids_of(probe.gallery)
    reads: dict[Track, Read] = {}

    def read(track: Track) -> Read:
        if track not in reads:
            reads[track] = rescorer.read(_frames(track, sampling))
        return reads[track]

    similarities: Similarities = np.empty((len(queries), len(gallery)), np.float32)
    for row, query in enumerate(probe.queries):
        cosines = gallery @ queries[row]
        person, camera = int(query_ids.person[row]), int(query_ids.camera[row])
        hidden = hidden_rows(gallery_ids, person, camera, same_camera=probe.same_camera)
        order = np.argsort(-cosines, kind="stable")
        first = order[~hidden[order]][:top]
        similarities[row] = cosines
        if len(first):
            scores = rescorer.scores(read(query), [read(probe.gallery[place]) for place in first])
            distinct, place_of = np.unique(scores, return_inverse=True)
            similarities[row, first] = FIRST + place_of / len(distinct)
        if step is not None:
            step(1)
    return similarities


def _frames(track: Track, sampling: Sampling) -> Frames:
    places = np.concatenate(frame_indices(len(track.paths), sampling))
    return np.stack([read_picture(track.paths[place], sampling.height, sampling.width) for place in places])
