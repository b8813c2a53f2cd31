"""What learns at which rate."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from model.systems.config import system_config
from model.systems.network import SystemNetwork
from model.training.config import Network
from model.training.groups import make_optimiser, parameter_groups, slow_parts, trunk_parameters
from model.training.start import starting_network
from model.vills.config import find_config


def test_adapters_and_stem_learn_slower_each_at_its_own_rate() -> None:
    config = replace(find_config("vills-light"), depth=2)
    network = starting_network(config, 1, weights=None, stem_weights=None)
    module = nn.ModuleDict({"network": network, "classifier": nn.Linear(4, 2)})
    groups = parameter_groups(module, slow_parts(network, Network(stem_scale=0.3, adapter_scale=0.1)), weight_decay=0.2)
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    rates = {names[id(each)]: (group["scale"], group["weight_decay"]) for group in groups for each in group["params"]}
    assert rates.keys() == {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert {rate for name, (rate, _) in rates.items() if ".adapters." in name} == {0.1}
    assert {rate for name, (rate, _) in rates.items() if ".patch_embed.blocks." in name} == {0.3}
    assert rates["classifier.weight"] == (1.0, 0.2) and rates["classifier.bias"] == (1.0, 0.0)
    assert rates["network.trunk.pos_embed"][1] == rates["network.trunk.cls_token"][1] == 0.0
    assert len({rate for rate, _ in rates.values()}) == 3


def test_of_what_is_slow_at_one_rate_twice_nothing_is_lost() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    slow = [(0.5, [*first.parameters()]), (0.5, [*second.parameters()])]
    groups = parameter_groups(nn.ModuleList([first, second]), slow, weight_decay=0.0)
    assert {group["scale"] for group in groups} == {0.5} and sum(len(group["params"]) for group in groups) == 4


def test_trunks_of_a_published_system_learn_slower_and_nothing_else() -> None:
    """Of both of TKP's networks; not the non-local blocks, which stand among the video network's stages."""
    network = SystemNetwork(system_config("tkp", {"trunk": "mobilenetv2", "height": 64, "width": 32}))
    groups = parameter_groups(network, [(0.1, trunk_parameters(network))], weight_decay=0.2)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    slow = {names[id(each)] for group in groups if group["scale"] == 0.1 for each in group["params"]}
    assert {name for name in names.values() if ".stages." in name} == slow
    assert any("video_net" in name for name in slow) and len(slow) < len(names)


def test_what_m3d_has_inside_of_its_trunk_learns_at_the_trunk_s_rate() -> None:
    """As in its program, which names the heads alone as new."""
    network = SystemNetwork(system_config("m3d", {"trunk": "mobilenetv2", "height": 64, "width": 32}))
    slow = {id(each) for each in trunk_parameters(network)}
    rest = {name for name, parameter in network.named_parameters() if id(parameter) not in slow}
    embeds = ("temporal_embed", "spatial_embed")
    assert rest == {f"system.{each}.{end}" for each in embeds for end in ("weight", "bias")}


def test_nesterov_s_momentum_is_that_of_sgd_looking_ahead() -> None:
    """First step: plain moves by g, Nesterov by (1 + 0.9) g."""
    moved = {}
    for name in ("sgd", "nesterov"):
        weight = nn.Parameter(torch.tensor([1.0]))
        optimiser = make_optimiser(name, [{"params": [weight], "weight_decay": 0.0}], 0.1)
        weight.grad = torch.tensor([2.0])
        optimiser.step()
        moved[name] = 1.0 - weight.item()
    assert moved == pytest.approx({"sgd": 0.2, "nesterov": 0.38})
