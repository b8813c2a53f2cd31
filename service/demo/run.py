"""The demo from end to end: a service of its own, samples, questions, figures, contact sheet."""

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from service.client import VillsClient
from service.demo.baseline import colour_rankings
from service.demo.folder import BadFolder, Skipped, read_folder
from service.demo.questions import ask_all, fill, questions
from service.demo.report import encoder_name, print_hits, print_left_out, print_scores, progress
from service.demo.samples import PEOPLE, Sample, draw_samples
from service.demo.scene import CAMERAS
from service.demo.sheet import Heading, write_sheet
from service.local.supervisor import LocalService
from service.settings import Settings

START_TIMEOUT_S = 180.0
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHEET, LOG = "sheet.png", "service.log"


def run(settings: Settings, *, samples: Path | None, out: Path) -> int:
    """Start a service of its own, show it on somebody's samples or drawn people, stop it; the exit code.

    Only the encoder and limits of the settings count: folder and ports are temporary. The log is in `out`.

    Raises:
        LocalError: the service does not come up.
        VillsError: it is there and refuses.
        KeyboardInterrupt: a signal came; by then the service is stopped and its folder gone.
    """
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            ended_by_signals(),
            prepared(samples, console) as (shown, skipped),
            own_service(settings, out / LOG, console) as url,
        ):
            print_left_out(console, skipped)
            with VillsClient(url) as client:
                return show(client, shown, out, console)
    except (BadFolder, TimeoutError) as error:
        console.print(f"{error}", style="red", markup=False, soft_wrap=True)
        return 2 if isinstance(error, BadFolder) else 1


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: in order, from the inside out.

    Only the first signal counts: a second one would cut short the stop that the first began, and leave folders behind.
    One that is ignored already (`nohup`) stays so.
    """
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def prepared(folder: Path | None, console: Console) -> Iterator[tuple[list[Sample], list[Skipped]]]:
    """Somebody's samples and what is none of them; without a folder, drawn people that are gone afterwards.

    Raises:
        BadFolder: nothing there can be shown.
    """
    if folder is not None:
        yield read_folder(folder)
        return
    with tempfile.TemporaryDirectory(prefix="vills-demo-people-") as drawn:
        with progress(console, "draw people", PEOPLE * len(CAMERAS)) as step:
            samples = draw_samples(Path(drawn), step=step)
        console.print(f"drew {PEOPLE} people before {len(CAMERAS)} cameras: {len(samples)} clips and stills")
        yield samples, []


@contextmanager
def own_service(settings: Settings, log: Path, console: Console) -> Iterator[str]:
    """A fresh service in a temporary folder on free loopback ports, ready; its address.

    Raises:
        LocalError: a process does not come up.
        TimeoutError: it is not ready after START_TIMEOUT_S seconds.
    """
    with tempfile.TemporaryDirectory(prefix="vills-demo-") as folder:
        fresh = {"data_dir": Path(folder), "host": "127.0.0.1", "port": 0, "redis_url": None, "media_url": None}
        with LocalService(settings.model_copy(update=fresh), log=log) as service:
            with console.status("start the service"):
                service.wait_ready(START_TIMEOUT_S)
            console.print(f"service ready at {service.base_url}, log in {log}")
            yield service.base_url


def show(client: VillsClient, samples: list[Sample], out: Path, console: Console) -> int:
    """Upload, ask, print and write `sheet.png` into `out`; 0 when there were answers, else 1.

    Raises:
        VillsError: the service is not there, or the key does not allow it.
    """
    version = client.version()
    encoder = encoder_name(version)
    with progress(console, "upload and wait", 2 * len(samples)) as step:
        filled = fill(client, samples, step)
    console.print(f"{len(filled.items)} of {len(samples)} files are searchable, encoder {encoder}", highlight=False)
    with progress(console, "ask", len(questions(filled))) as step:
        answers = ask_all(client, filled, step)
    print_left_out(console, filled.refused)
    if not any(answer.hits for answer in answers):
        console.print("No question had an answer: put clips or pictures of two people or more into the folder.")
        return 1
    print_hits(console, answers)
    print_scores(console, encoder, answers, colour_rankings(filled, answers))
    if version.trained is False:
        console.print("The encoder is untrained, so its ranks mean nothing: name a trained one in VILLS_ENCODER.")
    note = "green: the person asked for; red: somebody else; grey: not known who it is"
    write_sheet(
        out / SHEET, Heading(f"Where else does this person appear?  {encoder}", note), answers, client.thumbnail
    )
    console.print(f"contact sheet: {out / SHEET}")
    return 0
