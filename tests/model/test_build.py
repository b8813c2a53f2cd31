"""Encoders chosen by name, and the VILLS encoder as the service uses it."""

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from model.build import build_encoder
from model.encoder import Encoder, EncoderCard
from model.errors import BadClip, DeviceFailed, DeviceUnavailable, UnknownEncoder, WeightsMismatch
from model.precision import fast_autocast, pick_device, pick_dtype
from model.vills import build as vills_build
from model.vills.encoder import VillsEncoder
from model.weights import Origin, save_weights
from service.settings import Settings
from tests.model.small import SMALL, random_clips, small_network

CARD = EncoderCard(SMALL.name, SMALL.dimension, SMALL.sampling, "0" * 16, False, "x", "y")
CPU = torch.device("cpu")


def small_encoder(dtype: torch.dtype = torch.float32) -> VillsEncoder:
    return VillsEncoder(CARD, small_network(), device=CPU, dtype=dtype)


def build_vills(name: str, weights: Path) -> Encoder:
    return vills_build.build_vills(name, weights=weights, device="cpu", threads=1, compile=False)


def everything(clips: np.ndarray) -> np.ndarray:
    return np.ones(clips.shape[:2], np.bool_)


def test_an_encoder_without_weights_is_seeded_and_says_so() -> None:
    state = torch.get_rng_state()
    first, second = build_encoder("vills-tiny", threads=1), build_encoder("vills-tiny", threads=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.card == second.card
    assert (first.card.name, first.card.dimension, first.card.trained) == ("vills-tiny", 256, False)
    assert (first.card.licence, first.card.training_data) == ("Apache-2.0", "none (seeded initialisation)")
    clips = np.random.default_rng(0).integers(0, 256, (2, 2, 256, 128, 3), np.uint8)
    embeddings = first.encode(clips, everything(clips))
    assert embeddings.shape == (2, 256) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert np.array_equal(second.encode(clips, everything(clips)), embeddings)


def test_the_default_encoder_is_trained_and_says_what_for() -> None:
    encoder = build_encoder(Settings.model_fields["encoder"].default, device="cpu", threads=1)
    card = encoder.card
    assert (card.name, card.trained) == ("vills-light", True)
    assert "research only" in card.licence
    assert "market1501" in card.training_data and "cuhk03" in card.training_data
    height, width = card.sampling.height, card.sampling.width
    clips = np.random.default_rng(0).integers(0, 256, (2, 2, height, width, 3), np.uint8)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(clips, everything(clips)), axis=1), 1, atol=1e-5)


def test_the_weights_are_part_of_the_package() -> None:
    root = Path(__file__).parents[2]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["model"]
    shipped = [path.relative_to(root / "model") for path in (root / "model" / "trained").glob("*.safetensors")]
    assert shipped and sum((root / "model" / path).stat().st_size for path in shipped) <= 60_000_000
    assert all(any(path.match(pattern) for pattern in patterns) for path in shipped)


@pytest.mark.slow
def test_threads_sleep_at_barriers_instead_of_spinning() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    shown = subprocess.run(
        [sys.executable, "-c", "from model.build import build_encoder; build_encoder('vills-tiny')"],
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    if "GOMP_SPINCOUNT" not in shown.stderr:
        pytest.skip("this torch is not built with GNU's OpenMP")
    assert "GOMP_SPINCOUNT = '0'" in shown.stderr


def test_unknown_names_and_devices_are_refused() -> None:
    with pytest.raises(UnknownEncoder, match=r"vills-light, vills-mobile, .*, cosam, .*, snippet or onnx:FILE"):
        build_encoder("resnet")
    with patch.object(torch.cuda, "is_available", return_value=False):
        assert pick_device("auto") == CPU
        with pytest.raises(DeviceUnavailable, match="VILLS_DEVICE"):
            build_encoder("vills-tiny", device="cuda")


@pytest.mark.parametrize(
    ("capabilities", "dtype"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_bfloat16_only_where_the_processor_has_it(capabilities: dict[str, bool], dtype: torch.dtype) -> None:
    with patch.object(torch.cpu, "get_capabilities", return_value=capabilities):
        assert pick_dtype(CPU) == dtype
        with fast_autocast(CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_saved_weights_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vills_build, "find_config", lambda name: replace(SMALL, name=name))
    monkeypatch.setattr(vills_build, "pick_dtype", lambda device: torch.float32)
    path = tmp_path / "small.safetensors"
    save_weights(path, small_network(), Origin(True, "CC0", "drawn", (0.5, 8.0)))
    encoder = build_vills(SMALL.name, weights=path)
    card = encoder.card
    assert (card.trained, card.licence, card.training_data, card.calibration) == (True, "CC0", "drawn", (0.5, 8.0))
    clips = random_clips(2, 3)
    np.testing.assert_array_equal(
        encoder.encode(clips, everything(clips)), small_encoder().encode(clips, everything(clips))
    )
    save_weights(path, small_network(seed=1), Origin(True, "CC0", "drawn", (0.5, 8.0)))
    assert build_vills(SMALL.name, weights=path).card.fingerprint != card.fingerprint
    with pytest.raises(WeightsMismatch, match="weights of vills-test, and the encoder asked for is vills-tiny"):
        build_vills("vills-tiny", weights=path)


def test_bfloat16_stays_close_to_float32() -> None:
    clips = random_clips(4, 3)
    exact = small_encoder().encode(clips, everything(clips))
    rounded = small_encoder(torch.bfloat16).encode(clips, everything(clips))
    assert rounded.dtype == np.float32
    assert (exact * rounded).sum(axis=1).min() > 0.99


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++")
def test_compiled_is_the_same() -> None:
    compiled = VillsEncoder(CARD, small_network(), device=CPU, dtype=torch.float32, compile=True)
    for batch, frames in ((1, 1), (3, 1), (2, 4)):
        clips = random_clips(batch, frames)
        want = small_encoder().encode(clips, everything(clips))
        np.testing.assert_allclose(compiled.encode(clips, everything(clips)), want, atol=1e-5)


def test_inputs_stay_as_they_are_and_may_be_read_only() -> None:
    clips, encoder = random_clips(2, 3), small_encoder()
    mask = np.array([[True, True, False], [True, True, True]])
    want = encoder.encode(clips, mask)
    before = clips.copy()
    clips.setflags(write=False)
    mask.setflags(write=False)
    assert np.array_equal(encoder.encode(clips, mask), want)
    assert np.array_equal(clips, before)


@pytest.mark.parametrize(
    ("clips", "mask"),
    [
        (np.zeros((1, 1, 16, 32, 3), np.uint8), np.ones((1, 1), np.bool_)),
        (np.zeros((1, 1, 32, 16, 3), np.float32), np.ones((1, 1), np.bool_)),
        (np.zeros((1, 2, 32, 16, 3), np.uint8), np.ones((1, 1), np.bool_)),
        (np.zeros((1, 1, 32, 16, 3), np.uint8), np.ones((1, 1), np.uint8)),
        (np.zeros((2, 1, 32, 16, 3), np.uint8), np.array([[True], [False]])),
        (np.zeros((1, 0, 32, 16, 3), np.uint8), np.ones((1, 0), np.bool_)),
    ],
    ids=["height and width swapped", "float", "mask too short", "mask of numbers", "no real frame", "no frame"],
)
def test_arrays_that_are_no_clips_are_refused(clips: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(BadClip):
        small_encoder().encode(clips, mask)


def test_warm_up_runs_images_and_whole_clips() -> None:
    class Recording(Encoder):
        card = CARD

        def __init__(self) -> None:
            self.shapes: list[tuple[int, ...]] = []

        def _encode(self, clips: np.ndarray, mask: np.ndarray) -> np.ndarray:
            self.shapes.append(clips.shape[:2])
            return np.ones((len(clips), SMALL.dimension), np.float32)

    encoder = Recording()
    encoder.warm_up(6)
    assert encoder.shapes == [(1, 1), (6, 1), (1, 4), (2, 4)]


def test_out_of_memory_halves_the_batch() -> None:
    encoder, clips = small_encoder(), random_clips(5, 1)
    want = encoder.encode(clips, everything(clips))
    forward, sizes = encoder._forward, []

    def cramped(clips: np.ndarray, mask: np.ndarray) -> np.ndarray:
        sizes.append(len(clips))
        if len(clips) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(clips, mask)

    with patch.object(encoder, "_forward", cramped):
        np.testing.assert_allclose(encoder.encode(clips, everything(clips)), want, atol=1e-6)
    assert sizes == [5, 2, 3, 1, 2]


def test_a_device_that_is_gone_says_so() -> None:
    encoder, clip = small_encoder(), random_clips(1, 1)
    with (
        patch.object(encoder, "_forward", side_effect=torch.OutOfMemoryError("CUDA out of memory")),
        pytest.raises(DeviceFailed, match="no memory left for a single clip"),
    ):
        encoder.encode(clip, everything(clip))
    encoder._device = torch.device("cuda")
    sticky = RuntimeError("CUDA error: an illegal memory access was encountered")
    with (
        patch.object(encoder, "_forward", side_effect=sticky),
        pytest.raises(DeviceFailed, match="has to restart"),
    ):
        encoder.encode(clip, everything(clip))
    with patch.object(encoder, "_forward", side_effect=RuntimeError("a bug")), pytest.raises(RuntimeError, match="bug"):
        encoder.encode(clip, everything(clip))
