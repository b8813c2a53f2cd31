"""Packed pictures: what is packed is what is read, once, whole or not at all."""

import resource
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from model.data.errors import DamagedCache, MissingData
from model.data.kept import to_write
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


def test_a_pack_that_is_not_what_its_name_says_is_named(tmp_path: Path) -> None:
    paths = draw(tmp_path, 3)
    pack_pictures(paths, tmp_path / "c", height=16, width=8)
    [file] = (tmp_path / "c").iterdir()
    whole = file.read_bytes()
    np.save(file, np.zeros((3, 8, 8, 3), np.uint8))
    for damaged in (file.read_bytes(), whole[: len(whole) // 2], b"hello", b""):
        file.write_bytes(damaged)
        with pytest.raises(DamagedCache, match=rf"{file.name} in the cache .* delete it"):
            pack_pictures(paths, tmp_path / "c", height=16, width=8)


def test_of_two_that_want_to_write_one_waits_and_finds_it_written(tmp_path: Path) -> None:
    target, places = tmp_path / "a.npy", []

    def other() -> None:
        with to_write(target) as beside:
            places.append(beside)

    with to_write(target) as beside:
        assert beside is not None
        waiting = Thread(target=other)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive() and not places
        np.save(beside, np.zeros(3))
    waiting.join(10)
    assert places == [None] and [file.name for file in tmp_path.iterdir()] == ["a.npy"]


def test_what_a_killed_writer_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.part.npy").write_bytes(b"half")
    with to_write(tmp_path / "a.npy") as beside:
        assert beside is not None
        np.save(beside, np.arange(3))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2]


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    paths = draw(tmp_path, 3)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, most[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            pack_pictures(paths, tmp_path / "c", height=16, width=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
