"""Packed pictures: what is packed is what is read, once, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.errors import MissingData
from model.data.pack import pack_pictures, read_picture


def draw(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(1)
    paths = [folder / f"{number}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 12, 3), np.uint8)).save(path)
    return paths


def test_what_is_packed_is_what_is_read_and_is_packed_once(tmp_path: Path) -> None:
    paths = draw(tmp_path, 5)
    done: list[int] = []
    packed = pack_pictures(paths, tmp_path / "cache", height=16, width=8, step=done.append)
    assert sum(done) == 5 and packed.pixels.shape == (5, 16, 8, 3)
    for row, path in zip(packed.pixels, paths, strict=True):
        assert np.array_equal(row, read_picture(path, 16, 8))
    [file] = (tmp_path / "cache").iterdir()
    written = file.stat().st_mtime_ns
    again = pack_pictures(paths, tmp_path / "cache", height=16, width=8)
    assert again.digest == packed.digest and file.stat().st_mtime_ns == written


def test_another_selection_size_or_file_is_another_pack(tmp_path: Path) -> None:
    paths = draw(tmp_path, 3)
    digests = {
        pack_pictures(some, tmp_path / "c", height=h, width=8).digest for some in (paths, paths[:2]) for h in (8, 16)
    }
    Image.new("RGB", (5, 5)).save(paths[0])
    digests.add(pack_pictures(paths, tmp_path / "c", height=8, width=8).digest)
    assert len(digests) == 5


def test_a_pack_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    paths = draw(tmp_path, 3)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(MissingData, match=r"broken\.png cannot be read"):
        pack_pictures([*paths, tmp_path / "broken.png"], tmp_path / "c", height=8, width=8)
    assert not [file for file in (tmp_path / "c").iterdir() if not file.name.endswith(".part.npy")]
    with pytest.raises(MissingData, match="is gone"):
        pack_pictures([tmp_path / "gone.png"], tmp_path / "c", height=8, width=8)
