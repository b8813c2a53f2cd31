"""Coloured rectangles that stand for persons: enough for a run from pictures to weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def draw_people(folder: Path, columns: Mapping[str, Callable[[int, int], str]] | None = None) -> None:
    """Four persons before two cameras, three pictures each, with their manifest.

    columns: further ones of it, and what they say by person and frame.
    """
    columns = columns or {}
    rng = np.random.default_rng(2)
    folder.mkdir()
    lines = [",".join(["path,person_id,camera_id,track_id,frame", *columns])]
    for person in range(4):
        colour = rng.integers(40, 215, 3)
        for camera in range(2):
            for frame in range(3):
                file = f"{person}-{camera}-{frame}.png"
                Image.fromarray((colour + rng.integers(-30, 30, (40, 20, 3))).astype(np.uint8)).save(folder / file)
                known = [say(person, frame) for say in columns.values()]
                lines.append(",".join([f"{file},p{person},{camera},{person}{camera},{frame}", *known]))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
