"""TKP: two networks, what each sees, and its losses row by row."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from model.card import card_of
from model.data.records import Track
from model.evaluation.features import embed_tracks
from model.layers.non_local import NonLocal
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.systems.system import Batch
from model.systems.tkp import Tkp, TkpConfig
from model.torch_encoder import TorchEncoder
from model.weights import UNTRAINED
from tests.systems.tiny import TINY

SMALL = TkpConfig(trunk="resnet18", height=64, width=32)


def awake(module: nn.Module) -> None:
    """No batch norm that would hold anything back from the first step on."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.ones_(each.weight)


def batch(clips: Tensor, person: list[int]) -> Batch:
    numbers = torch.arange(len(clips))
    return Batch(clips=clips, person=torch.tensor(person), track=numbers, camera=numbers % 2)


def grown(tensor: Tensor) -> None:
    if tensor.is_floating_point():
        nn.init.normal_(tensor)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return torch.sqrt(((a - b) ** 2).sum())


def literal_triplet(anchors: list[Tensor], ours: list[int], candidates: list[Tensor], theirs: list[int]) -> Tensor:
    losses = []
    for anchor, person in zip(anchors, ours, strict=True):
        same = [distance(anchor, row) for row, other in zip(candidates, theirs, strict=True) if person == other]
        apart = [distance(anchor, row) for row, other in zip(candidates, theirs, strict=True) if person != other]
        losses.append((0.3 + max(same) - min(apart)).clamp(min=0))
    return torch.stack(losses).mean()


def literal_identity(rows: list[Tensor], persons: list[int], classifier: nn.Module) -> Tensor:
    return -torch.stack([classifier(row).log_softmax(0)[n] for row, n in zip(rows, persons, strict=True)]).mean()


@pytest.mark.parametrize("variant", ["code", "paper"])
def test_its_losses_are_the_paper_s(variant: str) -> None:
    torch.manual_seed(0)
    system = Tkp(replace(SMALL, distance_variant=variant)).double().eval()  # type: ignore[arg-type]
    awake(system)
    heads = system.training_heads(2).double()
    for tensor in heads.state_dict().values():
        grown(tensor)
    shown = batch(torch.randn(4, 2, 3, 64, 32, dtype=torch.float64), [0, 0, 1, 1])
    with torch.no_grad():
        got = system.losses(shown, heads)
        image = [system.of_images(frame[None])[0] for clip in shown.clips for frame in clip]
        frame = [row for clip in shown.clips for row in system.of_frames(clip[None])[0]]
        video = [(frame[n] + frame[n + 1]) / 2 for n in range(0, 8, 2)]
        images, videos = [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1]
        kinds = ((image, images), (video, videos))
        apart = sum(
            (distance(image[a], image[b]) - distance(frame[a], frame[b])) ** 2 for a in range(8) for b in range(8)
        )
        want = {
            "identity": sum(literal_identity(rows, persons, heads) for rows, persons in kinds),
            "triplet": sum(literal_triplet(*anchors, *candidates) for anchors in kinds for candidates in kinds),
            "feature": sum(((i - f) ** 2).sum() for i, f in zip(image, frame, strict=True)) / 8,
            "distance": apart / (64 if variant == "code" else 8),
        }
    assert set(got) == set(want)
    for name, value in want.items():
        assert isinstance(value, Tensor) and value > 0
        torch.testing.assert_close(got[name], value, check_dtype=False, msg=name)


def test_propagation_teaches_the_image_network_alone() -> None:
    torch.manual_seed(1)
    system = Tkp(SMALL)
    losses = system.losses(batch(torch.randn(4, 2, 3, 64, 32), [0, 0, 1, 1]), system.training_heads(2))
    for name in ("feature", "distance"):
        system.zero_grad()
        losses[name].backward(retain_graph=True)  # type: ignore[no-untyped-call]
        assert all(parameter.grad is None for parameter in system.video_net.parameters())
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in system.image_net.parameters())


def test_the_video_network_s_blocks_are_drawn_as_in_the_program() -> None:
    """By their outputs; PyTorch's weights of the same block are five times smaller, and looks all but even."""
    torch.manual_seed(1)
    for block in Tkp(SMALL).video_net.blocks.children():
        assert isinstance(block, NonLocal)
        assert block.theta.weight.var().item() == pytest.approx(2 / block.theta.out_channels, rel=0.1)


def test_one_classifier_sees_images_and_clips() -> None:
    system = Tkp(SMALL)
    heads = system.training_heads(625)
    assert isinstance(heads, nn.Linear) and heads.weight.shape == (625, 512)
    assert heads.weight.std().item() == pytest.approx(0.001, rel=0.05) and not heads.bias.any()
    rows: list[int] = []
    heads.register_forward_hook(lambda _, got, __: rows.append(len(got[0])))
    system.losses(batch(torch.randn(4, 2, 3, 64, 32), [0, 0, 1, 1]), heads)
    assert sorted(rows) == [4, 8]


def test_the_weights_name_the_paper_s_variants() -> None:
    shown = batch(torch.randn(2, 2, 3, 64, 32), [0, 1])
    for feature, weight, names in ((0, 0, set()), (2, 0, {"feature"}), (0, 3, {"distance"})):
        torch.manual_seed(2)
        system = Tkp(replace(SMALL, feature_weight=feature, distance_weight=weight))
        heads = system.training_heads(2)
        losses = system.losses(shown, heads)
        assert set(losses) == {"identity", "triplet"} | names
        system.config = SMALL
        for name in names:
            torch.testing.assert_close(losses[name], max(feature, weight) * system.losses(shown, heads)[name])


def test_one_frame_goes_through_the_image_network_and_more_through_the_other() -> None:
    torch.manual_seed(3)
    system, clips = Tkp(SMALL).eval(), torch.randn(2, 3, 3, 64, 32)
    assert (system.dimension, system.frames, system.fixed) == (512, 4, False)
    with torch.no_grad():
        assert torch.equal(system.features(clips[:, :1]), system.of_images(clips[:, 0]))
        assert torch.equal(system.features(clips), system.of_frames(clips).mean(dim=1))
        for parameter in system.video_net.parameters():
            parameter.zero_()
        assert system.features(clips[:, :1]).any() and not system.features(clips).any()


@pytest.mark.parametrize("length", [5, 9, 13, 17, 29])
def test_no_frame_of_a_video_goes_through_the_image_network(length: int, tmp_path: Path) -> None:
    """Cut by fours, each of these tracks would end in a clip of one frame, which counts as a picture."""
    config = system_config("tkp", TINY["tkp"] | {"frames": 4})
    network = drawn_system(config)
    encoder = TorchEncoder(card_of(config, network.dimension, UNTRAINED, b""), network, device=torch.device("cpu"))
    seen = {"image": 0, "video": 0}
    assert isinstance(network.system, Tkp)
    for name, net in (("image", network.system.image_net), ("video", network.system.video_net)):
        net.register_forward_hook(lambda _, got, __, name=name: seen.update({name: seen[name] + len(got[0])}))
    paths = tuple(tmp_path / f"{frame}.png" for frame in range(length))
    for path in paths:
        Image.new("RGB", (32, 64), (len(path.stem) * 40, 80, 120)).save(path)
    embed_tracks(encoder, [Track(1, 1, paths)])
    assert seen["image"] == 0 and seen["video"] > 0
    embed_tracks(encoder, [Track(1, 1, paths[:1])])
    assert seen["image"] == 1


def test_with_fresh_blocks_and_the_image_network_s_weights_a_clip_is_the_mean_of_its_images() -> None:
    torch.manual_seed(4)
    system, clips = Tkp(SMALL).eval(), torch.randn(2, 3, 3, 64, 32)
    system.video_net.trunk.load_state_dict(system.image_net.state_dict())
    with torch.no_grad():
        alone = torch.stack([system.of_images(clips[:, t]) for t in range(3)], dim=1)
        torch.testing.assert_close(system.features(clips), alone.mean(dim=1))


def test_a_long_clip_is_cut_and_all_its_frames_count_alike() -> None:
    torch.manual_seed(5)
    system, clips = Tkp(replace(SMALL, longest=2)).eval(), torch.randn(1, 5, 3, 64, 32)
    awake(system)
    with torch.no_grad():
        pieces = [system.of_frames(clips[:, start:end]) for start, end in ((0, 2), (2, 4), (4, 5))]
        torch.testing.assert_close(system.features(clips), torch.cat(pieces, dim=1).mean(dim=1))
        system.config = SMALL
        assert not torch.allclose(system.features(clips), torch.cat(pieces, dim=1).mean(dim=1), rtol=1e-4, atol=0)


def test_the_order_of_frames_does_not_count_but_each_frame_does() -> None:
    torch.manual_seed(6)
    system, clips = Tkp(SMALL).double().eval(), torch.randn(1, 4, 3, 64, 32, dtype=torch.float64)
    awake(system)
    other = clips.clone()
    other[:, 3] += 1
    with torch.no_grad():
        torch.testing.assert_close(system.features(clips[:, [2, 0, 3, 1]]), system.features(clips))
        assert not torch.allclose(system.of_frames(other)[:, 0], system.of_frames(clips)[:, 0], rtol=1e-4, atol=0)


def test_works_on_the_small_trunk() -> None:
    system = Tkp(replace(SMALL, trunk="mobilenetv2")).eval()
    assert system.features(torch.randn(1, 3, 3, 64, 32)).shape == (1, 320)


def test_under_autocast_losses_and_features_are_float32() -> None:
    torch.manual_seed(7)
    system, shown = Tkp(SMALL), batch(torch.randn(4, 2, 3, 64, 32), [0, 0, 1, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert system.features(shown.clips).dtype == torch.float32
        losses = system.losses(shown, system.training_heads(2))
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("shape", [(2, 3, 64, 32), (1, 0, 3, 64, 32), (1, 2, 3, 32, 64)])
def test_what_are_no_clips_of_its_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="resize"):
        Tkp(SMALL).features(torch.zeros(shape))


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_that_would_leave_a_single_frame_are_refused(frames: int) -> None:
    with pytest.raises(ValueError, match=rf"tkp cannot be built: .*3 frames or more, .*frames is {frames}: raise"):
        system_config("tkp", TINY["tkp"] | {"frames": frames})
    assert system_config("tkp", TINY["tkp"] | {"frames": 3}).settings.frames == 3


def test_has_the_paper_s_sizes_and_a_gradient_everywhere() -> None:
    torch.manual_seed(8)
    system = Tkp(TkpConfig())
    awake(system)
    heads = system.training_heads(2)
    sizes: list[tuple[int, ...]] = []
    for stage in system.video_net.trunk.stages[1:]:
        *_, last = stage.children()
        last.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[2:])))
    losses = system.losses(batch(torch.randn(2, 2, 3, 256, 128), [0, 1]), heads)
    assert sizes == [(64, 32), (32, 16), (16, 8), (16, 8)]
    assert system.dimension == 2048
    sum(losses.values(), start=torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    for name, parameter in [*system.named_parameters(), *heads.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.any(), name


def test_the_parameters_are_those_of_the_published_layers() -> None:
    system, trunk = Tkp(TkpConfig()), 23_508_032  # ResNet-50 without its classifier
    blocks = [each for each in system.modules() if isinstance(each, NonLocal)]
    assert [block.theta.in_channels for block in blocks] == [512, 512, 1024, 1024, 1024]
    # Four maps, theta's bias, the norm.
    added = sum(4 * width * (width // 2) + width // 2 + 2 * width for width in (512, 512, 1024, 1024, 1024))
    assert sum(each.numel() for each in system.parameters()) == 2 * trunk + added
