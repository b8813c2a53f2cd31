"""What learns at which rate."""

from dataclasses import replace

from torch import nn

from model.training.config import Network
from model.training.groups import parameter_groups, slow_parts
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
