"""An exported network gives what the network gives, in torch, in ONNX Runtime and served by name."""

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from numpy import typing as npt
from torch import nn

from model.build import build_encoder
from model.errors import BadModelFile, ExportFailed
from model.export import export_onnx, feed_of
from model.onnx import OnnxEncoder
from model.onnx_feed import feed_text, read_feed
from model.onnx_session import open_session
from model.vills.config import VillsConfig, find_config
from model.vills.encoder import VillsEncoder
from model.vills.exportable import ExportableVills, folded
from model.vills.network import Vills
from model.vills.seeding import seeded_network
from model.vills.trained import trained_weights
from model.weights import Origin, fill, load_weights
from service.demo.film import frames, take, walker
from service.demo.people import cast_people
from service.demo.scene import CAMERAS, background
from tests.model.onnx_bytes import mean_colour_network
from tests.model.small import SMALL, as_tensor, random_clips, small_network

ORIGIN = Origin(
    trained=True, licence='CC0, says "who"', training_data="drawn\nwalkers, Größe 2", calibration=(0.4, 11.5)
)
TIE = 1e-4  # two people this close to a third have no order: the two programs round apart
INT8_TIE = 1e-3  # the same for matrices of 8 bits
STEMMED = replace(
    SMALL, stem="mobilenetv2", patch=16, height=64, width=32, depth=2, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)
)


def drawn_network(config: VillsConfig, seed: int = 0) -> Vills:
    """Every number at random, and temporal adapters strong enough that none could be left out unseen."""
    network = small_network(seed, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for adapter in network.adapters.values():
            adapter.up.weight.mul_(10)  # type: ignore[operator, union-attr]
        if config.stem != "patches":
            draw_stem(network.trunk.patch_embed, config, generator)
    return network


def draw_stem(stem: nn.Module, config: VillsConfig, generator: torch.Generator) -> None:
    """Statistics are those of noise: with any others, nothing would be left of a picture after so many layers."""
    for module in stem.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5, generator=generator)
            module.bias.normal_(std=0.3, generator=generator)
            module.momentum = 1.0
    stem.train()(torch.randn(8, 3, config.height, config.width, generator=generator))
    stem.eval()


@pytest.fixture(
    scope="module", params=[SMALL, STEMMED, replace(STEMMED, stem="osnet")], ids=["patches", "mobilenetv2", "osnet"]
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Vills, Path]:
    """A network, not folded, and the file it was exported to."""
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    export_onnx(drawn_network(request.param), ORIGIN, path)
    return drawn_network(request.param), path


def masks(batch: int, n_frames: int) -> list[npt.NDArray[np.bool_]]:
    """Everything real; padding behind; holes and padding in front."""
    full = np.ones((batch, n_frames), np.bool_)
    padded, holed = full.copy(), full.copy()
    padded[0, (n_frames + 1) // 2 :] = False
    holed[-1, ::2] = n_frames == 1
    return [full, padded, holed]


def torch_embeddings(network: torch.nn.Module, clips: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_]) -> np.ndarray:
    with torch.inference_mode():
        embeddings: np.ndarray = network(as_tensor(clips).float(), torch.from_numpy(mask)).numpy()
    return embeddings


@pytest.mark.parametrize("n_frames", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_graph_gives_what_the_network_gives(exported: tuple[Vills, Path], batch: int, n_frames: int) -> None:
    network, path = exported
    session = open_session(path)
    clips = random_clips(batch, n_frames, seed=batch * n_frames, config=network.config)
    for mask in masks(batch, n_frames):
        want = torch_embeddings(network, clips, mask)
        [got] = session.run(None, {"clips": as_tensor(clips).float().numpy(), "mask": mask})
        assert got.shape == (batch, network.config.dimension) and got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)
        assert ((got * want).sum(axis=1) >= 0.9999).all()


def test_the_exportable_form_tells_order_and_keeps_stills_still() -> None:
    form = ExportableVills(drawn_network(SMALL))
    clips, mask = random_clips(2, 5), np.ones((2, 5), np.bool_)
    forwards = torch_embeddings(form, clips, mask)
    backwards = torch_embeddings(form, clips[:, ::-1].copy(), mask)
    assert np.abs(forwards - backwards).max(axis=1).min() > 0.01
    image = clips[:, :1]
    copies = np.repeat(image, 4, axis=1)
    want = torch_embeddings(form, image, mask[:, :1])
    np.testing.assert_allclose(torch_embeddings(form, copies, mask[:, :4]), want, rtol=0, atol=2e-6)


def test_folding_leaves_the_embeddings() -> None:
    network, clips, mask = drawn_network(STEMMED), random_clips(2, 3, config=STEMMED), np.ones((2, 3), np.bool_)
    want = torch_embeddings(network, clips, mask)
    np.testing.assert_allclose(torch_embeddings(folded(network), clips, mask), want, rtol=0, atol=2e-6)


def walkers(config: VillsConfig, people: int, n_frames: int) -> npt.NDArray[np.uint8]:
    """Clips of drawn walkers before two cameras: uint8 (2 people, T, H, W, 3)."""
    from PIL import Image

    cast = [walker(person) for person in cast_people(people, 5)]
    size = (config.width, config.height)
    clips = []
    for place, camera in enumerate(CAMERAS[:2]):
        backdrop = background(camera, np.random.default_rng(place))
        for number in range(people):
            shot = take(cast, number, camera, backdrop, (5, place, number))
            clips.append([np.asarray(Image.fromarray(each).resize(size)) for each in frames(shot, range(n_frames))])
    return np.array(clips, np.uint8)


@pytest.mark.parametrize(("int8", "tie"), [(False, TIE), (True, INT8_TIE)], ids=["float", "int8"])
def test_drawn_walkers_are_found_in_the_same_order(tmp_path: Path, int8: bool, tie: float) -> None:
    """With the default weights: what networks drawn at random think of walkers differs by roundings alone."""
    weights, path = trained_weights("vills-light"), tmp_path / "light.onnx"
    assert weights is not None
    network = seeded_network(find_config("vills-light"))
    fill(network, load_weights(weights).tensors, weights)
    export_onnx(network, ORIGIN, path, int8=int8)
    served = OnnxEncoder(path, threads=2)
    own = VillsEncoder(served.card, network, device=torch.device("cpu"), dtype=torch.float32)
    clips = walkers(network.config, 12, 3)
    mask = np.ones(clips.shape[:2], np.bool_)
    mask[::3, 2:] = False
    first, second = served.encode(clips, mask), own.encode(clips, mask)
    assert ((first * second).sum(axis=1) >= 0.9999).all()
    scores = second @ second.T
    assert scores.std() > 100 * tie
    found = np.take_along_axis(scores, np.argsort(-(first @ first.T), axis=1)[:, :10], axis=1)
    wanted = -np.sort(-scores, axis=1)[:, :10]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tie)


def test_int8_gives_nearly_the_same(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    export_onnx(small_network(), ORIGIN, path, int8=True)
    assert read_feed(path.with_suffix(".toml")) == feed_of(small_network(), ORIGIN)
    encoder, clips = OnnxEncoder(path), random_clips(3, 5)
    for mask in masks(3, 5):
        want, got = torch_embeddings(small_network(), clips, mask), encoder.encode(clips, mask)
        assert ((got * want).sum(axis=1) > 0.99).all()
        assert (got != want).any()
    operations = {node.op_type for node in onnx.load(path).graph.node}
    assert {"MatMulInteger", "DynamicQuantizeLinear"} <= operations and "ConvInteger" not in operations


def test_the_card_comes_along(exported: tuple[Vills, Path]) -> None:
    network, path = exported
    card = build_encoder(f"onnx:{path}").card
    assert card.name == "onnx-small"
    assert (card.dimension, card.sampling) == (network.config.dimension, network.config.sampling)
    assert (card.trained, card.licence, card.training_data) == (True, ORIGIN.licence, ORIGIN.training_data)
    assert card.calibration == ORIGIN.calibration
    untrained = Origin(trained=False, licence="CC0", training_data="none")
    assert not feed_of(network, untrained).trained and feed_of(network, untrained).calibration is None


def test_a_description_reads_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    for origin in (ORIGIN, Origin(trained=False, licence="CC0", training_data="none")):
        feed = feed_of(small_network(), origin)
        path.write_text(feed_text(feed))
        assert read_feed(path) == feed
        assert tomllib.loads(path.read_text())["layout"] == "NTCHW"


def test_the_file_tells_nothing_of_the_machine_it_was_made_on(exported: tuple[Vills, Path]) -> None:
    network, path = exported
    content = path.read_bytes()
    assert b"stack_trace" not in content and b".py" not in content
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told == {
        "config": network.config.to_json(),
        "licence": ORIGIN.licence,
        "training_data": ORIGIN.training_data,
    }
    assert not any(node.op_type == "NonZero" for node in model.graph.node)  # no shape hangs on what a mask holds
    stem = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    assert len(stem) <= 1  # the neck's


def test_an_exported_network_needs_no_torch(exported: tuple[Vills, Path]) -> None:
    code = (
        "import sys, numpy as np; from model.build import build_encoder; "
        f"encoder = build_encoder('onnx:{exported[1]}'); encoder.warm_up(2); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], timeout=30)


@pytest.mark.parametrize("out", ["small.pt", "nowhere/small.onnx"])
def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path, out: str) -> None:
    with pytest.raises(ExportFailed, match=r"must be a file\.onnx in a folder that is there"):
        export_onnx(small_network(), ORIGIN, tmp_path / out)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_does_not_take_the_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.export._graph", lambda *_: SimpleNamespace(SerializeToString=bytes))
    (tmp_path / "small.onnx.part").mkdir()
    with pytest.raises(ExportFailed, match=r"small\.onnx cannot be written .* on a disk with room"):
        export_onnx(small_network(), ORIGIN, tmp_path / "small.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ExportFailed, match=r"must be a file\.onnx"):
        export_onnx(small_network(), ORIGIN, tmp_path / "folder.onnx")


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ExportFailed, match=r"needs the package onnxscript: pip install 'vills-retrieval\[train\]'"):
        export_onnx(small_network(), ORIGIN, tmp_path / "small.onnx")
    assert not list(tmp_path.iterdir())


def test_a_description_of_the_other_kind_is_refused(exported: tuple[Vills, Path], tmp_path: Path) -> None:
    network, path = exported
    feed = feed_of(network, ORIGIN)
    other = tmp_path / "other.onnx"
    other.write_bytes(path.read_bytes())
    for wrong, message in (
        (replace(feed, layout="NCHW"), 'say layout = "NTCHW"'),
        (replace(feed, height=8), "correct layout, height or width"),
        (replace(feed, dimension=7), "dimension = 7"),
    ):
        other.with_suffix(".toml").write_text(feed_text(wrong))
        with pytest.raises(BadModelFile, match=message):
            OnnxEncoder(other)
    other.write_bytes(mean_colour_network(["batch", 3, 8, 4]))
    other.with_suffix(".toml").write_text(feed_text(feed))
    with pytest.raises(BadModelFile, match=r'bool mask of two, in this order.*say layout = "NCHW"'):
        OnnxEncoder(other)
