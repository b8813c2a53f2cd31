"""Children are bound by limits, and what they answer is not believed."""

import os
import resource
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from service.decode import process
from service.decode.errors import DecoderFailed
from service.decode.wire import PREFIX
from service.settings import LEAST_DECODER_BYTES
from tests.decode.pools import started
from tests.decode.samples import LIMITS, SAMPLING, encoded, flat_frames, scene, write_video


async def test_too_much_memory_is_an_error_of_the_file(tmp_path: Path, picture: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(encoded(Image.new("P", (8000, 8000)), "PNG", transparency=0))
    tight = replace(LIMITS, memory_bytes=400 * 2**20, max_image_pixels=10**8)
    async with started(tight) as pool:
        with pytest.raises(DecoderFailed, match=f"{400 * 2**20} bytes of memory"):
            await pool.crops(path, SAMPLING)
        assert (await pool.crops(picture, SAMPLING)).n_frames == 1


async def test_the_least_memory_there_may_be_is_enough_for_ordinary_media(tmp_path: Path) -> None:
    # Bug: with the least that could be set, 256 MiB, a clip in full HD was called too demanding.
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(scene(4000, 3000), "JPEG"))
    clip = write_video(tmp_path / "clip.mp4", flat_frames(10, 1920, 1080))
    async with started(replace(LIMITS, memory_bytes=LEAST_DECODER_BYTES)) as pool:
        assert (await pool.crops(photo, SAMPLING)).n_frames == 1
        assert (await pool.crops(clip, SAMPLING)).n_frames == 10


CROPPED = (
    '{"kind":"image","media_type":"image/png","extension":".png","width":9,"height":9,"lengths":[1],'
    '"n_frames":1,"start_s":0.0,"end_s":0.0,"thumbnail_bytes":0,"box":[0,0,9,9]}'
)
N_BYTES = 64 * 32 * 3
LIES = {
    "a body longer than asked": (CROPPED, 10**9),
    "a body shorter than stated": (CROPPED, N_BYTES - 1),
    "a header without end": ("x" * 70_000, 0),
    "no JSON": ("{", N_BYTES),
    "no answer": ("[]", N_BYTES),
    "an unknown refusal": ('{"code":"format_disk","detail":""}', 0),
    "a clip too many": (CROPPED.replace("[1]", "[1,1]"), 2 * N_BYTES),
    "no clip": (CROPPED.replace("[1]", "[]"), 0),
    "an impossible length": (CROPPED.replace("[1]", "[8]"), N_BYTES),
    "a box outside": (CROPPED.replace("[0,0,9,9]", "[1,0,9,9]"), N_BYTES),
    "a strange type": (CROPPED.replace("image/png", "text/html"), N_BYTES),
    "a thumbnail not there": (CROPPED.replace('"thumbnail_bytes":0', '"thumbnail_bytes":5'), N_BYTES),
    "time without number": (CROPPED.replace('"end_s":0.0', '"end_s":null'), N_BYTES),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_child_is_not_believed(monkeypatch: pytest.MonkeyPatch, picture: Path, lie: str) -> None:
    header, body_bytes = LIES[lie]
    liar = f"""
        import struct, sys
        header, body = {header!r}.encode(), {body_bytes}
        out = sys.stdout.buffer
        out.write({PREFIX.pack(14, 0) + b'{"ready":true}'!r}); out.flush()
        sys.stdin.buffer.read(1)
        out.write(struct.pack({PREFIX.format!r}, len(header), body) + header)
        out.write(bytes(min(body, 100_000))); out.flush()
        sys.stdin.buffer.read()
    """
    monkeypatch.setattr(process, "_command", lambda limits: [sys.executable, "-c", textwrap.dedent(liar)])
    async with started() as pool:
        with pytest.raises(DecoderFailed):
            await pool.crops(picture, SAMPLING)


async def test_children_are_locked_in(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VILLS_REDIS_URL", "redis://:secret@localhost")
    async with started() as pool:
        (pid,) = pool.pids
        assert resource.prlimit(pid, resource.RLIMIT_AS)[1] == LIMITS.memory_bytes
        # A limit of 0 processes once kept every user but root from decoding video: it counts FFmpeg's threads.
        assert resource.prlimit(pid, resource.RLIMIT_NPROC) == resource.getrlimit(resource.RLIMIT_NPROC)
        for what in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            assert resource.prlimit(pid, what) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[1] <= 16
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
        os.kill(pid, signal.SIGTERM)  # a signal to the whole group: the parent decides when to stop
        os.kill(pid, signal.SIGINT)
        assert (await pool.probe(picture)).kind == "image"
        assert pool.pids == [pid]
