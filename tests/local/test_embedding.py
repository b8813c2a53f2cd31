"""Files to embeddings: order, values, batches, and messages that name the row."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from model.encoder import Clips, Embeddings, Encoder, EncoderCard, FrameMask
from model.sampling import Sampling
from service.decode.crops import DecodeLimits
from service.decode.pool import DecoderPool
from service.local.embedding import Source, embed_files, read_manifest, write_whole
from service.local.errors import BadInput

SAMPLING = Sampling(frames=4, height=32, width=16, max_clips=2)
LIMITS = DecodeLimits(10**6, 10**6, 60.0, 1000, 4, 30.0, 2**30)


class ColourEncoder(Encoder):
    """The unit mean colour of the real frames: a result that can be predicted by eye. Notes its batches."""

    def __init__(self) -> None:
        self.card = EncoderCard("colour", 3, SAMPLING, "0" * 16, True, "none", "nothing")
        self.batches: list[tuple[int, int]] = []

    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        self.batches.append((clips.shape[0], clips.shape[1]))
        colour = clips.mean(axis=(2, 3), dtype=np.float32)  # B T 3
        mean = (colour * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)


def write_picture(path: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (40, 80), colour).save(path)
    return path


def write_clip(path: Path, colours: Sequence[tuple[int, int, int]]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 64, "yuv420p"
        for colour in colours:
            frame = av.VideoFrame.from_ndarray(np.full((64, 32, 3), colour, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def embed(paths: Sequence[Path], encoder: Encoder, batch_items: int = 4) -> tuple[Embeddings, int]:
    """Rows, and how often the progress was told."""
    steps: list[None] = []

    async def run() -> Embeddings:
        pool = DecoderPool(LIMITS, children=2)
        await pool.start()
        try:
            sources = [Source(path, f"input {place}") for place, path in enumerate(paths, 1)]
            return await embed_files(sources, encoder, pool, batch_items=batch_items, step=lambda: steps.append(None))
        finally:
            await pool.close()

    return asyncio.run(run()), len(steps)


def test_rows_follow_the_inputs_whatever_their_kind_and_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.local.embedding.WINDOW_FILES", 3)
    red, green, blue, grey = (200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)
    paths = [
        write_picture(tmp_path / "red.png", red),
        write_clip(tmp_path / "green.mp4", [green] * 7),
        write_picture(tmp_path / "blue.png", blue),
        write_clip(tmp_path / "grey.mp4", [grey] * 2),
        write_picture(tmp_path / "green.png", green),
        write_clip(tmp_path / "half.mp4", [red] * 5 + [blue] * 5),
        tmp_path / "red.png",
    ]
    encoder = ColourEncoder()
    rows, steps = embed(paths, encoder)
    assert rows.dtype == np.float32
    assert rows.shape == (7, 3)
    assert steps == 7
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    expected = np.array([red, green, blue, grey, green, (200, 0, 200), red], np.float32)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (rows * expected).sum(axis=1).min() > 0.99
    assert max(n_clips for n_clips, _ in encoder.batches) <= 4
    assert np.array_equal(rows[0], rows[6])


def test_no_input_gives_no_row(tmp_path: Path) -> None:
    rows, steps = embed([], ColourEncoder())
    assert (rows.shape, steps) == ((0, 3), 0)


def test_a_bad_file_is_named_with_its_row(tmp_path: Path) -> None:
    good = write_picture(tmp_path / "good.png", (9, 9, 9))
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:60])
    with pytest.raises(BadInput, match=r"input 2 \(.*bad\.png\) cannot be embedded"):
        embed([good, bad, good], ColourEncoder())


def test_every_row_of_a_manifest_is_an_input(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", (1, 2, 3))
    manifest = tmp_path / "list.csv"
    manifest.write_text("\ufeffpath,person_id,camera_id,track_id,frame\na.png,1,c1,t1,0\na.png,1,c1,t1,1\n")
    assert read_manifest(manifest, tmp_path) == [
        Source(tmp_path / "a.png", "line 2"),
        Source(tmp_path / "a.png", "line 3"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,person_id\na.png,1\n", r"lacks \['camera_id'\]"),
        ("", "lacks"),
        (
            "path,person_id,camera_id\na.png,1,c\nabsent.png,1,c\n",
            r"line 3 names .*absent\.png, which is not there.*--root",
        ),
        ("path,person_id,camera_id\n,1,c\n", "line 2 of .* has no path"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where(tmp_path: Path, text: str, message: str) -> None:
    write_picture(tmp_path / "a.png", (1, 2, 3))
    manifest = tmp_path / "list.csv"
    manifest.write_text(text)
    with pytest.raises(BadInput, match=message):
        read_manifest(manifest, tmp_path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "rows.npy"
    rows = np.eye(3, dtype=np.float32)
    write_whole(rows, out)
    assert np.array_equal(np.load(out), rows)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(rows, tmp_path / "folder.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.npy", "rows.npy"]
