"""The contact sheet: each query beside its best hits, right and wrong marked."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from service.client import Hit
from service.demo.pictures import sample_frames
from service.demo.questions import Answer

HITS = 5  # beside each query
ROWS = 10  # queries of each direction
PICTURE = (96, 192)  # width, height
MARGIN, GAP, TITLE, CAPTION, LINE = 24, 14, 88, 46, 16
QUERY_GAP = 34  # between a query and its hits

PAPER, INK, FAINT = (250, 250, 248), (28, 30, 34), (110, 114, 120)
RIGHT, WRONG, UNKNOWN = (22, 138, 62), (200, 44, 40), (170, 172, 176)

Thumbnail = Callable[[str], bytes]  # track id -> JPEG


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands over the sheet."""

    title: str
    note: str


def sheet_size(columns: int, rows: int) -> tuple[int, int]:
    """Width and height in pixels of a sheet with so many columns of queries and rows in the longest of them."""
    width = 2 * MARGIN + columns * _column_width() + (columns - 1) * 2 * MARGIN
    return width, TITLE + MARGIN + LINE + rows * _row_height()


def chosen(answers: Sequence[Answer]) -> list[list[Answer]]:
    """For each query kind at most ROWS answers, evenly out of all."""
    columns = []
    for kind in sorted({answer.query.kind for answer in answers}):
        same = [answer for answer in answers if answer.query.kind == kind]
        n_rows = min(ROWS, len(same))
        columns.append([same[row * len(same) // n_rows] for row in range(n_rows)])
    return columns


def write_sheet(path: Path, heading: Heading, answers: Sequence[Answer], thumbnail: Thumbnail) -> None:
    """Write the sheet as PNG; the hits' pictures are the service's own thumbnails.

    Raises:
        VillsError: a thumbnail cannot be had.
    """
    columns = chosen(answers)
    size = sheet_size(max(1, len(columns)), max((len(column) for column in columns), default=0))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 20), heading.title, INK, _font(26))
    draw.text((MARGIN, 54), heading.note, FAINT, _font(16))
    for number, column in enumerate(columns):
        left = MARGIN + number * (_column_width() + 2 * MARGIN)
        first = column[0]
        draw.text((left, TITLE), f"{first.query.kind} asks for {first.gallery}", INK, _font(16))
        for row, answer in enumerate(column):
            _row(sheet, draw, left, TITLE + MARGIN + LINE // 2 + row * _row_height(), answer, thumbnail)
    sheet.save(path, "PNG")


def _row(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, answer: Answer, thumbnail: Thumbnail
) -> None:
    frames = sample_frames(answer.query)
    picture = Image.fromarray(frames[len(frames) // 2]) if frames else Image.new("RGB", PICTURE, UNKNOWN)
    sheet.paste(_fitted(picture), (left, top))
    draw.rectangle(_around(left, top), outline=INK, width=2)
    _caption(draw, left, top, ["query", answer.query.camera_id])
    for place, (sample, hit) in enumerate(answer.hits[:HITS]):
        x = left + QUERY_GAP + (place + 1) * (PICTURE[0] + GAP)
        with Image.open(io.BytesIO(thumbnail(hit.track_id))) as shown:
            sheet.paste(_fitted(shown.convert("RGB")), (x, top))
        right = answer.right(sample)
        draw.rectangle(_around(x, top), outline=colour_of(right), width=4)
        mark(draw, x + PICTURE[0] - 14, top + 14, right)
        _caption(draw, x, top, [f"{hit.score:.3f}  {sample.camera_id}", _when(hit)])


def colour_of(right: bool | None) -> tuple[int, int, int]:
    """Of frame and mark: green, red, or grey where nobody knows."""
    return UNKNOWN if right is None else RIGHT if right else WRONG


def mark(draw: ImageDraw.ImageDraw, x: int, y: int, right: bool | None) -> None:
    """A white tick on green or cross on red about a point; nothing where nobody knows."""
    if right is None:
        return
    draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=colour_of(right))
    if right:
        draw.line((x - 5, y, x - 1, y + 5, x + 6, y - 5), fill="white", width=3, joint="curve")
    else:
        draw.line((x - 5, y - 5, x + 5, y + 5), fill="white", width=3)
        draw.line((x - 5, y + 5, x + 5, y - 5), fill="white", width=3)


def _caption(draw: ImageDraw.ImageDraw, x: int, top: int, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        where = (x, top + PICTURE[1] + 6 + number * LINE)
        draw.text(where, _shortened(line), INK if number == 0 else FAINT, _font(12))


def _shortened(line: str) -> str:
    font, most = _font(12), PICTURE[0] + GAP - 4
    while font.getlength(line) > most:
        line = line[:-2] + "…"
    return line


def _when(hit: Hit) -> str:
    if hit.start is not None:
        return f"{hit.start:%H:%M:%S}"
    return f"{hit.offset_start_s or 0.0:.1f} s in"


def _fitted(picture: Image.Image) -> Image.Image:
    return ImageOps.pad(picture, PICTURE, color=PAPER)


def _around(x: int, y: int) -> tuple[int, int, int, int]:
    return x - 2, y - 2, x + PICTURE[0] + 1, y + PICTURE[1] + 1


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _column_width() -> int:
    return (HITS + 1) * PICTURE[0] + HITS * GAP + QUERY_GAP


def _row_height() -> int:
    return PICTURE[1] + CAPTION + GAP
