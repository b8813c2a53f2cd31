"""Ranked lists: a query and its first answers, right ones framed green with a tick, wrong ones red with a cross."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from model.evaluation.answers import Ids, Similarities, hidden_rows
from model.pictures import ink

HEIGHT, WIDTH = 160, 80  # of a picture
GAP, MARGIN, HEAD, CAPTION = 12, 20, 34, 20
FRAME = 4  # pixels around an answer


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer to a query."""

    row: int  # in the gallery
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is asked for or searched: who it shows, and one picture file of each, row for row."""

    ids: Ids
    pictures: Sequence[Path]


def first_hits(
    scores: Similarities, gallery: Ids, person: int, camera: int, *, shown: int, same_camera: bool = True
) -> list[Hit]:
    """The first `shown` answers to one query, of float32 scores (N,), ranked as evaluation ranks them.

    Junk is left out and so, with `same_camera`, are rows of the query's person and camera; where scores are equal, the
    wrong ones come first.
    """
    right = gallery.person == person
    hidden = hidden_rows(gallery, person, camera, same_camera=same_camera)
    order = np.lexsort((right, -scores))
    return [Hit(int(row), float(scores[row]), bool(right[row])) for row in order[~hidden[order]][:shown]]


def ranked_list(
    path: Path,
    similarities: Similarities,
    queries: Shelf,
    gallery: Shelf,
    *,
    told: Similarities | None = None,
    shown: int = 10,
    same_camera: bool = True,
    title: str = "",
) -> None:
    """Write a PNG with one line a query: float32 similarities (Q, N), the larger the more alike.

    told: what is written below each answer, (Q, N); the similarities unless given.

    Raises:
        ValueError: there is no query, or rows, identities and pictures differ in number.
        OSError: a picture cannot be read.
    """
    n_queries, n_gallery = similarities.shape
    found = (len(queries.ids), len(queries.pictures), len(gallery.ids), len(gallery.pictures))
    if found != (n_queries, n_queries, n_gallery, n_gallery) or not n_queries:
        raise ValueError(f"{similarities.shape} similarities need as many identities and pictures, got {found}")
    sheet = Image.new("RGB", sheet_size(n_queries, shown), ink.PAPER)
    draw = ImageDraw.Draw(sheet)
    ink.text(draw, (MARGIN, MARGIN - 4), title, size=16)
    told = similarities if told is None else told
    for line, scores in enumerate(similarities):
        person, camera = int(queries.ids.person[line]), int(queries.ids.camera[line])
        hits = first_hits(scores, gallery.ids, person, camera, shown=shown, same_camera=same_camera)
        _paste(sheet, line, 0, queries.pictures[line], ink.INK, f"{person}, cam {camera}")
        for place, hit in enumerate(hits, 1):
            colour = ink.RIGHT if hit.right else ink.WRONG
            caption = f"{told[line, hit.row]:.3f}, cam {gallery.ids.camera[hit.row]}"
            left, top = _paste(sheet, line, place, gallery.pictures[hit.row], colour, caption)
            _mark(draw, left + WIDTH - 11, top + 11, hit.right)
    sheet.save(path, "PNG")


def sheet_size(n_queries: int, shown: int) -> tuple[int, int]:
    """Width and height in pixels."""
    width = 2 * MARGIN + (shown + 1) * (WIDTH + GAP) + GAP
    return width, HEAD + 2 * MARGIN + n_queries * (HEIGHT + CAPTION + GAP) - GAP


def place_of(line: int, place: int) -> tuple[int, int]:
    """Left and top of a picture: place 0 is the query, 1 the first answer. A wider gap parts the two."""
    left = MARGIN + place * (WIDTH + GAP) + (GAP if place else 0)
    return left, HEAD + MARGIN + line * (HEIGHT + CAPTION + GAP)


def _paste(sheet: Image.Image, line: int, place: int, file: Path, colour: ink.Colour, caption: str) -> tuple[int, int]:
    left, top = place_of(line, place)
    width = FRAME if place else 1
    draw = ImageDraw.Draw(sheet)
    around = (left - width, top - width, left + WIDTH + width - 1, top + HEIGHT + width - 1)
    draw.rectangle(around, outline=colour, width=width)
    with Image.open(file) as picture:
        sheet.paste(ink.crop(picture, HEIGHT, WIDTH), (left, top))
    ink.text(draw, (left, top + HEIGHT + 5), caption, size=12, colour=ink.INK if place == 0 else ink.FAINT)
    return left, top


def _mark(draw: ImageDraw.ImageDraw, x: int, y: int, right: bool) -> None:
    """A white tick on green or cross on red: colour alone does not tell everybody."""
    draw.ellipse((x - 8, y - 8, x + 8, y + 8), fill=ink.RIGHT if right else ink.WRONG)
    if right:
        draw.line((x - 4, y, x - 1, y + 4, x + 5, y - 4), fill="white", width=2, joint="curve")
    else:
        draw.line((x - 4, y - 4, x + 4, y + 4), fill="white", width=2)
        draw.line((x - 4, y + 4, x + 4, y - 4), fill="white", width=2)
