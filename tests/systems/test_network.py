"""Published systems behind the one interface: ragged clips, weights that travel, and the name that serves them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from model.build import build_encoder
from model.errors import UnknownEncoder, WeightsMismatch
from model.sampling import frame_indices
from model.systems.config import SystemConfig, system_config
from model.systems.encoder import drawn_system
from model.systems.names import NAMES
from model.systems.network import SystemNetwork, snippet_places
from model.systems.registry import SYSTEMS
from model.weights import Origin, load_weights, save_weights
from tests.systems.tiny import TINY

ORIGIN = Origin(trained=True, licence="CC0", training_data="drawn")


def tiny(name: str) -> SystemNetwork:
    return drawn_system(system_config(name, TINY[name]), seed=1).eval()


def clips_of(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random clips, padded with noise that must not be seen."""
    generator = torch.Generator().manual_seed(0)
    clips = torch.randint(0, 256, (len(lengths), max(lengths), 3, 64, 32), generator=generator, dtype=torch.uint8)
    return clips, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_names_are_those_of_the_registry() -> None:
    assert tuple(SYSTEMS) == NAMES == tuple(TINY)


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_embedded_the_same_alone_and_beside_longer_ones(name: str) -> None:
    network, (clips, mask) = tiny(name), clips_of(1, 5, 2)
    with torch.inference_mode():
        together = network(clips, mask)
        assert together.shape == (3, network.dimension)
        torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
        for row, length in enumerate((1, 5, 2)):
            alone = network(clips[row : row + 1, :length], torch.ones(1, length, dtype=torch.bool))
            assert float((alone[0] * together[row]).sum()) > 0.9999


def test_a_fixed_number_of_frames_is_cut_into_snippets_and_the_last_begins_again() -> None:
    assert snippet_places(5, None) == [[0, 1, 2, 3, 4]]
    assert snippet_places(8, 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert snippet_places(6, 4) == [[0, 1, 2, 3], [4, 5, 4, 5]]
    assert snippet_places(1, 4) == [[0, 0, 0, 0]]


def test_features_of_a_long_clip_are_the_mean_of_its_snippets() -> None:
    network, (clips, mask) = tiny("cosam"), clips_of(5)
    with torch.inference_mode():
        frames = network.normalise(clips[0].float())
        parts = [frames[[0, 1]], frames[[2, 3]], frames[[4, 4]]]
        mean = torch.stack([network.system.features(part[None])[0] for part in parts]).mean(dim=0)
        torch.testing.assert_close(network.features(clips, mask)[0], mean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["gltr", "stmp"])
def test_how_short_clips_are_taken_makes_another_space(name: str, tmp_path: Path) -> None:
    """Bug: the same weights gave other vectors, and a gallery would have taken both."""
    spaces = set()
    for short in ("again", "as they are"):
        network = drawn_system(system_config(name, TINY[name] | {"short": short}), seed=1)
        save_weights(tmp_path / "weights.safetensors", network, ORIGIN)
        encoder = build_encoder(name, weights=tmp_path / "weights.safetensors", device="cpu", threads=1)
        spaces.add(encoder.card.fingerprint)
    assert len(spaces) == 2


@pytest.mark.parametrize("name", NAMES)
def test_weights_travel_with_their_settings_and_are_served_by_name(name: str, tmp_path: Path) -> None:
    network, path = tiny(name), tmp_path / "weights.safetensors"
    save_weights(path, network, ORIGIN)
    assert load_weights(path).config == network.config
    encoder = build_encoder(name, weights=path, device="cpu", threads=1)
    assert (encoder.card.name, encoder.card.dimension, encoder.card.licence) == (name, network.dimension, "CC0")
    assert encoder.card.sampling == network.config.sampling
    clips, mask = clips_of(3, 1)
    found = encoder.encode(np.ascontiguousarray(clips.permute(0, 1, 3, 4, 2).numpy()), mask.numpy())
    with torch.inference_mode():
        wanted = network(clips, mask).numpy()
    assert (found * wanted).sum(axis=1).min() > 0.9999
    other = "gltr" if name != "gltr" else "cosam"
    with pytest.raises(WeightsMismatch, match=f"weights of {name}, and the encoder asked for is {other}"):
        build_encoder(other, weights=path, device="cpu", threads=1)
    with pytest.raises(WeightsMismatch, match=f"weights of {name}, and the encoder asked for is vills-tiny"):
        build_encoder("vills-tiny", weights=path, device="cpu", threads=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_track_is_eight_clips_of_t_frames_or_one_of_eight_times_as_many(name: str) -> None:
    sampling = system_config(name, TINY[name]).sampling
    wanted = (8 * TINY[name]["frames"], 1) if name == "vrstc" else (TINY[name]["frames"], 8)
    assert (sampling.frames, sampling.max_clips) == wanted


@pytest.mark.parametrize("completion", ["off", "features"])
def test_vrstc_sees_a_track_as_one_clip(completion: str) -> None:
    """As its paper tests, with completion and without: spread over a track that has more frames than the clip."""
    config = system_config("vrstc", TINY["vrstc"] | {"completion": completion})
    for length in (1, 5, 16):
        assert [each.tolist() for each in frame_indices(length, config.sampling)] == [[*range(length)]]
    (clip,) = frame_indices(160, config.sampling)
    assert clip.tolist() == list(range(5, 160, 10))


@pytest.mark.parametrize("tau", [1.01, -2.0, math.nan, math.inf, "lower", True])
def test_a_tau_that_no_cosine_can_have_is_refused(tau: object) -> None:
    with pytest.raises(ValueError, match=r"vrstc cannot be built: .*mend settings\.threshold"):
        system_config("vrstc", TINY["vrstc"] | {"threshold": tau})
    assert system_config("vrstc", {}).settings.threshold == 0.89


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", [130, 64]),
        ("size", [0, 64]),
        ("size", [128.0, 64]),
        ("size", [128]),
        ("width", 0),
        ("width", True),
        ("adversarial", math.nan),
        ("identity", -1.0),
        ("identity", math.inf),
        ("norm", "median"),
    ],
)
def test_an_stcnet_that_cannot_be_is_refused(name: str, value: object) -> None:
    """Before any picture is read; some of these were trained, others ended in a traceback."""
    with pytest.raises(ValueError, match=r"vrstc cannot be built: .*mend settings\.stcnet"):
        system_config("vrstc", {"stcnet": {name: value}})
    assert system_config("vrstc", {"stcnet": {"size": [32, 16]}}).settings.stcnet.size == (32, 16)


def test_vrstc_s_clip_of_a_whole_track_is_within_what_the_service_holds() -> None:
    assert system_config("vrstc", {"frames": 32}).sampling.frames == 256
    with pytest.raises(ValueError, match=r"settings\.frames is 33: lower it to 32 or less"):
        system_config("vrstc", {"frames": 33})


def test_fingerprints_of_systems_differ(tmp_path: Path) -> None:
    prints = set()
    for seed in (1, 2):
        network = drawn_system(system_config("baseline", TINY["baseline"]), seed=seed)
        save_weights(tmp_path / f"{seed}.safetensors", network, ORIGIN)
        prints.add(build_encoder("baseline", weights=tmp_path / f"{seed}.safetensors", threads=1).card.fingerprint)
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trunk": "vgg"}, "trunk"),
        ({"frams": 4}, "cosam reads no frams"),
        ({"frames": "many"}, "frames"),
        ({"after": (6,)}, "blocks 1 to 5"),
    ],
)
def test_settings_nothing_reads_or_that_cannot_be_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        system_config("cosam", settings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", ["frames", "height", "width"])
@pytest.mark.parametrize("value", [0, -1, True, 2.5, "4", 10**6])
def test_frames_and_sizes_that_cannot_be_are_refused(name: str, setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{name} cannot be built: {setting} is .*mend settings\.{setting}"):
        system_config(name, TINY[name] | {setting: value})


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("baseline", "smoothing", 1.0),
        ("baseline", "margin", -0.1),
        ("cosam", "reduced", 0),
        ("cosam", "reduced", 10**9),
        ("cosam", "triplet_weight", math.nan),
        ("cosam", "triplet_weight", 1e300),
        ("gltr", "reduction", 0),
        ("gltr", "reduction", 49),
        ("gltr", "dilations", ()),
        ("gltr", "dilations", (1, 0)),
        ("gltr", "dropout", 1.0),
        ("tkp", "longest", 0),
        ("tkp", "feature_weight", -1.0),
        ("attributes", "segment", 0),
        ("attributes", "sigma", 0.0),
        ("stmp", "dimension", 0),
        ("stmp", "classifier_dropout", 1.0),
        ("m3d", "dilations", ()),
        ("m3d", "attention_reduction", 0),
        ("m3d", "dimension", 0),
        ("m3d", "dropout", 1.0),
        ("m3d", "frames", 3),
        ("sta", "bands", 0),
        ("sta", "regularisation", math.inf),
        ("snippet", "stride", 0),
        ("snippet", "nearest", 0.0),
        ("snippet", "scale", 0.0),
        ("snippet", "scale", 1e300),
    ],
)
def test_numbers_that_cannot_be_are_refused(name: str, setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{name} cannot be built: .*{setting}"):
        system_config(name, TINY[name] | {setting: value})


def test_a_trunk_that_does_not_pad_needs_larger_frames() -> None:
    with pytest.raises(ValueError, match="inception_v3 needs frames of 75 pixels each way, and they are 299 x 74"):
        system_config("stmp", {"width": 74})
    drawn_system(system_config("stmp", {"height": 75, "width": 75}))


def test_sections_of_settings_are_looked_into() -> None:
    with pytest.raises(ValueError, match=r"vrstc reads no stcnet\.widht"):
        system_config("vrstc", {"stcnet": {"widht": 4}})
    with pytest.raises(ValueError, match="no system is called 'cosan'"):
        system_config("cosan", {})


def test_a_header_of_no_system_is_refused() -> None:
    text = system_config("gltr", {}).to_json()
    assert SystemConfig.from_json(text) == system_config("gltr", {})
    listed = json.dumps({"system": "gltr", "settings": []})  # bug: a traceback
    for broken in ("{", "[]", json.dumps({"system": "gltr"}), text.replace("gltr", "gtlr"), listed, "[" * 100_000):
        with pytest.raises(WeightsMismatch, match="of no system of this version"):
            SystemConfig.from_json(broken)


def test_an_unknown_encoder_names_the_systems_too() -> None:
    with pytest.raises(UnknownEncoder, match=r"vills-tiny.*cosam.*onnx:FILE"):
        build_encoder("cosan")
