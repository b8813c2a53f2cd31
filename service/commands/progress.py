"""Progress of long work, on standard error and only where a person watches it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with count and remaining time; the value is called once for each finished step. Silent off a terminal."""
    with counted(title, total) as step:
        yield lambda: step(1)


@contextmanager
def counted(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """The same, and the value is told how many steps were finished."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda steps: bar.advance(task, steps)
