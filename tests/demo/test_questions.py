from pathlib import Path

import numpy as np
import pytest

from service.client import Hit
from service.demo.baseline import colour_rankings
from service.demo.questions import Answer, Filled, questions
from service.demo.samples import Kind, Sample
from service.demo.scores import Ranking


def sample(camera: str, person: str | None, kind: Kind) -> Sample:
    return Sample(Path(f"{camera}/{person}.{kind}"), kind, camera, person)


@pytest.fixture
def filled() -> Filled:
    kinds: tuple[Kind, ...] = ("video", "image")
    samples = [sample(camera, person, kind) for camera in "ab" for person in ("anna", "ben") for kind in kinds]
    return Filled("run", dict(zip("01234567", samples, strict=True)))


def test_every_sample_asks_for_the_other_kind_images_first(filled: Filled) -> None:
    asked = questions(filled)
    assert [(query.kind, kind) for query, kind in asked] == [("image", "video")] * 4 + [("video", "image")] * 4


def test_where_there_is_one_kind_it_asks_for_itself(filled: Filled) -> None:
    filled.items = {key: each for key, each in filled.items.items() if each.kind == "video"}
    assert {(query.kind, kind) for query, kind in questions(filled)} == {("video", "video")}
    assert questions(Filled("run")) == []


def test_answers_come_from_other_cameras(filled: Filled) -> None:
    found = filled.candidates(sample("a", "anna", "image"), "video")
    assert [(each.camera_id, each.person_id) for each in found] == [("b", "anna"), ("b", "ben")]


def test_under_one_camera_everything_but_the_query_itself_may_answer(filled: Filled) -> None:
    filled.items = {key: each for key, each in filled.items.items() if each.camera_id == "a"}
    query = sample("a", "anna", "video")
    assert [each.person_id for each in filled.candidates(query, "video")] == ["ben"]


def test_hits_are_right_wrong_or_unknown() -> None:
    anna, stranger = sample("a", "anna", "image"), sample("a", None, "image")
    hits = tuple((sample("b", who, "video"), Hit("t", "i", "video", 0.5)) for who in ("ben", "anna"))
    answer = Answer(anna, "video", hits, 1.0, 1)
    assert answer.ranking == Ranking((False, True), 1)
    unknown = Answer(stranger, "video", hits, 1.0, 0)
    assert unknown.right(hits[0][0]) is None
    assert unknown.ranking == Ranking((False, False), 0)


def test_colour_ranks_the_same_candidates_by_overlap(few: list[Sample]) -> None:
    filled = Filled("run", {str(number): each for number, each in enumerate(few)})
    queries = [each for each in few if each.kind == "image"]
    answers = [Answer(query, "video", (), 0.0, 1) for query in queries]
    rankings = colour_rankings(filled, answers)
    assert [len(ranking.right) for ranking in rankings] == [3] * 6
    assert all(sum(ranking.right) == 1 for ranking in rankings)


def test_an_unreadable_file_has_no_colours_and_ranks_last(few: list[Sample], tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(few[0].path.read_bytes()[:200])
    clips = [each for each in few if each.kind == "video" and each.camera_id == "cam-b"]
    query = next(each for each in few if each.kind == "image" and each.camera_id == "cam-a")
    gallery = [Sample(broken, "video", "cam-b", query.person_id), *clips[1:]]
    filled = Filled("run", {str(number): each for number, each in enumerate([query, *gallery])})
    (ranking,) = colour_rankings(filled, [Answer(query, "video", (), 0.0, 1)])
    assert np.flatnonzero(ranking.right).tolist() == [len(gallery) - 1]
