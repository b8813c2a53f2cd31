import io
from dataclasses import replace
from pathlib import Path

from PIL import Image

from service.client import Hit
from service.demo import sheet
from service.demo.questions import Answer
from service.demo.samples import Sample
from service.demo.sheet import RIGHT, UNKNOWN, WRONG, Heading, chosen, sheet_size, write_sheet

HEADING = Heading("title", "note")


def answers_of(few: list[Sample]) -> list[Answer]:
    """Each still asks camera b's clips; the right one comes second."""
    stills = [each for each in few if each.kind == "image" and each.camera_id == "cam-a"]
    clips = [each for each in few if each.kind == "video" and each.camera_id == "cam-b"]
    found = []
    for still in stills:
        others = [clip for clip in clips if clip.person_id != still.person_id]
        own = next(clip for clip in clips if clip.person_id == still.person_id)
        hits = [(clip, Hit("t", "i", "video", 0.9)) for clip in (others[0], own, others[1])]
        found.append(Answer(still, "video", tuple(hits), 1.0, 1))
    return found


def thumbnail(track_id: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (128, 256), (90, 90, 90)).save(out, "JPEG")
    return out.getvalue()


def drawn(path: Path, answers: list[Answer]) -> Image.Image:
    write_sheet(path, HEADING, answers, thumbnail)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return picture.convert("RGB")


def frame_colours(picture: Image.Image, row: int, hits: int) -> list[object]:
    """Colour of the frame's left edge of each hit of a row in the first column."""
    y = sheet.TITLE + sheet.MARGIN + sheet.LINE // 2 + row * (sheet.PICTURE[1] + sheet.CAPTION + sheet.GAP) + 90
    step = sheet.PICTURE[0] + sheet.GAP
    return [picture.getpixel((sheet.MARGIN + sheet.QUERY_GAP + (n + 1) * step - 1, y)) for n in range(hits)]


def test_the_sheet_has_a_row_for_each_query_and_marks_right_and_wrong(few: list[Sample], tmp_path: Path) -> None:
    picture = drawn(tmp_path / "sheet.png", answers_of(few))
    assert picture.size == sheet_size(columns=1, rows=3)
    for row in range(3):
        assert frame_colours(picture, row, 3) == [WRONG, RIGHT, WRONG]


def test_nobody_known_is_neither_right_nor_wrong(few: list[Sample], tmp_path: Path) -> None:
    answers = [replace(each, query=replace(each.query, person_id=None)) for each in answers_of(few)]
    picture = drawn(tmp_path / "sheet.png", answers)
    assert frame_colours(picture, 0, 3) == [UNKNOWN] * 3
    assert not {RIGHT, WRONG} & {colour for _, colour in picture.getcolors(2**24) or []}


def test_each_direction_has_a_column_of_at_most_so_many_rows_spread_over_all(few: list[Sample]) -> None:
    images = answers_of(few) * 20
    videos = [replace(each, query=replace(each.query, kind="video"), gallery="image") for each in images[:4]]
    columns = chosen(images + videos)
    assert [len(column) for column in columns] == [sheet.ROWS, 4]
    assert columns[0][0] is images[0]
    assert sheet_size(2, 1)[0] > 2 * sheet_size(1, 1)[0] - 4 * sheet.MARGIN


def test_an_unreadable_query_leaves_a_grey_field(few: list[Sample], tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    answers = [replace(each, query=replace(each.query, path=gone)) for each in answers_of(few)]
    picture = drawn(tmp_path / "sheet.png", answers)
    assert picture.getpixel((sheet.MARGIN + 20, sheet.TITLE + sheet.MARGIN + 90)) == UNKNOWN
