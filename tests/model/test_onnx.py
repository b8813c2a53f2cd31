"""The ONNX encoder: with a network written here whose vectors are mean colours, and with real ReID networks."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.build import build_encoder
from model.encoder import Clips
from model.errors import BadClip, BadEmbedding, BadModelFile, DeviceUnavailable, WeightsMismatch
from model.onnx import OnnxEncoder
from tests.model.onnx_bytes import Axis, mean_colour_network
from tests.model.shared_files import shared_file

HEIGHT, WIDTH = 8, 4
FEED = {
    "layout": '"NCHW"',
    "channels": '"RGB"',
    "height": "8",
    "width": "4",
    "scale": "1.0",
    "mean": "[0, 0, 0]",
    "std": "[1, 1, 1]",
    "dimension": "3",
    "licence": '"CC0"',
}


def write(folder: Path, *, batch: Axis = "batch", name: str = "Mean Colour", **feed: str) -> Path:
    """The network and its description; an empty value leaves a key out."""
    values = FEED | feed
    nhwc = values["layout"] == '"NHWC"'
    shape: list[Axis] = [batch, HEIGHT, WIDTH, 3] if nhwc else [batch, 3, HEIGHT, WIDTH]
    path = folder / f"{name}.onnx"
    path.write_bytes(mean_colour_network(shape, (1, 2) if nhwc else (2, 3)))
    lines = [f"{key} = {value}" for key, value in values.items() if value]
    path.with_suffix(".toml").write_text("\n".join(lines))
    return path


def clips_of(*colours: list[tuple[int, int, int]]) -> Clips:
    """One clip for each list, one frame of one colour for each triple."""
    frames = np.array(colours, np.uint8)[:, :, None, None]
    return np.ascontiguousarray(np.broadcast_to(frames, (*frames.shape[:2], HEIGHT, WIDTH, 3)))


def everything(clips: Clips) -> np.ndarray:
    return np.ones(clips.shape[:2], np.bool_)


@pytest.mark.parametrize("batch", ["batch", 1, 2, 5], ids=str)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_clip_is_the_unit_mean_of_its_frames_unit_vectors(
    tmp_path: Path, batch: Axis, layout: str, threads: int
) -> None:
    encoder = OnnxEncoder(write(tmp_path, batch=batch, layout=f'"{layout}"'), threads=threads)
    clips = clips_of([(30, 40, 0), (0, 0, 200)], [(0, 7, 0), (9, 9, 9)], [(1, 2, 2), (1, 2, 2)])
    mask = np.array([[True, True], [True, False], [True, True]])
    before = clips.copy()
    first = np.array([0.6, 0.8, 1.0]) / np.sqrt(2)
    want = [first, [0, 1, 0], np.array([1, 2, 2]) / 3]
    np.testing.assert_allclose(encoder.encode(clips, mask), want, atol=1e-6)
    assert np.array_equal(clips, before)


def test_the_description_decides_channels_scale_mean_and_std(tmp_path: Path) -> None:
    path = write(tmp_path, channels='"BGR"', scale="0.1", mean="[1, 2, 3]", std="[1, 2, 4]")
    clips = clips_of([(10, 20, 30)])
    blue, green, red = (30 * 0.1 - 1) / 1, (20 * 0.1 - 2) / 2, (10 * 0.1 - 3) / 4
    want = np.array([[blue, green, red]]) / np.linalg.norm([blue, green, red])
    np.testing.assert_allclose(OnnxEncoder(path).encode(clips, everything(clips)), want, atol=1e-6)


def test_the_card(tmp_path: Path) -> None:
    path = write(tmp_path, training_data='"drawn"', calibration="[0.5, 12]")
    card = OnnxEncoder(path).card
    assert card.name == "onnx-mean-colour"
    assert (card.dimension, card.trained, card.licence, card.training_data) == (3, True, "CC0", "drawn")
    assert card.calibration == (0.5, 12.0)
    assert (card.sampling.frames, card.sampling.height, card.sampling.width) == (8, HEIGHT, WIDTH)
    assert len(card.fingerprint) == 16 and int(card.fingerprint, 16) >= 0


def test_the_fingerprint_covers_file_and_description(tmp_path: Path) -> None:
    fingerprints = {
        OnnxEncoder(write(tmp_path, **feed)).card.fingerprint
        for feed in ({}, {"channels": '"BGR"'}, {"batch": 1}, {"licence": '"MIT"'})
    }
    assert len(fingerprints) == 4
    # Written out, because a gallery is refused by every other: what is added to a description must not change it.
    assert OnnxEncoder(write(tmp_path)).card.fingerprint == "1a7f68a06c196bc7"


def test_frames_and_clips_of_a_description_are_the_samplings(tmp_path: Path) -> None:
    card = OnnxEncoder(write(tmp_path, frames="3", max_clips="2", trained="false")).card
    assert (card.sampling.frames, card.sampling.max_clips, card.trained) == (3, 2, False)
    fingerprints = {
        OnnxEncoder(write(tmp_path, **feed)).card.fingerprint for feed in ({}, {"frames": "3"}, {"max_clips": "2"})
    }
    assert len(fingerprints) == 3


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        ({"layout": '"HWC"'}, "layout must be one of NCHW, NHWC, NTCHW, not 'HWC'"),
        ({"channels": ""}, "lacks the key 'channels'"),
        ({"height": '"8"'}, "height must be a whole number of at least 1, not '8'"),
        ({"height": "16"}, r"NCHW \[3, 16, 4\], and the network takes \[3, 8, 4\]"),
        ({"width": "true"}, "width must be a whole number"),
        ({"scale": "0"}, "scale must be 1 finite number"),
        ({"scale": '"1/255"'}, "scale must be 1 finite number"),
        ({"mean": "[0, 0]"}, "mean must be 3 finite number"),
        ({"mean": "[0, 0, nan]"}, "mean must be 3 finite number"),
        ({"std": "[1, 0, 1]"}, "std must be 3 finite number.*above 0"),
        ({"dimension": "4"}, "dimension = 4"),
        ({"licence": '" "'}, "licence must be a text"),
        ({"calibration": "[1]"}, "calibration must be 2 finite number"),
        ({"frames": "0"}, "frames must be a whole number of at least 1, not 0"),
        ({"trained": '"yes"'}, "trained must be true or false, not 'yes'"),
        ({"colour": "1"}, r"unknown keys \['colour'\]"),
        ({"height": "= ="}, "cannot be read as TOML"),
    ],
)
def test_a_wrong_description_is_refused_with_rule_value_and_cure(
    tmp_path: Path, feed: dict[str, str], message: str
) -> None:
    with pytest.raises(BadModelFile, match=message):
        OnnxEncoder(write(tmp_path, **feed))


def test_missing_and_broken_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.with_suffix(".toml").unlink()
    with pytest.raises(BadModelFile, match="needs a description beside it"):
        OnnxEncoder(path)
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BadModelFile, match="export the network anew"):
        OnnxEncoder(path)
    path.unlink()
    with pytest.raises(BadModelFile, match="does not exist"):
        OnnxEncoder(path)


def test_a_graph_of_another_form_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(mean_colour_network(["batch", 8, 4], (1, 2)))
    with pytest.raises(BadModelFile, match="four axes"):
        OnnxEncoder(path)


def test_a_vector_without_direction_is_an_error_that_names_the_clip(tmp_path: Path) -> None:
    clips = clips_of([(1, 1, 1)], [(0, 0, 0)])
    with pytest.raises(BadEmbedding, match=r"clips \[1\] of 2"):
        OnnxEncoder(write(tmp_path)).encode(clips, everything(clips))
    OnnxEncoder(write(tmp_path)).warm_up(2)  # with black pictures, and nobody minds


def test_clips_of_another_size_are_refused(tmp_path: Path) -> None:
    encoder = OnnxEncoder(write(tmp_path))
    with pytest.raises(BadClip, match="resize"):
        encoder.encode(np.zeros((1, 1, 4, 8, 3), np.uint8), np.ones((1, 1), np.bool_))


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(DeviceUnavailable, match="onnxruntime-gpu"):
        OnnxEncoder(write(tmp_path), device="cuda")


def test_build_finds_a_path_and_a_name_in_the_model_folder(tmp_path: Path) -> None:
    path = write(tmp_path, name="colours")
    built = [
        build_encoder(f"onnx:{path}"),
        build_encoder("onnx:colours.onnx", model_dir=tmp_path),
        build_encoder("onnx:colours", model_dir=tmp_path),
    ]
    assert {encoder.card.name for encoder in built} == {"onnx-colours"}
    with pytest.raises(BadModelFile, match=r"missing\.onnx does not exist"):
        build_encoder("onnx:missing.onnx", model_dir=tmp_path)
    with pytest.raises(WeightsMismatch, match="carries its own weights"):
        build_encoder(f"onnx:{path}", weights=path)


def test_an_onnx_encoder_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from model.build import build_encoder; "
        f"build_encoder('onnx:{write(tmp_path)}'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=30)


@pytest.mark.parametrize("name", ["retail-0248", "retail-0287", "osnet_x0_25_msmt17"])
def test_real_networks_embed_any_number_of_frames(name: str) -> None:
    encoder = OnnxEncoder(shared_file(f"models/{name}.onnx"), threads=2)
    random = np.random.default_rng(0)
    clips = random.integers(0, 256, (3, 2, 256, 128, 3), np.uint8)
    mask = np.array([[True, True], [True, False], [True, True]])
    embeddings = encoder.encode(clips, mask)
    assert embeddings.shape == (3, encoder.card.dimension) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    # Each clip as if it were alone, and padding as if it were not there.
    alone = encoder.encode(clips[1:2, :1], np.ones((1, 1), np.bool_))
    np.testing.assert_allclose(embeddings[1:2], alone, atol=1e-6)
