"""The folder that footage is cut into: a picture for each sight of a person, and a manifest of them all.

    OUT/manifest.csv                    path,person_id,camera_id,track_id,frame of everything below
    OUT/<footage>/tracks.csv            the same of this footage, paths relative to it
    OUT/<footage>/<track>/<frame>.jpg

Nobody knows who is who, so each track counts as a person of its own. A footage's folder appears whole or not at all;
`manifest.csv` is put together out of all `tracks.csv`, so that it is right again after the next run, whatever happened.
"""

import csv
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.track.tracks import Track
from service.local.errors import BadInput
from service.local.footage import Footage

MANIFEST, TRACKS = "manifest.csv", "tracks.csv"
COLUMNS = ("path", "person_id", "camera_id", "track_id", "frame")
MARGIN = 0.03  # of a box's width and height, added on every side
JPEG_QUALITY = 95  # pictures to learn from
_UNFINISHED = ".unfinished"
Row = tuple[str, str, str, str, int]


def open_folder(out: Path, names: Iterable[str]) -> None:
    """Make the folder if it is not there, and see that footage of these names can be cut into it.

    Raises:
        BadInput: it cannot be made, holds a manifest of something else, or something else under one of the names.
    """
    try:
        out.mkdir(exist_ok=True)
        listed = {Path(row[0]).parts[0] for row in _read(out / MANIFEST)} if (out / MANIFEST).exists() else set()
    except (OSError, ValueError, csv.Error, IndexError) as error:
        raise BadInput(f"{out} cannot take tracks ({error}): name another folder with --out") from error
    for name in sorted({*listed, *names}):
        if (out / name).exists() and not is_there(out, name):
            raise BadInput(f"{out / name} is there, and no footage was cut into it: name another folder with --out")
    for name in names:
        if name in {"", MANIFEST, _UNFINISHED} or not name.isprintable():
            raise BadInput(f"a folder cannot be named {name!r} after the footage: rename that file")


def is_there(out: Path, name: str) -> bool:
    """Whether footage of that name was cut into the folder before."""
    return (out / name / TRACKS).is_file()


def write_tracks(
    footage: Footage, tracks: Sequence[Track], out: Path, *, name: str, camera: str, step: Callable[[], None]
) -> int:
    """Cut every box of every track out of the footage; returns the number of pictures. `step` is called for each.

    Raises:
        BadInput: the footage cannot be decoded, or a picture cannot be written; nothing of it is left then.
    """
    unfinished = out / _UNFINISHED / name
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    try:
        unfinished.mkdir(parents=True)
        rows = _cut(footage, tracks, unfinished, name, camera, step)
        _write(unfinished / TRACKS, rows)
        unfinished.rename(out / name)
    except OSError as error:
        raise BadInput(f"{footage.path} cannot be cut into {out / name}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        with suppress(OSError):  # another footage is being written there
            unfinished.parent.rmdir()
    return len(rows)


def join_manifests(out: Path) -> int:
    """Write `manifest.csv` of all footage in the folder, whole or not at all; returns the number of its tracks.

    Raises:
        BadInput: it cannot be written, or a list of tracks was damaged since.
    """
    rows: list[Row] = []
    beside = out / f".{MANIFEST}"
    try:
        parts = sorted(out.glob(f"*/{TRACKS}"))
        for tracks in parts:
            rows += [(f"{tracks.parent.name}/{row[0]}", *row[1:]) for row in _read(tracks)]
        if parts or (out / MANIFEST).exists():
            _write(beside, rows)
            beside.replace(out / MANIFEST)
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"{out / MANIFEST} cannot be put together: {error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return len({row[3] for row in rows})


def cut_edges(box: npt.NDArray[np.float32], width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of a picture: the box and a little more, cut at the edges."""
    sides = box[2:] - box[:2]
    left, top = np.floor(np.maximum(box[:2] - MARGIN * sides, 0)).astype(int).tolist()
    right, bottom = np.ceil(np.minimum(box[2:] + MARGIN * sides, (width, height))).astype(int).tolist()
    return left, top, right, bottom


def _cut(
    footage: Footage, tracks: Sequence[Track], folder: Path, name: str, camera: str, step: Callable[[], None]
) -> list[Row]:
    """Write the pictures of all tracks; returns their rows, track by track."""
    by_frame: dict[int, list[tuple[int, npt.NDArray[np.float32]]]] = defaultdict(list)
    rows: list[Row] = []
    for track in tracks:
        (folder / _numbered(track)).mkdir()
        person = f"{name}-{_numbered(track)}"
        for frame, box in zip(track.frames.tolist(), track.boxes, strict=True):
            by_frame[frame].append((len(rows), box))
            rows.append((f"{_numbered(track)}/{frame:06d}.jpg", person, camera, person, frame))
    last = max(by_frame, default=-1)
    for picture in footage.pictures(lambda: None, lambda number, _: number in by_frame):
        for row, box in by_frame[picture.number]:
            crop = picture.image.crop(cut_edges(box, *picture.image.size))
            crop.save(folder / rows[row][0], "JPEG", quality=JPEG_QUALITY)
            step()
        if picture.number == last:
            break
    return rows


def _numbered(track: Track) -> str:
    return f"{track.id:04d}"


def _read(manifest: Path) -> list[Row]:
    with manifest.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if tuple(next(reader, ())) != COLUMNS:
            raise ValueError(f"{manifest} has not the columns {','.join(COLUMNS)}")
        return [(path, person, camera, track, int(frame)) for path, person, camera, track, frame in reader]


def _write(manifest: Path, rows: Iterable[Row]) -> None:
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
