"""What a study is: the same small budget spent in several ways, each trained and tested alike."""

from collections.abc import Collection
from itertools import pairwise
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from model.evaluation.protocols import Protocol
from model.systems.config import system_config
from model.training.completer import check_before
from model.training.config import FinetuneConfig, PretrainConfig, Section, Seed
from model.training.config_files import CONFIGS, Config, checked, read_config
from model.training.errors import BadConfig
from model.training.origin import AnyRun
from model.training.start import network_config
from model.training.system_config import FOLDER as SYSTEMS
from model.training.system_config import SystemRun
from model.training.system_start import BASELINE

FOLDER = "configs/studies"
PRETRAIN, FINETUNE = "pretrain", "finetune"  # names of VILLS's two runs
Changes = dict[str, Any]  # values by dotted name, as `--set` takes them
Runs = list[tuple[str, AnyRun]]


class Tested(Section):
    """What every trained network is tested on."""

    data: str  # a name of model.data.build
    protocols: Annotated[list[Protocol], Field(min_length=1)]
    # Columns of a manifest: only tracks with such a frame ask. The gallery is always whole.
    where: dict[str, str] = Field(default_factory=dict)


class Stage(Section):
    """A run of a published system: its configuration's name or file, and what is changed in it."""

    config: str
    changes: Changes = Field(default_factory=dict)


class Variant(Section):
    """One way. VILLS: what it changes in the two runs, of which `pretrain = false` leaves the first out. Or a published
    system: its stages, each of which begins with the weights of the one before."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    pretrain: Changes | Literal[False] = Field(default_factory=dict)
    finetune: Changes = Field(default_factory=dict)
    system: list[Stage] = Field(default_factory=list)
    like: str = ""  # instead: a variant whose trained networks this one tests once more, in another way
    settings: Changes = Field(default_factory=dict)  # the other way: what those networks compute by, at the test
    rescore: Annotated[int, Field(ge=0)] = 0  # candidates of each query that are compared again, pair by pair
    published: str = ""  # what its paper has on MARS, V2V, Rank-1 / mAP: shown beside, and never mixed with ours

    @model_validator(mode="after")
    def _it_is_one_or_the_other(self) -> "Variant":
        if self.system and (self.pretrain or self.finetune):
            raise ValueError("pretrain and finetune are of VILLS, system is of another network: leave one of both out")
        return self

    @model_validator(mode="after")
    def _what_is_tested_again_is_tested_otherwise(self) -> "Variant":
        if self.settings and not self.like:
            raise ValueError(
                "settings are of networks that another variant trains: name it, `like`, or change `system`"
            )
        if self.like and (self.system or self.pretrain or self.finetune):
            raise ValueError(
                f"like takes the networks of {self.like}, and trains none: leave it out, or what is trained"
            )
        if self.like and not (self.settings or self.rescore):
            raise ValueError(f"nothing is otherwise than in {self.like}: give `settings` or `rescore`, or leave it out")
        return self


class Claim(Section):
    """That one variant finds more than another one by a test: what a paper says, asked of what was found here."""

    says: Annotated[str, Field(pattern=r"^[^|\n]+$")]  # a cell of a table
    variant: str
    over: str  # the variant that it is measured against
    test: str  # a test as a table's column has it: `csv v2v`, or `csv v2v fault=band`


class Study(Section):
    """Runs of every variant with every seed."""

    pretrain: str | None = None  # a configuration's name or file; none: nothing is pre-trained
    finetune: str | None = None  # the same; none: all variants are published systems
    changes: Changes = Field(default_factory=dict)  # in every run, below those of the variants
    changes_in_systems: Changes = Field(default_factory=dict)  # in every run of a published system
    changes_in: dict[str, Changes] = Field(default_factory=dict)  # in the runs of one configuration, by its name
    seeds: Annotated[list[Seed], Field(min_length=1, default_factory=lambda: [1])]
    tests: Annotated[list[Tested], Field(min_length=1)]
    variants: Annotated[list[Variant], Field(min_length=1)]
    without: list[str] = Field(default_factory=list)  # variants of the study it begins from that it leaves out, by name
    claims: list[Claim] = Field(default_factory=list)

    @model_validator(mode="after")
    def _what_is_left_out_is_there(self) -> "Study":
        names = {one.name for one in self.variants}
        unknown = sorted({*self.without} - names)
        if unknown or not names - {*self.without}:
            what = ", ".join(unknown) or "all of them"
            raise ValueError(f"without leaves out {what}, and the variants are {', '.join(sorted(names))}: name some")
        return self

    @model_validator(mode="after")
    def _what_is_tested_again_is_trained(self) -> "Study":
        trained = {one.name for one in self.variants if not one.like} - {*self.without}
        for one in self.variants:
            if one.like and one.name not in self.without and one.like not in trained:
                some = f"the variants that train some are {', '.join(sorted(trained))}: name one of them"
                none = "no variant trains any: give one a `system` or `finetune` instead of `like`"
                raise ValueError(f"{one.name} tests the networks of {one.like!r}, and {some if trained else none}")
        return self

    @model_validator(mode="after")
    def _nothing_is_there_twice(self) -> "Study":
        names, seeds = [one.name for one in self.variants], [str(seed) for seed in self.seeds]
        claims = [f"{one.variant} over {one.over} by {one.test}" for one in self.claims]
        for what, given in (("variants", names), ("seeds", seeds), ("tests", _columns(self)), ("claims", claims)):
            twice = sorted({one for one in given if given.count(one) > 1})
            if twice:
                raise ValueError(f"{what} are there twice, and would count as two: leave one {', '.join(twice)} out")
        return self

    @model_validator(mode="after")
    def _what_is_claimed_is_found_here(self) -> "Study":
        names, tests = [one.name for one in self.variants if one.name not in self.without], _columns(self)
        for one in self.claims:
            for asked, there in ((one.variant, names), (one.over, names), (one.test, tests)):
                if asked not in there:
                    raise ValueError(
                        f"{one.says!r} is asked by {asked!r}, and there are {', '.join(there)}: name one, or give the "
                        "study `claims` of its own ([] for none) where it has them from its base"
                    )
            if one.variant == one.over:
                raise ValueError(f"{one.says!r} measures {one.over} against itself: name another variant in `over`")
        return self

    @model_validator(mode="after")
    def _every_change_is_read(self) -> "Study":
        runs = [stage.changes for one in self.variants for stage in one.system]
        runs += [one.pretrain or {} for one in self.variants] + [one.finetune for one in self.variants]
        if self.changes_in_systems and not any(one.system for one in self.variants):
            raise ValueError("no variant is a published system: leave `changes_in_systems` out")
        if any(
            "seed" in changes for changes in [self.changes, self.changes_in_systems, *self.changes_in.values(), *runs]
        ):
            raise ValueError("every run's seed is the study's: leave `seed` out of all changes, and set `seeds`")
        for one in self.variants:
            if one.pretrain and self.pretrain is None:
                raise ValueError(
                    f"{one.name} changes pre-training, and there is none: name a configuration, `pretrain`"
                )
        return self


def read_study(name: str) -> Study:
    """A study by the name of one that comes with the product, or by its file.

    Raises:
        BadConfig: there is none, or it cannot be used, or one of its runs' configurations cannot.
    """
    study = checked(Study, read_config(name, folder=FOLDER), name)
    study = study.model_copy(update={"variants": [one for one in study.variants if one.name not in study.without]})
    unread = study.changes_in.keys() - _configurations(study)
    if unread:
        raise BadConfig(f"the study {name} changes {', '.join(sorted(unread))}, and no run of it is made with that")
    for variant in study.variants:  # an error in the last variant must not show after hours
        _check_test(study, variant)
        _check_stages(study, variant)
    return study


def _check_stages(study: Study, variant: Variant) -> None:
    """All its runs train one network, each what the one before it makes ready; a baseline's trunk alone may go before
    another system's."""
    runs = [config for _, config in runs_of(study, variant, study.seeds[0])]
    names = [run.system if isinstance(run, SystemRun) else network_config(run.network).name for run in runs]
    for name, then in pairwise(names):
        if then != name and not (name == BASELINE and isinstance(runs[-1], SystemRun)):
            raise BadConfig(
                f"{variant.name} trains {name} and then {then}, and its runs are of one network: change both"
            )
    for before, run in pairwise(runs):
        if isinstance(before, SystemRun) and isinstance(run, SystemRun):
            check_before(run, before.network_config(), f"the stage {before.stage} before it")


def _check_test(study: Study, variant: Variant) -> None:
    """How a variant is tested has to be a way that its network has."""
    _, last = runs_of(study, variant, study.seeds[0])[-1]
    if variant.rescore and not (isinstance(last, SystemRun) and last.system == "snippet"):
        raise BadConfig(f"{variant.name} compares vectors alone and nothing pair by pair: leave its `rescore` out")
    if variant.settings:
        if not isinstance(last, SystemRun):
            raise BadConfig(
                f"{variant.like} is VILLS, which computes by no settings: leave those of {variant.name} out"
            )
        try:
            system_config(last.system, last.settings | variant.settings)
        except ValueError as error:
            raise BadConfig(f"{variant.name}: {error}") from error


def chosen(study: Study, only: Collection[str] = (), seeds: Collection[int] = ()) -> list[tuple[Variant, int]]:
    """Variants and seeds in the order in which they run: those that are named, or all where none is."""
    return [
        (variant, seed)
        for seed in study.seeds
        if not seeds or seed in seeds
        for variant in study.variants
        if not only or variant.name in only
    ]


def trained_by(study: Study, variant: Variant) -> Variant:
    """The variant that trains the networks: this one, or that which it is like."""
    return next(one for one in study.variants if one.name == (variant.like or variant.name))


def asked_in(test: Tested) -> list[tuple[str, Protocol, str]]:
    """Each question of a test: data, protocol, and which queries ask, as `column=value`."""
    where = ", ".join(f"{column}={value}" for column, value in test.where.items())
    return [(test.data, protocol, where) for protocol in test.protocols]


def column_of(data: str, protocol: str, where: str) -> str:
    """What a question is called in a table, in a message, and by a claim."""
    return " ".join(filter(None, (data, protocol, where)))


def runs_of(study: Study, variant: Variant, seed: int) -> Runs:
    """The runs that train the networks of a variant, in order, by name. Raises BadConfig."""
    variant = trained_by(study, variant)
    if variant.system:
        return [
            (
                f"{place}-{PurePath(stage.config).stem}",
                _run(SystemRun, study, variant, stage.config, stage.changes, seed),
            )
            for place, stage in enumerate(variant.system, 1)
        ]
    if study.finetune is None:
        raise BadConfig(f"the variant {variant.name} is VILLS and the study has no `finetune`: name a configuration")
    runs: Runs = []
    if study.pretrain is not None and variant.pretrain is not False:
        runs.append((PRETRAIN, _run(PretrainConfig, study, variant, study.pretrain, variant.pretrain, seed)))
    return [*runs, (FINETUNE, _run(FinetuneConfig, study, variant, study.finetune, variant.finetune, seed))]


def _run(kind: type[Config], study: Study, variant: Variant, config: str, changes: Changes, seed: int) -> Config:
    common = study.changes_in_systems if kind is SystemRun else {}
    levels = (study.changes, common, study.changes_in.get(config, {}), changes, {"seed": seed})
    try:
        values = read_config(config, *levels, folder=SYSTEMS if kind is SystemRun else CONFIGS)
    except BadConfig as error:
        raise BadConfig(f"{variant.name}: {error}") from error
    return checked(kind, values, f"{config} of {variant.name}")


def _columns(study: Study) -> list[str]:
    return [column_of(*one) for test in study.tests for one in asked_in(test)]


def _configurations(study: Study) -> set[str]:
    """All that a run is made with."""
    own = [variant for variant in study.variants if not variant.system and not variant.like]
    firsts = {study.pretrain for variant in own if variant.pretrain is not False}
    systems = {stage.config for variant in study.variants for stage in variant.system}
    return {config for config in (*systems, *firsts, *(study.finetune for _ in own)) if config is not None}
