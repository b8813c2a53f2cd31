"""Ranked lists: what is shown where, in which frame; which queries are chosen."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.records import DISTRACTOR, JUNK, Track
from model.evaluation.answers import Ids
from model.evaluation.errors import NothingToAsk
from model.evaluation.evaluate import Compared
from model.evaluation.protocols import Probe
from model.pictures import ink
from model.pictures.ranked import FRAME, HEIGHT, WIDTH, Shelf, first_hits, place_of, ranked_list, sheet_size
from model.pictures.sheets import draw_sheets

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (40, 200, 200), (200, 40, 200), (90, 90, 90))


def ids(*people: tuple[int, int]) -> Ids:
    persons, cameras = np.array(people, np.int64).T
    return Ids(persons, cameras)


def pictures(folder: Path, n_pictures: int) -> list[Path]:
    """Files of one colour each."""
    files = []
    for number in range(n_pictures):
        files.append(folder / f"{number}.png")
        Image.new("RGB", (16, 32), COLOURS[number]).save(files[-1])
    return files


def pixel(sheet: Path, left: int, top: int) -> tuple[int, ...]:
    with Image.open(sheet) as picture:
        found = picture.getpixel((left, top))
    assert isinstance(found, tuple)
    return found


GALLERY = ids((1, 1), (1, 2), (2, 2), (JUNK, 2), (DISTRACTOR, 2), (1, 3), (2, 1))


def test_hits_are_ranked_as_evaluation_ranks_them() -> None:
    scores = np.array([0.99, 0.5, 0.8, 0.95, 0.5, 0.1, 0.7], np.float32)
    # Row 0 shows the query's person in the query's camera, row 3 is junk; of rows 1 and 4 the wrong one stands first.
    hits = first_hits(scores, GALLERY, 1, 1, shown=9)
    assert [hit.row for hit in hits] == [2, 6, 4, 1, 5]
    assert [hit.right for hit in hits] == [False, False, False, True, True]
    assert [hit.score for hit in hits] == pytest.approx([0.8, 0.7, 0.5, 0.5, 0.1])
    assert [hit.row for hit in first_hits(scores, GALLERY, 1, 1, shown=2, same_camera=False)] == [0, 2]


def test_each_picture_stands_at_its_place_in_the_frame_of_its_kind(tmp_path: Path) -> None:
    files, out = pictures(tmp_path, 7), tmp_path / "sheet.png"
    scores = np.array([[0.99, 0.5, 0.8, 0.95, 0.4, 0.1, 0.7], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]], np.float32)
    queries = Shelf(ids((1, 1), (2, 1)), [files[6], files[5]])
    ranked_list(out, scores, queries, Shelf(GALLERY, files), shown=3, title="drawn")
    want = [[6, 2, 6, 1], [5, 5, 4, 2]]  # rows of the gallery are numbers of files
    frames = [[ink.INK, ink.WRONG, ink.WRONG, ink.RIGHT], [ink.INK, ink.WRONG, ink.WRONG, ink.RIGHT]]
    with Image.open(out) as sheet:
        assert sheet.size == sheet_size(2, 3)
    for line in (0, 1):
        for place in range(4):
            left, top = place_of(line, place)
            assert pixel(out, left + WIDTH // 2, top + HEIGHT // 2) == COLOURS[want[line][place]]
            edge = FRAME if place else 1
            for x, y in ((left - edge, top), (left + WIDTH, top), (left, top + HEIGHT), (left, top - edge)):
                assert pixel(out, x, y) == frames[line][place]


def test_marks_tell_right_from_wrong_without_colour(tmp_path: Path) -> None:
    files, out = pictures(tmp_path, 7), tmp_path / "sheet.png"
    scores = np.array([[0, 0.9, 0.8, 0, 0, 0, 0]], np.float32)
    ranked_list(out, scores, Shelf(ids((1, 1)), files[:1]), Shelf(GALLERY, files), shown=2)
    marks = []
    for place in (1, 2):
        left, top = place_of(0, place)
        with Image.open(out) as sheet:
            marks.append(np.asarray(sheet.crop((left + WIDTH - 19, top + 3, left + WIDTH - 2, top + 20))) == 255)
    white = [mark.all(axis=2) for mark in marks]
    assert all(each.sum() > 10 for each in white)
    assert (white[0] != white[1]).sum() > 10


def test_no_answers_leave_their_places_empty(tmp_path: Path) -> None:
    files, out = pictures(tmp_path, 2), tmp_path / "sheet.png"
    gallery = Shelf(ids((2, 1), (JUNK, 1)), files)
    ranked_list(out, np.ones((1, 2), np.float32), Shelf(ids((1, 1)), files[:1]), gallery, shown=5)
    left, top = place_of(0, 2)
    assert pixel(out, left + WIDTH // 2, top + HEIGHT // 2) == ink.PAPER


def test_numbers_that_disagree_are_refused(tmp_path: Path) -> None:
    files = pictures(tmp_path, 7)
    with pytest.raises(ValueError, match="as many identities and pictures"):
        ranked_list(
            tmp_path / "x.png", np.ones((1, 6), np.float32), Shelf(ids((1, 1)), files[:1]), Shelf(GALLERY, files)
        )


def compared(folder: Path, *, mistakes: bool, reranked: bool = False) -> Compared:
    """Three people before two cameras; with mistakes, queries 0 and 2 find somebody else, 2 more surely."""
    files = pictures(folder, 6)
    queries = [Track(person, 1, (files[person - 1],)) for person in (1, 2, 3)]
    gallery = [Track(person, 2, (files[0], files[person + 2], files[0])) for person in (1, 2, 3)]
    cosines = np.eye(3, dtype=np.float32)
    if mistakes:
        cosines[[0, 2]] = [[0.5, 0.6, 0], [0.9, 0, 0.1]]
    return Compared(
        Probe(queries, gallery),
        np.eye(3, dtype=np.float32),
        cosines.T.copy(),
        np.eye(3, dtype=np.float32) if reranked else None,
    )


def test_the_surest_mistakes_come_first_and_a_track_shows_its_middle(tmp_path: Path) -> None:
    written = draw_sheets(tmp_path, compared(tmp_path, mistakes=True), "drawn", rows=2, shown=2)
    assert [path.name for path in written] == ["ranked.png", "mistakes.png"]
    ranked, mistakes = written
    middle = [place_of(line, place) for line in (0, 1) for place in (0, 1)]
    seen = [[pixel(sheet, x + WIDTH // 2, y + HEIGHT // 2) for x, y in middle] for sheet in written]
    assert seen[0] == [COLOURS[0], COLOURS[4], COLOURS[2], COLOURS[3]]  # the first and the last query
    assert seen[1] == [COLOURS[2], COLOURS[3], COLOURS[0], COLOURS[4]]  # query 2 leads by 0.8, query 0 by 0.1
    left, top = place_of(0, 1)
    assert pixel(mistakes, left - 1, top) == pixel(ranked, left - 1, top) == ink.WRONG


@pytest.mark.parametrize("reranked", [False, True])
def test_no_mistakes_leave_no_sheet_of_them(tmp_path: Path, reranked: bool) -> None:
    """Re-ranked, the lists are of the similarities after it."""
    draw_sheets(tmp_path, compared(tmp_path, mistakes=True), "before")
    written = draw_sheets(tmp_path, compared(tmp_path, mistakes=reranked, reranked=reranked), "after")
    assert [path.name for path in written] == ["ranked.png"]
    assert not (tmp_path / "mistakes.png").exists()
    left, top = place_of(0, 1)
    assert pixel(written[0], left - 1, top) == ink.RIGHT


def test_queries_without_an_answer_are_not_shown(tmp_path: Path) -> None:
    whole = compared(tmp_path, mistakes=True)
    alone = Compared(Probe(whole.probe.queries, whole.probe.gallery[:1]), whole.queries, whole.gallery[:1])
    [ranked] = draw_sheets(tmp_path, alone, "drawn", rows=5)
    with Image.open(ranked) as sheet:
        assert sheet.size == sheet_size(1, 10)
    nobody = Compared(Probe(whole.probe.queries[1:], whole.probe.gallery[:1]), whole.queries[1:], whole.gallery[:1])
    with pytest.raises(NothingToAsk):
        draw_sheets(tmp_path, nobody, "drawn")
