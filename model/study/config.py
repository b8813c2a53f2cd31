"""What a study is: the same small budget spent in several ways, each trained and tested alike."""

from typing import Annotated, Any, Literal

from pydantic import Field

from model.evaluation.protocols import Protocol
from model.training.config import FinetuneConfig, PretrainConfig, Section, Seed, checked, read_config
from model.training.errors import BadConfig
from model.training.start import network_config

FOLDER = "configs/studies"
Changes = dict[str, Any]  # values by dotted name, as `--set` takes them


class Tested(Section):
    """What every trained network is tested on."""

    data: str  # a name of model.data.build
    protocols: Annotated[list[Protocol], Field(min_length=1)]


class Variant(Section):
    """One way: what it changes in the two runs. `pretrain = false` leaves that run out."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    pretrain: Changes | Literal[False] = Field(default_factory=dict)
    finetune: Changes = Field(default_factory=dict)


class Study(Section):
    """Runs of every variant with every seed."""

    pretrain: str | None = None  # a configuration's name or file; none: nothing is pre-trained
    finetune: str
    seeds: Annotated[list[Seed], Field(min_length=1, default_factory=lambda: [1])]
    tests: Annotated[list[Tested], Field(min_length=1)]
    variants: Annotated[list[Variant], Field(min_length=1)]


def read_study(name: str) -> Study:
    """A study by the name of one that comes with the product, or by its file.

    Raises:
        BadConfig: there is none, or it cannot be used, or one of its runs' configurations cannot.
    """
    study = checked(Study, read_config(name, folder=FOLDER), name)
    names = [variant.name for variant in study.variants]
    if len(set(names)) < len(names):
        raise BadConfig(f"the study {name} has two variants of one name: {', '.join(names)}")
    for variant in study.variants:  # an error in the last variant must not show after hours
        for config in (
            pretrain_config(study, variant, study.seeds[0]),
            finetune_config(study, variant, study.seeds[0]),
        ):
            if config is not None:
                network_config(config.network)
    return study


def pretrain_config(study: Study, variant: Variant, seed: int) -> PretrainConfig | None:
    """The pre-training of a variant, if it has one. Raises BadConfig."""
    if study.pretrain is None or variant.pretrain is False:
        return None
    changes = {**variant.pretrain, "seed": seed}
    return checked(PretrainConfig, read_config(study.pretrain, changes), f"{study.pretrain} of {variant.name}")


def finetune_config(study: Study, variant: Variant, seed: int) -> FinetuneConfig:
    """The fine-tuning of a variant. Raises BadConfig."""
    changes = {**variant.finetune, "seed": seed}
    return checked(FinetuneConfig, read_config(study.finetune, changes), f"{study.finetune} of {variant.name}")
