"""Training curves: a panel for each series, a colour for each run."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from model.pictures import ink
from model.pictures.figures import Points, Run, names_of

PANEL = (210, 380)  # height and width of what a panel plots
LEFT, TOP, BOTTOM, RIGHT = 62, 30, 34, 22  # around it
COLUMNS, MARGIN, LEGEND = 3, 14, 26
FINE = 3  # lines are drawn so many times larger, then made smooth
SMOOTHED_FROM = 60  # points; from there on the line is a moving mean, and what was measured stands pale behind it
WINDOW = 1 / 25  # of all points: how many the moving mean takes

Span = tuple[float, float]


def draw_curves(path: Path, runs: Sequence[Run], wanted: Sequence[str] = ()) -> None:
    """Write a PNG of the `wanted` series, or of all; each panel has its own scale, equal for all runs.

    Raises:
        NothingToDraw: no run has a series of that name.
    """
    names = names_of(runs, wanted)
    sheet = Image.new("RGB", sheet_size(len(names)), ink.PAPER)
    draw = ImageDraw.Draw(sheet)
    _legend(draw, runs)
    for place, name in enumerate(names):
        lines = {number: run.series[name] for number, run in enumerate(runs) if name in run.series}
        steps = _span([step for line in lines.values() for step, _ in line])
        values = _widened(_span([value for line in lines.values() for _, value in line]))
        _axes(draw, place, name, steps, values)
        left, top = corner(place)
        sheet.paste(_plot(lines, steps, values), (left, top))
    sheet.save(path, "PNG")


def colour_of(run: int) -> ink.Colour:
    """Of the run's lines and its name."""
    return ink.SERIES[run % len(ink.SERIES)]


def sheet_size(n_panels: int) -> tuple[int, int]:
    """Width and height in pixels."""
    columns, rows = min(COLUMNS, n_panels), math.ceil(n_panels / COLUMNS)
    return 2 * MARGIN + columns * (LEFT + PANEL[1] + RIGHT), 2 * MARGIN + LEGEND + rows * (TOP + PANEL[0] + BOTTOM)


def corner(place: int) -> tuple[int, int]:
    """Left and top of what panel `place` plots; panels go from left to right, then down."""
    row, column = divmod(place, COLUMNS)
    return (
        MARGIN + column * (LEFT + PANEL[1] + RIGHT) + LEFT,
        MARGIN + LEGEND + row * (TOP + PANEL[0] + BOTTOM) + TOP,
    )


def smoothed(points: Points) -> Points:
    """A centred moving mean over a twenty-fifth of the points; the ends take what there is."""
    half = max(1, round(len(points) * WINDOW / 2))
    means = []
    for place, (step, _) in enumerate(points):
        near = [value for _, value in points[max(0, place - half) : place + half + 1]]
        means.append((step, sum(near) / len(near)))
    return means


def _plot(lines: dict[int, Points], steps: Span, values: Span) -> Image.Image:
    """The lines of one panel on paper, with the horizontal rules behind them."""
    height, width = (FINE * side for side in PANEL)
    plot = Image.new("RGB", (width, height), ink.PAPER)
    draw = ImageDraw.Draw(plot)

    def at(step: float, value: float) -> tuple[float, float]:
        return _share(step, steps) * (width - 1), (1 - _share(value, values)) * (height - 1)

    for tick in ticks(values):
        y = at(steps[0], tick)[1]
        draw.line((0, y, width, y), ink.RULE, FINE)
    for number, points in lines.items():
        colour = colour_of(number)
        if len(points) >= SMOOTHED_FROM:
            draw.line([at(*point) for point in points], _pale(colour), FINE)
            points = smoothed(points)
        if len(points) == 1:
            x, y = at(*points[0])
            draw.ellipse((x - 3 * FINE, y - 3 * FINE, x + 3 * FINE, y + 3 * FINE), fill=colour)
        draw.line([at(*point) for point in points], colour, 2 * FINE, joint="curve")
    return plot.resize(PANEL[::-1], Image.Resampling.LANCZOS)


def _axes(draw: ImageDraw.ImageDraw, place: int, name: str, steps: Span, values: Span) -> None:
    left, top = corner(place)
    height, width = PANEL
    ink.text(draw, (left, top - 8), name, 15, anchor="ls")
    for tick in ticks(values):
        y = top + (1 - _share(tick, values)) * (height - 1)
        ink.text(draw, (left - 6, y), f"{tick:.4g}", 12, ink.FAINT, anchor="rm")
    for tick in ticks(steps):
        x = left + _share(tick, steps) * (width - 1)
        draw.line((x, top + height, x, top + height + 4), ink.FAINT)
        ink.text(draw, (x, top + height + 7), f"{tick:,.6g}", 12, ink.FAINT, anchor="ma")
    draw.line((left - 1, top, left - 1, top + height, left + width, top + height), ink.FAINT)


def _legend(draw: ImageDraw.ImageDraw, runs: Sequence[Run]) -> None:
    left = float(MARGIN + LEFT)
    for number, run in enumerate(runs):
        middle = MARGIN + LEGEND // 2
        draw.line((left, middle, left + 18, middle), colour_of(number), 4)
        ink.text(draw, (left + 24, middle), run.name, 14, anchor="lm")
        left += 24 + ink.font(14).getlength(run.name) + 28


def ticks(span: Span) -> list[float]:
    """Three to nine round numbers within a span: multiples of 1, 2 or 5 times a power of ten."""
    low, high = span
    rough = (high - low) / 8
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _span(numbers: Sequence[float]) -> Span:
    """Smallest and largest, apart even where all are equal."""
    low, high = min(numbers), max(numbers)
    if low == high:
        reach = abs(low) / 2 or 1.0
        return low - reach, high + reach
    return low, high


def _widened(span: Span) -> Span:
    """A little air above and below, so that no line runs along the edge."""
    air = (span[1] - span[0]) * 0.05
    return span[0] - air, span[1] + air


def _share(value: float, span: Span) -> float:
    return (value - span[0]) / (span[1] - span[0])


def _pale(colour: ink.Colour) -> ink.Colour:
    red, green, blue = (round(0.25 * own + 0.75 * paper) for own, paper in zip(colour, ink.PAPER, strict=True))
    return red, green, blue
