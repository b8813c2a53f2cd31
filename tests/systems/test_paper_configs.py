"""The papers' configurations, number by number, so that none drifts; and whole networks counted by hand.

The numbers are those of papers and programs. Steps are epochs times batches of MARS: 8,298 tracks, 509,914 pictures.
"""

import math
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from model.systems.config import system_config
from model.systems.cosam import Cosam, CosamConfig
from model.systems.m3d import M3D, M3DConfig
from model.systems.snippet import Snippet, SnippetConfig
from model.systems.stmp import STMP, STMPConfig
from model.systems.vrstc import ReIDNet, VRSTCConfig
from model.training.config_files import checked, read_config
from model.training.system_config import FOLDER, SystemRun

TRACKS, PICTURES = 8_298, 509_914
SNIPPETS = (PICTURES - 8 * TRACKS) / 4 + 3 / 8 * TRACKS  # of 8 frames, one every 4; rounded up, track by track
RESNET50 = 23_508_032  # without its classifier
INCEPTION = 21_785_568  # without both of its classifiers

# Optimiser, rate, decay; persons and tracks of each in a batch; T, height, width; epochs after which the rate falls to
# a tenth, and all epochs; batches of an epoch.
PUBLISHED: dict[str, tuple[Any, ...]] = {
    "baseline": ("adam", 3e-4, 5e-4, 8, 4, 4, 224, 112, (200, 400, 600), 800, 78),
    "cosam": ("adam", 3e-4, 5e-4, 8, 4, 4, 256, 128, (200, 400, 600), 800, 78),
    "cosam-se": ("adam", 3e-4, 5e-4, 8, 4, 4, 256, 128, (200, 400, 600), 800, 78),
    "cosam-paper": ("adam", 1e-4, 0.0, 8, 4, 4, 256, 128, (15_000, 30_000, 45_000), 60_000, 1),
    "gltr-trunk": ("sgd", 0.01, 5e-4, 128, 1, 1, 256, 128, (10,), 20, PICTURES / 128),
    "gltr": ("sgd", 0.01, 5e-4, 10, 1, 16, 256, 128, (120,), 400, TRACKS / 10),
    "gltr-code": ("sgd", 0.01, 5e-4, 10, 1, 16, 256, 128, (120, 240, 360, 480), 500, TRACKS / 10),
    "tkp": ("adam", 3e-4, 5e-4, 4, 4, 4, 256, 128, (60, 120), 150, TRACKS / 16),
    "attributes": ("sgd", 0.05, 5e-4, 8, 4, 8, 256, 128, (40, 80), 100, TRACKS / 32),
    "vrstc-base": ("adam", 3e-4, 5e-4, 8, 4, 4, 256, 128, (50, 100), 150, TRACKS / 32),
    "vrstc-completion": ("adam", 1e-4, 0.0, 8, 1, 4, 256, 128, (40_000,), 40_000, 1),  # batch and length assumed
    "vrstc": ("adam", 3e-4, 5e-4, 8, 4, 4, 256, 128, (50, 100), 150, TRACKS / 32),
    "non-local": ("adam", 3e-4, 5e-4, 8, 4, 4, 256, 128, (50, 100), 150, TRACKS / 32),
    # Its rate never falls. 404: its program's sampler played through, without the 86 tracks of fewer frames than 8.
    "stmp": ("nesterov", 0.01, 5e-4, 10, 2, 8, 299, 299, (900,), 900, 404),
    "m3d-trunk": ("sgd", 0.01, 5e-4, 128, 1, 1, 256, 128, (12,), 20, PICTURES / 128),
    "m3d": ("sgd", 0.1, 5e-4, 20, 1, 8, 256, 128, (200, 400), 500, TRACKS / 20),
    "snippet": ("nesterov", 1e-3, 5e-4, 32, 2, 8, 256, 128, (10,), 30, SNIPPETS / 32),
}
CLIPS = {"attributes": ("chunks", 1), "sta": ("chunks", 1), "tkp": ("window", 8), "vrstc-completion": ("window", 8)}
FLIP = dict.fromkeys(("gltr-trunk", "gltr", "gltr-code", "stmp", "m3d-trunk", "m3d"), 0.0)
TRUNK_RATE = dict.fromkeys(("stmp", "m3d-trunk", "m3d"), 0.1)  # new layers' are ten times as high
SCALE = dict.fromkeys(("baseline", "cosam", "cosam-se", "cosam-paper"), (0.889, 1.0)) | {"attributes": (0.889, 0.889)}


def run_of(name: str) -> SystemRun:
    return checked(SystemRun, read_config(name, folder=FOLDER), name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_run_has_the_published_numbers(name: str) -> None:
    optimiser, lr, decay, persons, tracks, frames, height, width, falls, epochs, batches = PUBLISHED[name]
    run, settings = run_of(name), run_of(name).network_config().settings
    assert (run.schedule.optimiser, run.schedule.lr, run.schedule.weight_decay) == (optimiser, lr, decay)
    assert ([source.share for source in run.sources], run.tracks) == ([persons], tracks)
    assert (settings.frames, settings.height, settings.width) == (frames, height, width)
    assert run.schedule.milestones == pytest.approx([each / epochs for each in falls], abs=1e-3)
    assert run.schedule.steps == pytest.approx(epochs * batches, rel=0.01)
    assert (run.schedule.warmup, run.schedule.average, run.schedule.clip) == (0, 0.0, 1e6)
    assert run.trunk_rate == TRUNK_RATE.get(name, 1.0)
    assert (run.augment.flip, run.augment.scale) == (FLIP.get(name, 0.5), SCALE.get(name, (1.0, 1.0)))


def test_of_snippet_s_frames_every_second_has_something_erased() -> None:
    change = run_of("snippet").augment
    assert (change.erase, change.erase_area) == (0.5, (0.02, 0.2))


@pytest.mark.parametrize("name", [*PUBLISHED, "sta"])
def test_clips_are_cut_as_published(name: str) -> None:
    run = run_of(name)
    assert (run.clips.rule, run.clips.stride) == CLIPS.get(name, ("window", 1))


@pytest.mark.parametrize(
    ("name", "stage", "non_local", "completion"),
    [
        ("vrstc-base", "base", False, "off"),
        ("vrstc-completion", "completion", True, "features"),
        ("vrstc", "whole", True, "features"),
        ("non-local", "whole", True, "off"),
    ],
)
def test_vrstc_s_stages_are_of_the_paper_s_net(name: str, stage: str, non_local: bool, completion: str) -> None:
    run, settings = run_of(name), run_of(name).network_config().settings
    assert (run.stage, settings.non_local, settings.completion) == (stage, non_local, completion)
    assert (settings.trunk, settings.last_stride, settings.threshold) == ("resnet50", 1, 0.89)
    stcnet = settings.stcnet
    assert (stcnet.size, stcnet.adversarial, stcnet.identity) == ((128, 64), 0.001, 0.1)


def test_paper_and_program_stand_beside_each_other() -> None:
    """What differs between the two forms, and nothing else."""
    forms = {"cosam": ("residual", 2, 64), "cosam-se": ("residual", 2, 64), "cosam-paper": ("plain", 1, 256)}
    for name, ours in forms.items():
        settings = run_of(name).network_config().settings
        assert ours == (settings.channel, settings.summary_layers, settings.reduced_narrow)
    assert run_of("cosam-se").network_config().settings.trunk == "legacy_seresnet50"
    gltr = {"gltr": ((1, 2, 4), False, "paper"), "gltr-code": ((1, 2, 3), True, "code")}
    for name, form in gltr.items():
        settings = run_of(name).network_config().settings
        assert (settings.dilations, settings.raw_features, settings.attention) == form


@pytest.mark.parametrize(("name", "other"), [("cosam", "cosam-paper"), ("gltr", "gltr-code")])
def test_the_docs_name_all_that_the_other_form_has_otherwise(name: str, other: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "systems.md").read_text().partition("## Where paper and program")[2]
    rows = [row.split(" | ")[1] for row in text.splitlines() if row.lower().startswith(f"| {name} |")]
    changed = tomllib.loads((resources.files("model") / FOLDER / f"{other}.toml").read_text())
    named = {setting for row in rows for setting in re.findall(r"`(\w+)`", row)}
    assert {*changed["settings"], "schedule"} <= named


@pytest.mark.parametrize("name", ["gltr-trunk", "gltr-trunk-small", "m3d-trunk", "m3d-trunk-small"])
def test_a_first_stage_on_pictures_learns_them_by_cross_entropy_alone(name: str) -> None:
    settings = run_of(name).network_config().settings
    assert (settings.frames, settings.smoothing, settings.triplet_weight) == (1, 0, 0)


def test_what_papers_name_of_a_loss_is_the_default() -> None:
    values = {
        ("cosam", "margin"): 0.3,
        ("cosam", "smoothing"): 0.1,
        ("tkp", "margin"): 0.3,
        ("tkp", "feature_weight"): 1.0,
        ("tkp", "distance_weight"): 1.0,
        ("tkp", "longest"): 32,
        ("attributes", "sigma"): 0.5,
        ("attributes", "middle"): 8 / 9,
        ("stmp", "margin"): 0.4,
        ("stmp", "classifier_dropout"): 0.5,
        ("stmp", "classifier_slope"): 0.1,
        ("snippet", "scale"): 30.0,
        ("snippet", "momentum"): 0.5,
        ("snippet", "negative_rate"): 3.0,
        ("snippet", "verification_weight"): 10.0,
        ("snippet", "nearest"): 0.2,
        ("snippet", "stride"): 4,
        ("gltr", "dropout"): 0.5,
        ("gltr", "reduction"): 2,
        ("m3d", "last_stride"): 2,
        ("m3d", "attention_reduction"): 16,
        ("m3d", "dimension"): 128,
        ("m3d", "dropout"): 0.5,
        ("sta", "bands"): 4,
    }
    for (name, setting), value in values.items():
        assert math.isclose(getattr(system_config(name, {}).settings, setting), value), (name, setting)


def counted(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def test_cosam_is_its_trunk_and_two_modules() -> None:
    def module(channels: int) -> int:
        reduce = (channels + 1) * 256 + 2 * 256
        summary = (3 * 16 * 8 + 1) * 64 + 2 * 64 + 64 + 1
        weigh = (channels + 1) * 256 + (256 + 1) * channels
        return reduce + summary + weigh

    assert counted(Cosam(CosamConfig())) == RESNET50 + module(1024) + module(2048)


def test_vrstc_s_net_is_its_trunk_and_five_non_local_blocks() -> None:
    # Four maps, theta's bias, the norm.
    blocks = sum(4 * width * (width // 2) + width // 2 + 2 * width for width in (512, 512, 1024, 1024, 1024))
    config = VRSTCConfig()
    assert counted(ReIDNet(config, non_local=True)) == RESNET50 + blocks
    assert counted(ReIDNet(config, non_local=False)) == RESNET50


def test_stmp_is_its_trunk_the_refining_unit_and_the_video_head() -> None:
    # No map has a bias, three have a norm.
    unit = 2 * 2048 * 256 + 2 * 256 + 64 * 128 + 128 * 64 + 256 * 2048
    video = 2048 * 256 + 2 * 256 + 27 * 256 * 256 + 2 * 256
    assert counted(STMP(STMPConfig())) == INCEPTION + unit + video


def test_m3d_is_two_trunks_two_maps_five_layers_over_time_and_three_masks() -> None:
    # Scales of 3 C x C and two numbers of the norm.
    places = ((3, 64), (3, 64), (3, 128), (2, 256), (1, 512))
    scales = sum(count * (3 * width**2 + 2 * width) for count, width in places)
    # Of each factor two maps and the norm between.
    masks = sum(
        (9 * width + 2 + 1) + (2 * width * (width // 16) + width // 8) + (4 * frames**2 + 4 * frames)
        for width, frames in ((256, 8), (512, 4), (1024, 2))
    )
    assert counted(M3D(M3DConfig())) == 2 * (RESNET50 + 2049 * 128) + scales + masks


def test_snippet_is_its_trunk_the_pooling_and_the_verifier() -> None:
    pooling, verifier = 3 * (2048 * 128 + 2 * 128), 2 * 128 + (128 + 1) * 2
    assert counted(Snippet(SnippetConfig())) == RESNET50 + pooling + verifier
