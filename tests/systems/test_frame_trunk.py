"""Trunks in stages: the published networks, cut where systems put their modules."""

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import inception_v3

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.published import fill_in_order

SIZES: dict[TrunkName, tuple[int, int]] = {
    "resnet50": (64, 32),
    "resnet18": (64, 32),
    "seresnet50": (64, 32),
    "legacy_seresnet50": (64, 32),
    "inception_v3": (139, 139),
    "mobilenetv2": (64, 32),
}


@pytest.mark.parametrize("name", SIZES)
def test_channels_are_those_that_are_told_and_strides_the_published_networks_(name: TrunkName) -> None:
    trunk, (height, width) = FrameTrunk(name, last_stride=2).eval(), SIZES[name]
    strides = (2, 4, 8, 16, 32) if name == "mobilenetv2" else (4, 4, 8, 16, 32)
    x = torch.randn(1, 3, height, width)
    for stage, channels, stride in zip(trunk.stages, trunk.channels, strides, strict=True):
        x = stage(x)
        assert x.shape[1] == channels
        if name != "inception_v3":  # it pads nothing, so its maps are a little smaller
            assert x.shape[2:] == (height // stride, width // stride)


@pytest.mark.parametrize("name", ["resnet50", "resnet18", "seresnet50", "legacy_seresnet50", "mobilenetv2"])
def test_without_its_last_stride_a_trunk_has_a_larger_map_of_the_same_weights(name: TrunkName) -> None:
    kept, halved = FrameTrunk(name, last_stride=1), FrameTrunk(name, last_stride=2)
    kept.load_state_dict(halved.state_dict())
    assert kept.eval()(torch.randn(1, 3, 64, 32)).shape == (1, kept.channels[-1], 4, 2)


def test_the_published_network_s_weights_fit_and_give_its_map() -> None:
    whole = timm.create_model("resnet50", pretrained=False).eval()
    trunk = FrameTrunk("resnet50", last_stride=2).eval()
    for stage, name in enumerate(("layer1", "layer2", "layer3", "layer4"), start=1):
        trunk.stages[stage].load_state_dict(getattr(whole, name).state_dict())
    stem = trunk.stages[0]
    assert isinstance(stem, nn.Sequential)
    for place, name in enumerate(("conv1", "bn1")):
        stem[place].load_state_dict(getattr(whole, name).state_dict())
    x = torch.randn(1, 3, 64, 32)
    wanted = nn.Sequential(*list(whole.children())[:-2])(x)  # all but pooling and classifier
    torch.testing.assert_close(trunk(x), wanted)


@pytest.mark.parametrize("from_timm", [False, True], ids=["torchvision", "timm"])
def test_inception_s_published_files_fit_with_their_second_classifier(from_timm: bool) -> None:
    torch.manual_seed(1)
    whole = (
        timm.create_model("inception_v3", pretrained=False, aux_logits=True)
        if from_timm
        else inception_v3(weights=None, init_weights=False)
    ).eval()
    tensors = whole.state_dict()
    assert any(name.startswith("AuxLogits.") for name in tensors)
    trunk = FrameTrunk("inception_v3", last_stride=2).eval()
    fill_in_order(trunk, tensors, "inception_v3")
    maps: list[Tensor] = []
    whole.get_submodule("Mixed_7c").register_forward_hook(lambda _, __, found: maps.append(found))
    x = torch.randn(1, 3, 299, 299)  # what the second classifier needs
    with torch.inference_mode():
        whole(x)
        size = float(maps[0].abs().max())  # huge, of weights that nobody has trained
        torch.testing.assert_close(trunk(x) / size, maps[0] / size, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["seresnet50", "legacy_seresnet50"])
def test_both_squeeze_and_excitation_networks_are_told_apart(name: TrunkName) -> None:
    torch.manual_seed(2)
    whole = timm.create_model(name, pretrained=False).eval()
    trunk, x = FrameTrunk(name, last_stride=2).eval(), torch.randn(1, 3, 64, 32)
    fill_in_order(trunk, whole.state_dict(), name)
    with torch.inference_mode():
        wanted = nn.Sequential(*list(whole.children())[:-2])(x)  # all but pooling and classifier
        torch.testing.assert_close(trunk(x), wanted)
    other: TrunkName = "seresnet50" if name == "legacy_seresnet50" else "legacy_seresnet50"
    with pytest.raises(ValueError, match=f'set settings.trunk = "{name}"'):
        fill_in_order(FrameTrunk(other), whole.state_dict(), other)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="use one of resnet50"):
        FrameTrunk("vgg16")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="last_stride has to be 2"):
        FrameTrunk("inception_v3", last_stride=1)
