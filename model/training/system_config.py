"""Configurations of runs that train a published system: small TOML files, as those of VILLS."""

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from model.systems.config import SystemConfig, system_config
from model.training.config import Change, Few, Part, Positive, Schedule, Section, Seed, Sizes, Source
from model.training.unread import refuse_unread

FOLDER = "configs/systems"
TrunkRate = Annotated[float, Field(gt=0, le=1)]


class Clips(Section):
    """Which frames of a track make a clip of T; a track that is too short begins again."""

    # window: T frames one `stride` apart, from anywhere. chunks: one anywhere in each of T equal parts.
    rule: Literal["window", "chunks"] = "window"
    stride: Positive = 1  # frames from one to the next, of a window; less where a track is too short for it

    @model_validator(mode="after")
    def _a_stride_is_of_a_window(self) -> "Clips":
        if self.rule != "window":
            refuse_unread(self, ("stride",), 'rule is "chunks"')
        return self


class PlainChange(Change):
    """Augmentation of the papers: mirrored clips, and nothing else unless a configuration says so."""

    scale: Sizes = (1.0, 1.0)
    shift: Part = 0.0
    brightness: Part = 0.0
    contrast: Part = 0.0
    saturation: Part = 0.0
    hue: Part = 0.0
    grey: Part = 0.0
    blur: Part = 0.0
    erase: Part = 0.0


class SystemRun(Section):
    """A run of one published system's own losses. `settings` are those of its dataclass in `model.systems`."""

    task: Literal["system"] = "system"
    seed: Seed = 1
    system: str
    settings: dict[str, Any] = Field(default_factory=dict)  # what is left out is the paper's
    # What is trained: the system; of VRSTC also the net its completion network comes from, and that network.
    stage: Literal["whole", "base", "completion"] = "whole"
    sources: Annotated[list[Source], Field(min_length=1)]
    # Groups of attributes and the manifest's columns in each: of data that have them, for systems that learn them.
    attributes: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(default_factory=dict)
    tracks: Few = 4  # of a person in a batch
    clips: Clips = Clips()
    trunk_rate: TrunkRate = 1.0  # of the learning rate, for what ImageNet's weights have filled
    schedule: Schedule
    augment: PlainChange = PlainChange()

    @model_validator(mode="before")
    @classmethod
    def _a_completion_network_has_no_average(cls, values: object) -> object:
        """What is not said of it is said here, so that a configuration that was written down can be read again."""
        if not isinstance(values, dict) or values.get("stage") != "completion":
            return values
        schedule = values.get("schedule")
        return values | {"schedule": {"average": 0.0} | schedule} if isinstance(schedule, dict) else values

    @model_validator(mode="after")
    def _the_system_can_be_built(self) -> "SystemRun":
        settings = self.network_config().settings
        if self.stage != "whole" and self.system != "vrstc":
            raise ValueError(f"{self.system} is trained in one stage: leave `stage` out, or set it to whole")
        if self.stage == "base" and (settings.completion != "off" or settings.non_local):
            raise ValueError(
                "stage base trains the net without completion and without non-local blocks: set settings.completion "
                'to "off" and settings.non_local to false'
            )
        if self.stage == "completion" and settings.completion == "off":
            raise ValueError('stage completion trains what settings.completion switches off: leave that "features"')
        if self.stage == "completion":
            refuse_unread(self, ("trunk_rate",), "stage completion trains no trunk")
        if self.stage == "completion" and self.schedule.average:
            raise ValueError("stage completion keeps its last weights and no average: set schedule.average to 0")
        return self

    @model_validator(mode="after")
    def _a_batch_can_be_compared(self) -> "SystemRun":
        clips = self.tracks * sum(source.share for source in self.sources)
        if self.system == "snippet" and clips == 2:
            raise ValueError(
                "snippet compares every second clip of a batch with the others, for which its norm needs two pairs, "
                "and tracks by shares is 2: raise `tracks` or a source's share"
            )
        if clips < 2:
            raise ValueError(
                f"a batch has two clips or more, for batch norms and losses that compare them, and tracks by shares is "
                f"{clips}: raise `tracks` or a source's share"
            )
        return self

    @model_validator(mode="after")
    def _attributes_are_for_those_who_learn_them(self) -> "SystemRun":
        if self.attributes and self.system != "attributes":
            raise ValueError(f"{self.system} learns no attributes: leave `attributes` out")
        if self.attributes and "groups" in self.settings:
            raise ValueError("`attributes` tell the groups: leave settings.groups out")
        if self.system == "attributes" and not self.attributes and math.isfinite(self.network_config().settings.sigma):
            raise ValueError(
                "frames are weighed by what predictors of attributes say, and without attributes these learn nothing: "
                "name the manifest's columns in `attributes`, or set settings.sigma to inf: all frames count the same"
            )
        return self

    @property
    def draws(self) -> int:
        """The seed of what is drawn step by step, of tracks and augmentation: another one in each stage, so that no
        stage sees again, batch by batch, what an earlier one of the same `seed` saw. Below 2 ** 32."""
        if self.stage == "whole":
            return self.seed
        return int.from_bytes(sha256(f"{self.stage} {self.seed}".encode()).digest()[:4])

    def network_config(self, groups: Sequence[tuple[str, int]] = ()) -> SystemConfig:
        """The configuration of the network that is trained; `groups`: of attributes, as the data have them.

        Raises:
            ValueError: there is no such network.
        """
        return system_config(self.system, self.settings | ({"groups": tuple(groups)} if groups else {}))
