"""What the demo prints: some ranked hits, then the scores of all of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from service.client import Hit, Version
from service.demo.questions import Answer
from service.demo.scores import Ranking, Scores, scored

SHOWN_QUERIES = 2  # of each direction
SHOWN_HITS = 3


@contextmanager
def progress(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with count and remaining time; the value is called once for each step. Silent off a terminal."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)


def encoder_name(version: Version) -> str:
    """The encoder behind the answers, marked where it is untrained."""
    name = version.encoder or "unknown encoder"
    return f"{name} (untrained)" if version.trained is False else name


def print_hits(console: Console, answers: Sequence[Answer]) -> None:
    """The best hits of a few questions of each kind."""
    table = Table("query", "#", "score", "camera", "when", "person", "ms", box=None, pad_edge=False)
    for kind in sorted({answer.query.kind for answer in answers}):
        for answer in [answer for answer in answers if answer.query.kind == kind][:SHOWN_QUERIES]:
            _add_answer(table, answer)
    console.print(table)


def _add_answer(table: Table, answer: Answer) -> None:
    asked = escape(f"{answer.query.camera_id}/{answer.query.path.name}")
    milliseconds = f"{answer.milliseconds:.0f}"
    if not answer.hits:
        table.add_row(asked, "-", "-", "-", "-", "no hits", milliseconds)
    for rank, (sample, hit) in enumerate(answer.hits[:SHOWN_HITS], 1):
        who = {True: "[green]right[/]", False: "[red]wrong[/]", None: "-"}[answer.right(sample)]
        row = (str(rank), f"{hit.score:.3f}", escape(sample.camera_id), _span(hit), who)
        table.add_row(asked, *row, milliseconds)
        asked = milliseconds = ""  # once an answer


def _span(hit: Hit) -> str:
    """Times of day where the item has them, else seconds into its media."""
    if hit.start is not None and hit.end is not None:
        return f"{hit.start:%H:%M:%S.%f}"[:-5] + f" - {hit.end:%H:%M:%S.%f}"[:-5]
    if hit.offset_start_s is not None and hit.offset_end_s is not None:
        return f"{hit.offset_start_s:.1f} s - {hit.offset_end_s:.1f} s"
    return "-"


def print_scores(console: Console, encoder: str, answers: Sequence[Answer], colour: Sequence[Ranking]) -> None:
    """Rank-1 and mAP of each direction, the encoder's above the colour histogram's."""
    table = Table("asked", "by", "questions", "Rank-1", "mAP", box=None, pad_edge=False)
    both = list(zip(answers, colour, strict=True))
    for asking, gallery in dict.fromkeys((answer.query.kind, answer.gallery) for answer in answers):
        same = [pair for pair in both if pair[0].query.kind == asking]
        _add_scores(table, f"{asking} to {gallery}", encoder, scored(answer.ranking for answer, _ in same))
        _add_scores(table, "", "colour histogram", scored(ranking for _, ranking in same))
    if table.row_count:
        console.print(table, highlight=False)
    else:
        console.print("No person is known under two cameras, so right and wrong hits cannot be counted.")


def _add_scores(table: Table, asked: str, by: str, scores: Scores | None) -> None:
    if scores is not None:
        table.add_row(asked, by, str(scores.n_queries), f"{scores.rank1:.3f}", f"{scores.mean_ap:.3f}")


def print_left_out(console: Console, left_out: Sequence[tuple[Path, str]]) -> None:
    """One line for each file that is not in the gallery or was not asked with."""
    for path, reason in left_out:
        console.print(f"[yellow]left out[/] {escape(str(path))}: {escape(reason)}", soft_wrap=True)
