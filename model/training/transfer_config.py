"""Configurations of runs that carry attributes from a data set that has them to one that does not."""

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from model.faults import faults_of
from model.systems.attribute_transfer import AttributeTransferConfig
from model.training.config import Schedule, Section, Seed, Source
from model.training.system_config import PlainChange

FOLDER = "configs/transfer"
COUNTED = "attributes"  # the setting that the data decide


class TransferRun(Section):
    """A run of the attribute transfer of attribute-driven disentangling. A source's `share` is pictures of a batch."""

    task: Literal["transfer"] = "transfer"
    seed: Seed = 1
    labelled: Source
    target: Source
    # Groups of attributes and the labelled manifest's columns in each.
    attributes: Annotated[dict[str, Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]
    settings: dict[str, Any] = Field(default_factory=dict)  # what is left out is the paper's
    prepares: str = "attributes"  # the configuration that what is written begins from
    schedule: Schedule
    augment: PlainChange = PlainChange()

    @model_validator(mode="after")
    def _it_can_be_run(self) -> "TransferRun":
        if self.labelled.data == self.target.data:
            raise ValueError(f"attributes go from one data set to another, and both are {self.target.data}")
        if self.schedule.average:
            raise ValueError("no average of the weights is kept here: set schedule.average to 0")
        if self.schedule.sharded:
            raise ValueError("the network labels pictures as a whole: leave schedule.sharded out")
        self.network_config(1)
        return self

    def network_config(self, attributes: int) -> AttributeTransferConfig:
        """The configuration of the network that predicts so many attributes.

        Raises:
            ValueError: there is no such network.
        """
        known = {each.name for each in fields(AttributeTransferConfig)} - {COUNTED}
        unknown = sorted(self.settings.keys() - known)
        if unknown:
            raise ValueError(f"settings has {', '.join(unknown)}, and there are {', '.join(sorted(known))}")
        try:
            return TypeAdapter(AttributeTransferConfig).validate_python(self.settings | {COUNTED: attributes})
        except ValidationError as error:
            faults = "; ".join(map(str, faults_of(error, self.settings)))
            raise ValueError(f"the network cannot be built: {faults}") from error
