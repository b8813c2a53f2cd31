"""Training curves: what is read of a run, and that every series of every run is drawn where its numbers say."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.pictures import ink
from model.pictures.curves import PANEL, SMOOTHED_FROM, colour_of, corner, draw_curves, sheet_size, smoothed, ticks
from model.pictures.errors import NothingToDraw
from model.pictures.figures import Run, read_run


def write(folder: Path, lines: list[dict[str, object]], rest: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + rest)
    return folder


def panel(sheet: Path, place: int) -> np.ndarray:
    left, top = corner(place)
    with Image.open(sheet) as picture:
        return np.asarray(picture.crop((left, top, left + PANEL[1], top + PANEL[0])), np.int64)


def heights(plot: np.ndarray, colour: ink.Colour, columns: list[int]) -> list[float]:
    """The mean row of the pixels of one colour in each column, from the top; not-a-number where there is none."""
    alike = np.abs(plot - np.array(colour)).max(axis=2) < 40
    return [
        float(np.flatnonzero(alike[:, column]).mean()) if alike[:, column].any() else math.nan for column in columns
    ]


def test_every_number_of_a_run_is_read_and_nothing_else(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"step": 20, "loss": 3, "loss/identity": 2.5, "lr": 1e-4, "note": "warm", "done": True},
        {"step": 10, "loss": 4.0, "scale": None},
        {"step": 20, "loss": 2.0},
        {"step": 30, "loss": math.nan},
    ]
    run = read_run(write(tmp_path / "s1", lines, rest='{"step": 40, "lo'))
    assert run == Run("s1", {"loss": [(10, 4.0), (20, 2.0)], "loss/identity": [(20, 2.5)], "lr": [(20, 1e-4)]})
    assert read_run(tmp_path / "s1" / "metrics.jsonl") == run
    copy = tmp_path / "other.jsonl"
    copy.write_text((tmp_path / "s1" / "metrics.jsonl").read_text())
    assert read_run(copy).name == "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read.*name the folder of a run"),
        ("", "hold no numbers yet"),
        ('{"step": 1, "note": "x"}\n', "hold no numbers yet"),
        ('{"step": 1, "lo\n{"step": 2, "loss": 1}\n', "line 1 of .* is no JSON"),
        ('{"loss": 1}\n', "line 1 of .* must be an object with a number `step`"),
        ("[1]\n", "line 1 of .* must be an object"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(NothingToDraw, match=message):
        read_run(tmp_path)


def test_lines_of_every_run_go_where_their_numbers_are(tmp_path: Path) -> None:
    falling = Run("falling", {"loss": [(step, 10.0 - step) for step in range(11)], "lr": [(0, 1.0), (10, 1.0)]})
    rising = Run("rising", {"loss": [(step, float(step)) for step in range(11)], "late": [(5, 2.0)]})
    out = tmp_path / "curves.png"
    draw_curves(out, [falling, rising])
    with Image.open(out) as picture:
        assert picture.size == sheet_size(3)
    height, width = PANEL
    columns = [round(width * share) for share in (0.1, 0.25, 0.75, 0.9)]
    # A twentieth of the span lies above and below.
    down = [height * (share + 0.05) / 1.1 for share in (0.1, 0.25, 0.75, 0.9)]
    loss = panel(out, 0)
    np.testing.assert_allclose(heights(loss, colour_of(0), columns), down, atol=3)
    np.testing.assert_allclose(heights(loss, colour_of(1), columns), down[::-1], atol=3)
    # `lr` is flat and of the first run alone; `late` is one point of the second.
    assert np.ptp(heights(panel(out, 1), colour_of(0), columns)) < 1
    assert np.isnan(heights(panel(out, 1), colour_of(1), columns)).all()
    assert heights(panel(out, 2), colour_of(1), [width // 2]) == pytest.approx([height / 2], abs=3)


def test_only_the_wanted_series_are_drawn_in_their_order(tmp_path: Path) -> None:
    run = Run("one", {"a": [(0, 0.0), (1, 1.0)], "b": [(0, 1.0), (1, 0.0)], "c": [(0, 0.0), (1, 0.0)]})
    out = tmp_path / "curves.png"
    draw_curves(out, [run], ["b", "a"])
    with Image.open(out) as picture:
        assert picture.size == sheet_size(2)
    ends = [PANEL[1] // 10, PANEL[1] * 9 // 10]
    (first, second), (third, fourth) = (heights(panel(out, place), colour_of(0), ends) for place in (0, 1))
    assert first < second and third > fourth
    with pytest.raises(NothingToDraw, match="no run has the series d: there are a, b, c"):
        draw_curves(out, [run], ["a", "d"])


def test_long_series_are_smoothed_and_what_was_measured_stays_behind(tmp_path: Path) -> None:
    noisy = [(float(step), float(step % 2)) for step in range(4 * SMOOTHED_FROM)]
    means = smoothed(noisy)
    assert [step for step, _ in means] == [step for step, _ in noisy]
    assert all(abs(value - 0.5) < 0.2 for _, value in means)
    out = tmp_path / "curves.png"
    draw_curves(out, [Run("noisy", {"x": noisy})])
    plot = panel(out, 0)
    bold = np.abs(plot - np.array(colour_of(0))).max(axis=2) < 40
    assert np.flatnonzero(bold.any(axis=1)).min() > PANEL[0] * 0.3
    assert (plot[PANEL[0] // 8] != np.array(ink.PAPER)).any()


@pytest.mark.parametrize("span", [(0.0, 1.0), (3.1, 17.4), (-2e-5, 9e-5), (999.0, 1001.0), (0.0, 123456.0)])
def test_ticks_are_a_few_round_numbers_within_the_span(span: tuple[float, float]) -> None:
    marks = ticks(span)
    assert 3 <= len(marks) <= 9
    assert span[0] <= min(marks) and max(marks) <= span[1] * (1 + 1e-12)
    steps = np.diff(marks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    assert f"{steps[0]:.0e}"[0] in "125"
