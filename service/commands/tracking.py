"""`vills tracks`: footage of whole scenes, cut into pictures of each person in it."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.failures import UserError, settings_with
from service.commands.media_files import Found, find_media
from service.commands.progress import progress

if TYPE_CHECKING:
    from service.decode.crops import DecodeLimits
    from service.local.footage import Footage
    from service.settings import Settings

FASTEST_FPS = 1000.0

FootagePaths = Annotated[list[Path], typer.Argument(metavar="FOOTAGE", help="Videos, or folders of them.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures and manifest.csv.")]
DetectorFile = Annotated[
    Path,
    typer.Option(metavar="FILE.onnx", help="A YOLOX person detector; a bare name is looked up in VILLS_MODEL_DIR."),
]
Fps = Annotated[float, typer.Option(help="Frames looked at in a second.")]
MinSeconds = Annotated[float, typer.Option(help="Shorter tracks are left out.")]
Camera = Annotated[
    str | None, typer.Option(metavar="ID", help="camera_id of all footage; without it, each file's name.")
]
Threads = Annotated[int | None, typer.Option(min=0, help="Of the detector on a CPU; 0: one a core. [VILLS_THREADS]")]


def tracks(
    footage: FootagePaths,
    out: Out,
    detector: DetectorFile,
    fps: Fps = 10.0,
    min_seconds: MinSeconds = 1.0,
    camera: Camera = None,
    threads: Threads = None,
) -> None:
    """Find everybody in footage, follow them, and cut them out: a folder of pictures for each track, and a manifest.

    Exit code 1: some files of a folder are damaged.
    """
    from model.build import find_onnx
    from model.detect.yolox import PersonDetector
    from service.local.footage import Wanted, find_tracks
    from service.local.track_folder import is_there, join_manifests, open_folder, write_tracks

    _check(fps, min_seconds, camera)
    settings = settings_with(threads=threads)
    media = find_media(footage)
    films = _films(media, settings)
    media.tell()
    network = find_onnx(str(detector), settings.model_dir)
    finder = PersonDetector(network, device=settings.device, threads=settings.threads or len(os.sched_getaffinity(0)))
    open_folder(out, films)
    n_tracks = 0
    try:
        for name, film in films.items():
            if is_there(out, name):
                typer.echo(f"{name}: there from before and left as it is; remove {out / name} to cut it anew")
                continue
            with progress("following", film.n_frames()) as step:
                found = find_tracks(film, finder, Wanted(fps, min_seconds), step=step)
            with progress("cutting", sum(len(track) for track in found)) as step:
                n_pictures = write_tracks(film, found, out, name=name, camera=camera or name, step=step)
            typer.echo(f"{name}: {len(found):,} tracks, {n_pictures:,} pictures")
    finally:  # also of what was done before a stop
        n_tracks = join_manifests(out)
    typer.echo(f"{n_tracks:,} tracks listed in {out / 'manifest.csv'}; who is who is not known: each is its own person")
    raise typer.Exit(media.exit_code)


def _check(fps: float, min_seconds: float, camera: str | None) -> None:
    if not 0 < fps <= FASTEST_FPS:
        raise UserError(f"--fps is above 0 and at most {FASTEST_FPS:g}, and it is {fps:g}")
    if not min_seconds >= 0:
        raise UserError(f"--min-seconds is not below 0, and it is {min_seconds:g}")
    if camera is not None and not camera.strip():
        raise UserError("--camera is empty: give an id, or leave the option out")


def _films(media: Found, settings: "Settings") -> "dict[str, Footage]":
    """The footage by the name of its folder."""
    from service.local.footage import Footage

    pictures = [file.path for file in media.files if file.kind != "video"]
    if pictures:
        raise UserError(f"footage is video, and {pictures[0]} is a picture: name the videos alone")
    names = Counter(file.path.stem.strip() for file in media.files)
    twice = next((name for name, n_files in names.items() if n_files > 1), None)
    if twice is not None:
        same = [str(file.path) for file in media.files if file.path.stem.strip() == twice]
        raise UserError(
            f"tracks lie in a folder named after their footage, and {' and '.join(same)} are both {twice}: "
            "rename one, or give them different --out"
        )
    limits = _limits(settings)
    return {file.path.stem.strip(): Footage(file.path, limits) for file in media.files}


def _limits(settings: "Settings") -> "DecodeLimits":
    """Footage of one's own may be as long as it likes."""
    from service.decode.limits import decode_limits

    return replace(decode_limits(settings), max_video_seconds=float("inf"), max_video_frames=2**63)
