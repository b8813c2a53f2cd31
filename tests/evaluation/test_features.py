"""From tracks on disk to unit rows: DESIGN's rule, taken frame by frame, against batches read ahead in threads."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.errors import MissingData
from model.data.pack import read_picture
from model.data.records import Track
from model.encoder import Clips, Embeddings, FrameMask
from model.errors import BadEmbedding
from model.evaluation.features import count_pictures, embed_tracks
from model.sampling import frame_indices
from tests.worker.colour_encoder import SAMPLING, ColourEncoder

# ColourEncoder: T = 4, at most 4 clips, 32 x 16; the embedding is the mean colour of the real frames.


def draw(path: Path, colour: np.ndarray) -> Path:
    """A picture of another size than the encoder's, of one colour; PNG, so that colours stay."""
    Image.fromarray(np.broadcast_to(colour.astype(np.uint8), (50, 20, 3)).copy()).save(path)
    return path


def draw_tracks(folder: Path, *lengths: int) -> list[Track]:
    random = np.random.default_rng(0)
    return [
        Track(
            person=number + 1,
            camera=1,
            paths=tuple(draw(folder / f"{number}-{frame}.png", random.integers(0, 256, 3)) for frame in range(length)),
        )
        for number, length in enumerate(lengths)
    ]


def literal(encoder: ColourEncoder, track: Track) -> np.ndarray:
    """The track's clips one by one, then the unit mean."""
    vectors = []
    for places in frame_indices(len(track.paths), SAMPLING):
        clip = np.stack([read_picture(track.paths[place], 32, 16) for place in places])
        vectors.append(encoder.encode(clip[None], np.ones((1, len(places)), np.bool_))[0])
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


@pytest.mark.parametrize("batch_items", [1, 3, 8, 32])
def test_a_row_is_the_unit_mean_of_the_tracks_clips(tmp_path: Path, batch_items: int) -> None:
    tracks = draw_tracks(tmp_path, 1, 7, 4, 1, 40, 5, 1, 16, 2)
    encoder = ColourEncoder()
    rows = embed_tracks(encoder, tracks, batch_items=batch_items)
    assert rows.dtype == np.float32 and rows.shape == (9, 8)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows, [literal(encoder, track) for track in tracks], atol=1e-5)
    batches = [shape for shape in encoder.batches if shape[0] > 1]
    assert all(batch * frames <= batch_items for batch, frames in batches)


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    tracks = draw_tracks(tmp_path, 1, 7, 40, 3)
    done: list[int] = []
    embed_tracks(ColourEncoder(), tracks, batch_items=4, step=done.append)
    assert sum(done) == count_pictures(tracks, SAMPLING) == 1 + 7 + 16 + 3  # of 40, four clips of four are read
    assert len(done) > 4


def test_no_tracks_give_no_rows() -> None:
    assert embed_tracks(ColourEncoder(), []).shape == (0, 8)


def test_a_crop_is_resized_bilinearly_in_rgb(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 30, 3), np.uint8)
    grey = Image.fromarray(pixels).convert("L")
    path, grey_path = tmp_path / "rgb.png", tmp_path / "grey.png"
    Image.fromarray(pixels).save(path)
    grey.save(grey_path)
    want = Image.fromarray(pixels).resize((16, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(read_picture(path, 32, 16), np.asarray(want))
    crop = read_picture(grey_path, 32, 16)
    assert crop.shape == (32, 16, 3) and (crop[..., 0] == crop[..., 2]).all()


@pytest.mark.parametrize("damage", ["missing", "cut off", "no picture"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    tracks = draw_tracks(tmp_path, 1, 3, 1, 1, 1, 1, 1, 1)
    path = tracks[1].paths[2]
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:60] if damage == "cut off" else b"words")
    with pytest.raises(MissingData, match=rf"{path.name} cannot be read .*: unpack the data set again"):
        embed_tracks(ColourEncoder(), tracks, batch_items=1)


class _Contrary(ColourEncoder):
    """Each clip gets the opposite of the last one's vector."""

    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        rows = np.zeros((len(clips), 8), np.float32)
        rows[:, 0] = 1 - 2 * (np.arange(len(clips)) % 2)
        return rows


def test_a_track_whose_clips_cancel_each_other_out_is_named(tmp_path: Path) -> None:
    tracks = draw_tracks(tmp_path, 8)
    with pytest.raises(BadEmbedding, match=r"clips of 1 tracks cancel .*0-0\.png"):
        embed_tracks(_Contrary(), tracks)
