"""Somebody's own folder as samples: sub-folders are cameras, equal file names in two of them are one person."""

import csv
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from service.decode.errors import MediaError
from service.decode.sniff import HEAD_BYTES, sniff
from service.demo.samples import MANIFEST, Kind, Sample

Skipped = tuple[Path, str]  # a file and why it is left out


class BadFolder(Exception):
    """The folder cannot be shown; the message names what was found and the cure."""


def read_folder(folder: Path) -> tuple[list[Sample], list[Skipped]]:
    """The samples of a folder, by its `manifest.csv` if it has one, and the files that are none.

    Raises:
        BadFolder: it is not there, or nothing in it is a picture or a clip.
    """
    if not folder.is_dir():
        raise BadFolder(f"there is no folder {folder}: name one that holds clips or pictures")
    manifest = folder / MANIFEST
    samples, skipped = _listed(manifest) if manifest.is_file() else _found(folder)
    if not samples:
        raise BadFolder(f"{folder} holds no picture and no clip: put some in, or name another folder")
    return samples, skipped


def _found(folder: Path) -> tuple[list[Sample], list[Skipped]]:
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in inner.parts):
            continue
        kind, reason = _kind(path)
        if kind is None:
            skipped.append((path, reason))
            continue
        camera = inner.parts[0] if len(inner.parts) > 1 else folder.resolve().name
        samples.append(Sample(path, kind, camera or "camera"))
    return _named(samples), skipped


def _named(samples: list[Sample]) -> list[Sample]:
    """Give those a person whose file name occurs under two cameras or more; elsewhere a name says nothing."""
    cameras: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        cameras[sample.path.stem].add(sample.camera_id)
    return [
        replace(sample, person_id=sample.path.stem) if len(cameras[sample.path.stem]) > 1 else sample
        for sample in samples
    ]


def _listed(manifest: Path) -> tuple[list[Sample], list[Skipped]]:
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    with manifest.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        for row in csv.DictReader(file):
            path = manifest.parent / (row.get("path") or "")
            kind, reason = _kind(path)
            if kind is None:
                skipped.append((path, reason))
                continue
            camera = row.get("camera_id") or manifest.parent.resolve().name or "camera"
            person = row.get("person_id") or None
            samples.append(Sample(path, kind, camera, person, _moment(row.get("captured_at"))))
    return samples, skipped


def _moment(text: str | None) -> datetime | None:
    """The time, if it is one with a zone; the service takes no other."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _kind(path: Path) -> tuple[Kind | None, str]:
    """What the content says the file is; None and the reason where it is neither picture nor clip."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES)).kind, ""
    except (OSError, MediaError) as error:
        return None, str(error)
