"""The MARS protocol over the official lists, without the pictures: what is asked, and what is left out."""

from pathlib import Path

import numpy as np
import pytest

from model.data.mars import Tracklet, read_tracklets
from model.data.records import Dataset, Picture
from model.evaluation.answers import answers_of
from model.evaluation.errors import EvaluationError
from model.evaluation.metrics import rank
from model.evaluation.protocols import Probe, Protocol, ids_of, others_alone, probe_of
from tests.model.shared_files import shared_file


def pictures(tracklet: Tracklet, row: int) -> list[Picture]:
    """First and last frame of a tracklet are enough to stand for it."""
    frames = sorted({tracklet.first, tracklet.last - 1})
    return [Picture(Path(f"{row}-{frame}"), tracklet.person, tracklet.camera, row, frame) for frame in frames]


@pytest.fixture(scope="module")
def mars() -> Dataset:
    lists = read_tracklets(shared_file("data/mars_info/query_IDX.mat").parent)
    test = [pictures(tracklet, row) for row, tracklet in enumerate(lists.test)]
    query = [picture for row in lists.query for picture in test[row]]
    return Dataset("mars", (), tuple(query), tuple(picture for track in test for picture in track))


def vectors_of(probe: Probe) -> tuple[np.ndarray, np.ndarray]:
    """One random direction for each person (distractors: each its own): what a perfect network would give."""
    random = np.random.default_rng(0)
    people = random.normal(size=(2000, 48)).astype(np.float32)
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    query, gallery = people[ids_of(probe.queries).person], people[ids_of(probe.gallery).person]
    nobody = ids_of(probe.gallery).person == 0
    others = random.normal(size=(int(nobody.sum()), 48)).astype(np.float32)
    gallery[nobody] = others / np.linalg.norm(others, axis=1, keepdims=True)
    return query, gallery


@pytest.mark.parametrize(("protocol", "frames"), [("v2v", 2), ("i2v", 1)])
def test_the_official_gallery_holds_the_queries_and_every_query_has_an_answer(
    mars: Dataset, protocol: Protocol, frames: int
) -> None:
    probe = probe_of(mars, protocol)
    assert (len(probe.queries), len(probe.gallery)) == (1_980, 11_310)  # 12,180 less 870 of junk
    assert {len(track.paths) for track in probe.queries} == {frames}
    query, gallery = vectors_of(probe)
    scores = rank(query, gallery, ids_of(probe.queries), ids_of(probe.gallery))
    assert (scores.queries, scores.left_out, scores.gallery) == (1_980, 0, 11_310)
    assert (scores.rank1, scores.map, scores.minp) == (100, 100, 100)


def test_without_the_queries_in_the_gallery_140_are_left_out(mars: Dataset) -> None:
    rest = others_alone(mars)
    probe = probe_of(rest, "v2v")
    assert len(probe.gallery) == 9_330
    answers = answers_of(*vectors_of(probe), ids_of(probe.queries), ids_of(probe.gallery))
    assert answers.left_out == 140 and len(answers.counts) == 1_840
    with pytest.raises(EvaluationError, match="holds no queries"):
        others_alone(rest)
