"""Drawn walkers as a data set on disk: tracks of dense frames before two cameras, and a manifest that tells all."""

import csv
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from service.demo.film import Pixels, Take, Walker, frames, take, walker
from service.demo.samples import MANIFEST, nothing
from service.demo.scene import CAMERAS, HEIGHT, Camera, background
from service.demo.walkers.cast import Vary, attributes, cast, restarted
from service.demo.walkers.spoil import FAULTS, Fault, band_rows, faults, spoil

FRAMES = 16  # of a track
EVERY = 3  # of the film's frames: 8.3 a second, so that a track lasts two seconds
SHRINK = 2  # crops are half as high and wide as the demo's: 128 x 64 pixels
COLUMNS = ("path", "person_id", "camera_id", "track_id", "frame", "split", "fault")
# Both from ahead, one from either side, so that no arm hides behind the body.
MOTION_YAWS = ((0.3, 0.65), (-0.75, -0.4))


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of a data set. Test people come after the people to train on, in one cast: none is both."""

    people: int
    test_people: int
    seed: int
    vary: Vary

    @property
    def tracks(self) -> int:
        return len(CAMERAS) * sum(len(self.splits(number)) for number in range(self.people + self.test_people))

    def trains(self, number: int) -> bool:
        """Whether the walker is to train on."""
        return number < self.people

    def splits(self, number: int) -> Sequence[str]:
        """What each pass of the walker before a camera is for."""
        if self.trains(number):
            return ("train", "train")
        # Faults part the queries into three, and each part has to be large enough to tell variants apart.
        return ("query", "gallery") if self.vary == "gait" else ("query", "gallery", "query")


@dataclass(frozen=True, slots=True)
class Pass:
    """One person before one camera, once."""

    place: int  # of the camera
    number: int  # of the walker
    turn: int
    split: str

    def track(self, person: str, camera: str) -> str:
        return f"{person}-{camera}-{self.turn + 1}"


_Rows = list[dict[str, str]]  # of a manifest
_Draw = Callable[[Pass], _Rows]


def draw_walkers(folder: Path, plan: Plan, *, processes: int = 1, step: Callable[[], None] = nothing) -> Path:
    """Draw a data set into a folder, which is made; the path of its manifest, which the data set `csv` reads.

    Every person passes each of two cameras twice, at another pace of the picture, from another angle, in another light
    and from another moment of the gait on: 16 frames of 128 x 64 pixels, 8.3 a second. Of test people the first pass
    is a query and the second in the gallery. Further columns say what is known of the person.

    Unless people differ in gait alone, some passes have somebody of the same split or a post in front, and a third of
    them has a band blanked in three frames of eight, another third five frames of eight spoiled (the column `fault`, a
    frame). Test people then pass a third time, as a query; the queries' thirds are as equal as can be. Where people
    differ in gait alone nothing hides them.

    The same plan draws the same pixels, in however many processes. `step` is called once a track.

    Raises:
        ValueError: no person to train on, or none to test.
    """
    if plan.people < 1 or plan.test_people < 1:
        raise ValueError(f"people to train on and to test are at least 1 each, got {plan.people}, {plan.test_people}")
    rows: list[dict[str, str]] = []
    passes = [one for place in range(len(CAMERAS)) for one in _passes(plan, place)]
    with _drawing(plan, processes) as draw:
        for track in draw(partial(_drawn, folder, plan), passes):
            rows += track
            step()
    path = folder / MANIFEST
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@contextmanager
def _drawing(plan: Plan, processes: int) -> Iterator[Callable[[_Draw, Sequence[Pass]], Iterable[_Rows]]]:
    """What draws passes, in order, in this process or in several others."""
    if processes == 1:
        try:
            yield map
        finally:
            _scene.cache_clear()  # as it ends with the other processes
        return
    # Spawned, because a fork of a process that runs threads may hang.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield partial(pool.imap, chunksize=4)


@dataclass(frozen=True, slots=True)
class _Scene:
    walkers: list[Walker]
    cameras: Sequence[Camera]
    backdrops: Sequence[Image.Image]


@cache
def _scene(plan: Plan) -> _Scene:
    cameras = _cameras(plan.vary)
    seeds = [np.random.default_rng((plan.seed, 2, place)) for place in range(len(cameras))]
    return _Scene(_walkers(plan), cameras, [background(*each) for each in zip(cameras, seeds, strict=True)])


def _drawn(folder: Path, plan: Plan, one: Pass) -> _Rows:
    """Draw a track; its rows of the manifest."""
    scene = _scene(plan)
    shot = _shot(scene.walkers, one, scene.cameras[one.place], scene.backdrops[one.place], plan)
    return list(_written(folder, shot, one, plan))


def _walkers(plan: Plan) -> list[Walker]:
    people = cast(plan.people + plan.test_people, plan.seed, plan.vary)
    if plan.vary != "gait":
        return [walker(person) for person in people]
    mesh = walker(people[0]).mesh  # the body, and what is worn, of all
    return [Walker(person, mesh) for person in people]


def _cameras(vary: Vary) -> Sequence[Camera]:
    if vary != "gait":
        return CAMERAS
    return [replace(camera, yaws=yaws) for camera, yaws in zip(CAMERAS, MOTION_YAWS, strict=True)]


def _passes(plan: Plan, place: int) -> Iterator[Pass]:
    for number in range(plan.people + plan.test_people):
        for turn, split in enumerate(plan.splits(number)):
            yield Pass(place, number, turn, split)


def _shot(walkers: list[Walker], one: Pass, camera: Camera, backdrop: Image.Image, plan: Plan) -> Take:
    seed = (plan.seed, 5, one.place, one.number, one.turn)
    company, number = _company(walkers, one.number, plan)
    shot = take(company, number, camera, backdrop, seed)
    person = shot.walker.person
    gait = restarted(person.gait, np.random.default_rng((*seed, 2)))
    shot = replace(shot, walker=replace(shot.walker, person=replace(person, gait=gait)))
    return shot if plan.vary != "gait" else replace(shot, post_px=None, passer=None)


def _company(walkers: list[Walker], number: int, plan: Plan) -> tuple[list[Walker], int]:
    """Who may pass in front of a walker, the walker among them, and at which place: a picture to train on must not
    show anybody who is tested. Nobody passes in front of people who differ in gait alone."""
    if plan.vary == "gait":
        return walkers, number
    if plan.trains(number):
        return walkers[: plan.people], number
    return walkers[plan.people :], number - plan.people


def _written(folder: Path, shot: Take, one: Pass, plan: Plan) -> Iterator[dict[str, str]]:
    """Write the frames of a track; their rows of the manifest."""
    person, camera = shot.walker.person, shot.camera.name
    track = one.track(person.name, camera)
    place = folder / person.name / track
    place.mkdir(parents=True, exist_ok=True)
    for frame, (picture, fault) in enumerate(_pictures(shot, one, plan)):
        path = place / f"{frame:02d}.png"
        Image.fromarray(picture).save(path, compress_level=1)
        known = (path.relative_to(folder).as_posix(), person.name, camera, track, str(frame), one.split, fault)
        yield dict(zip(COLUMNS, known, strict=True)) | dict(attributes(person, plan.vary))


def _pictures(shot: Take, one: Pass, plan: Plan) -> Iterator[tuple[Pixels, Fault]]:
    """The crops of a track, uint8 (128, 64, 3), and what is wrong with each."""
    rng = np.random.default_rng((*shot.jitter_seed, 3))
    wrong = faults(_kind(one, plan, rng), FRAMES, rng)
    band = band_rows(HEIGHT // SHRINK, rng)
    for picture, fault in zip(frames(shot, range(0, FRAMES * EVERY, EVERY)), wrong, strict=True):
        small = np.asarray(Image.fromarray(picture).reduce(SHRINK))
        yield spoil(small, fault, band, rng), fault


def _kind(one: Pass, plan: Plan, rng: np.random.Generator) -> Fault:
    if plan.vary == "gait":
        return ""
    # The two queries before each of two cameras: three people have each kind four times.
    chosen = one.number + one.place + one.turn if one.split == "query" else int(rng.integers(len(FAULTS)))
    return FAULTS[chosen % len(FAULTS)]
