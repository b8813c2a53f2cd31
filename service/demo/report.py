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
    """The encoder behind the answers, and that it is untrained where it is."""
    name = version.encoder or "unknown encoder"
    return f"{name} (untrained: its ranks mean nothing)" if version.trained is False else name


def print_hits(console: Console, answers: Sequence[Answer]) -> None:
    """The best hits of a few questions of each kind."""
    table = Table("query", "rank", "score", "camera", "when", "person", "ms", box=None, pad_edge=False)
    for kind in sorted({answer.query.kind for answer in answers}):
        for answer in [answer for answer in answers if answer.query.kind == kind][:SHOWN_QUERIES]:
            _add_answer(table, answer)
    console.print(table)


def _add_answer(table: Table, answer: Answer) -> None:
    query = answer.query
    asked = escape(f"{query.kind} {query.camera_id}/{query.path.name} -> {answer.gallery}s")
    for rank, (sample, hit) in enumerate(answer.hits[:SHOWN_HITS], 1):
        right = answer.right(sample)
        who = {True: "[green]right[/]", False: "[red]wrong[/]", None: "-"}[right]
        first = rank == 1
        table.add_row(
            asked if first else "",
            str(rank),
            f"{hit.score:.3f}",
            escape(sample.camera_id),
            _span(hit),
            who,
            f"{answer.milliseconds:.0f}" if first else "",
        )
    if not answer.hits:
        table.add_row(asked, "-", "-", "-", "-", "no hits", f"{answer.milliseconds:.0f}")


def _span(hit: Hit) -> str:
    """Times of day where the item has them, else seconds into its media."""
    if hit.start is not None and hit.end is not None:
        return f"{hit.start:%H:%M:%S.%f}"[:-4] + f" - {hit.end:%H:%M:%S.%f}"[:-4]
    if hit.offset_start_s is not None and hit.offset_end_s is not None:
        return f"{hit.offset_start_s:.1f} s - {hit.offset_end_s:.1f} s"
    return "-"


def print_scores(console: Console, encoder: str, answers: Sequence[Answer], colour: Sequence[Ranking]) -> None:
    """Rank-1 and mAP of each direction, the encoder's beside the colour histogram's."""
    table = Table("all questions", "n", f"Rank-1 {encoder}", "mAP", "Rank-1 colour histogram", "mAP", box=None)
    both = list(zip(answers, colour, strict=True))
    for direction in dict.fromkeys((answer.query.kind, answer.gallery) for answer in answers):
        same = [pair for pair in both if (pair[0].query.kind, pair[0].gallery) == direction]
        ours = scored(answer.ranking for answer, _ in same)
        base = scored(ranking for _, ranking in same)
        if ours and base:
            title = f"{direction[0]} to {direction[1]}"
            table.add_row(title, str(ours.n_queries), *_figures(ours), *_figures(base))
    if table.row_count:
        console.print(table)
    else:
        console.print("No person is known under two cameras, so there are no right and wrong hits to count.")


def _figures(scores: Scores) -> tuple[str, str]:
    return f"{scores.rank1:.3f}", f"{scores.mean_ap:.3f}"


def print_left_out(console: Console, left_out: Sequence[tuple[Path, str]]) -> None:
    """One line for each file that is not in the gallery or was not asked with."""
    for path, reason in left_out:
        console.print(f"[yellow]left out[/] {escape(str(path))}: {escape(reason)}", soft_wrap=True)
