"""The file of bodies: seen once, read back, taken up after a stop, never stale, never half."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import BadModelFile
from model.regions import cache
from model.regions.cache import Bodies, cache_key, cached_bodies
from model.regions.errors import CacheDamaged, PictureUnreadable
from model.regions.pose import Body, PoseModel
from tests.model.shared_files import shared_file
from tests.regions.drawn import draw_walker


class CountingPose:
    """Stands in for the network: what it sees can be told from the picture's first pixel."""

    seen = 0

    def __init__(self, path: Path) -> None:
        pass

    def body(self, crop: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Body:
        CountingPose.seen += 1
        value = int(crop[0, 0, 0])
        return Body(np.full((33, 3), value / 256, np.float32), np.full((32, 16), value, np.uint8), value / 256)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "set" / f"camera{i % 2}" / f"{i}.png" for i in range(7)]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 16), (10 * i, 0, 0)).save(path)
    return paths


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "PoseModel", CountingPose)
    monkeypatch.setattr(cache, "KEEP_EVERY", 3)
    monkeypatch.setattr(CountingPose, "seen", 0)
    path = tmp_path / "pose.tflite"
    path.write_bytes(b"a network")
    return path


def check(bodies: Bodies, count: int = 7) -> None:
    assert len(bodies) == count
    assert bodies.keypoints.dtype == np.float16 and bodies.keypoints.shape == (count, 33, 3)
    assert bodies.masks.dtype == np.uint8 and bodies.masks[:, 0, 0].tolist() == [10 * i for i in range(count)]
    assert np.array_equal(bodies.scores, np.array([10 * i / 256 for i in range(count)], np.float16))


def test_seen_once_and_then_read(tmp_path: Path, pictures: list[Path], network: Path) -> None:
    steps: list[int] = []
    check(cached_bodies(tmp_path / "cache", pictures, network, step=steps.append))
    assert CountingPose.seen == 7 and sum(steps) == 7 and max(steps) == 1
    check(cached_bodies(tmp_path / "cache", pictures, network, step=steps.append))
    assert CountingPose.seen == 7 and sum(steps) == 14
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]


def test_a_stop_loses_little_and_leaves_no_half_file(tmp_path: Path, pictures: list[Path], network: Path) -> None:
    def stop_at_six() -> Iterator[None]:
        yield from [None] * 6
        raise KeyboardInterrupt

    stopping = stop_at_six()
    with pytest.raises(KeyboardInterrupt):
        cached_bodies(tmp_path / "cache", pictures, network, step=lambda count: next(stopping))
    assert not list((tmp_path / "cache").glob("*.npz"))
    CountingPose.seen = 0
    steps: list[int] = []
    check(cached_bodies(tmp_path / "cache", pictures, network, step=steps.append))
    assert CountingPose.seen == 4 and steps == [3, 1, 1, 1, 1]


def test_other_pictures_or_another_network_are_another_file(
    tmp_path: Path, pictures: list[Path], network: Path
) -> None:
    keys = [cache_key(pictures, network), cache_key(pictures[::-1], network), cache_key(pictures[:6], network)]
    pictures[3].write_bytes(pictures[3].read_bytes() + b"\0")
    keys.append(cache_key(pictures, network))
    network.write_bytes(b"another network")
    keys.append(cache_key(pictures, network))
    assert len(set(keys)) == len(keys)
    moved = tmp_path / "elsewhere"
    (tmp_path / "set").rename(moved)
    assert cache_key([moved / path.relative_to(tmp_path / "set") for path in pictures], network) == keys[-1]


def test_unreadable_pictures_and_missing_files_are_named(tmp_path: Path, pictures: list[Path], network: Path) -> None:
    pictures[4].write_bytes(b"no picture")
    with pytest.raises(PictureUnreadable, match=r"4\.png"):
        cached_bodies(tmp_path / "cache", pictures, network)
    pictures[4].unlink()
    with pytest.raises(PictureUnreadable, match="unpack the data set"):
        cached_bodies(tmp_path / "cache", pictures, network)
    with pytest.raises(BadModelFile, match="does not exist"):
        cached_bodies(tmp_path / "cache", pictures[:4], tmp_path / "none.tflite")
    assert len(cached_bodies(tmp_path / "cache", [], network)) == 0


def damages(whole: bytes) -> Sequence[bytes]:
    return (b"", b"text", whole[: len(whole) // 2], whole[:200] + b"\xff" * 40 + whole[240:])


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path, pictures: list[Path], network: Path) -> None:
    cached_bodies(tmp_path / "cache", pictures, network)
    (whole,) = (tmp_path / "cache").iterdir()
    sound = whole.read_bytes()
    for damage in damages(sound):
        whole.write_bytes(damage)
        with pytest.raises(CacheDamaged, match="delete the file"):
            cached_bodies(tmp_path / "cache", pictures, network)
    whole.write_bytes(sound)
    foreign = whole.with_name(f"bodies-{cache_key(pictures[:6], network)[:16]}.npz")
    whole.rename(foreign)
    with pytest.raises(CacheDamaged, match="under the key"):
        cached_bodies(tmp_path / "cache", pictures[:6], network)


@pytest.mark.slow
def test_several_processes_see_what_one_sees(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    network = shared_file("models/pose_landmark_full.tflite")
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(draw_walker(number).pixels).save(paths[-1])
    one = cached_bodies(tmp_path / "one", paths, network)
    steps: list[int] = []
    two = cached_bodies(tmp_path / "two", paths, network, processes=2, step=steps.append)
    assert np.array_equal(one.keypoints, two.keypoints) and np.array_equal(one.masks, two.masks)
    assert sum(steps) == 4
    direct = PoseModel(network).body(draw_walker(2).pixels)
    assert np.allclose(one.keypoints[2], direct.keypoints, atol=1e-3) and np.array_equal(one.masks[2], direct.mask)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(PictureUnreadable, match=r"1\.png"):
        cached_bodies(tmp_path / "three", paths, network, processes=2)
