"""Configurations of runs: small TOML files that say only what differs from the defaults here, and why."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from model.training.unread import refuse_unread

# Upper bounds are far above what any run needs: beyond them a run ended in an allocator's traceback, or never began.
Positive = Annotated[int, Field(ge=1, le=2**20)]
Steps = Annotated[int, Field(ge=1, le=1_000_000)]  # each draws from a seed of its own (`model.training.loop`)
Batches = Annotated[int, Field(ge=1, le=64)]  # of one step; the same
Share = Annotated[int, Field(ge=1, le=4096)]  # persons, tracks or pictures of a batch
Few = Annotated[int, Field(ge=1, le=256)]  # tracks of a person, frames of a track, layers
Pixels = Annotated[int, Field(ge=1, le=1024)]
Channels = Annotated[int, Field(ge=1, le=4096)]
Part = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e6)]
OptimiserName = Literal["adamw", "adam", "sgd", "nesterov"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the first is the least and the second the most, and it is {list(pair)}: exchange them")
    return pair


Size = Annotated[float, Field(gt=0)]
# TOML has lists alone, so these two are not strict about the tuple; their numbers are.
Sizes = Annotated[tuple[Size, Size], Field(strict=False), AfterValidator(_rising)]  # least, most
Parts = Annotated[tuple[Part, Part], Field(strict=False), AfterValidator(_rising)]  # least, most


class Section(BaseModel):
    """Refuses what it does not know, and values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, ser_json_inf_nan="strings")


class Source(Section):
    """One data set to train on; its folder is given on the command line."""

    data: str  # a name of model.data.build
    share: Share  # of each batch: persons in fine-tuning, tracks in pre-training


class Schedule(Section):
    steps: Steps
    lr: Annotated[float, Field(gt=0, le=1000)] = 3.5e-4
    warmup: Annotated[int, Field(ge=0)] = 200
    last_lr: Part = 0.01  # at the end, as a part of lr
    milestones: Annotated[tuple[Part, ...], Field(strict=False)] = ()  # parts of the run: a tenth of lr from each on
    optimiser: OptimiserName = "adamw"
    accumulate: Batches = 1
    compile: bool = False  # the transformer blocks (torch.compile): pays on a GPU, and on CPUs only in long runs
    sharded: bool = False  # over the processes of torchrun (FSDP) instead of a copy in each (DDP): for vills-base
    clip: Annotated[float, Field(gt=0)] = 5.0
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 0.05
    average: Part = 0.999  # decay of the average of the weights, which is what is kept

    @model_validator(mode="after")
    def _every_rate_is_read(self) -> "Schedule":
        if self.milestones and "last_lr" in self.model_fields_set:
            raise ValueError("with milestones nothing reads last_lr: leave one of the two out")
        return self

    @model_validator(mode="after")
    def _the_rate_gets_to_its_highest(self) -> "Schedule":
        if self.warmup > self.steps and "warmup" in self.model_fields_set:
            raise ValueError(f"warmup is {self.warmup} and has to be at most steps, {self.steps}: lower it")
        return self


class Network(Section):
    encoder: str = "vills-light"
    height: Pixels = 256
    width: Pixels = 128
    patch: Pixels | None = None  # pixels; this and the next four are the encoder's own where nothing is said
    channels: Channels | None = None
    depth: Few | None = None
    adapter_every: Few | None = None
    frames: Few | None = None  # T of a full clip at inference
    # Times the usual weights of adapters that start anew; 0: silent.
    adapter_start: Annotated[float, Field(ge=0, le=1000)] = 0.0
    adapters: bool = True  # temporal adapters; without them a clip is the average of its frames
    frozen_blocks: Annotated[int, Field(ge=0, le=18)] = 0  # of a convolutional stem, from the pixels on
    stem_scale: Part = 0.5  # of the learning rate, for the stem
    adapter_scale: Part = 1.0  # the same, for temporal adapters
    drop_path: Part = 0.1

    @model_validator(mode="after")
    def _adapters_are_there_to_be_set(self) -> "Network":
        if not self.adapters:
            refuse_unread(self, ("adapter_start", "adapter_scale"), "adapters is false")
        return self


class Change(Section):
    """Augmentation; see model.data.augment.AugmentPlan."""

    flip: Part = 0.5
    scale: Sizes = (0.9, 1.1)
    shift: Part = 0.06
    brightness: Part = 0.3
    contrast: Part = 0.3
    saturation: Part = 0.3
    hue: Part = 0.05
    grey: Part = 0.05
    blur: Part = 0.2
    erase: Part = 0.5
    erase_area: Parts = (0.02, 0.25)

    @model_validator(mode="after")
    def _something_is_erased(self) -> "Change":
        if not self.erase:
            refuse_unread(self, ("erase_area",), "erase is 0")
        return self


class PretrainChange(Change):
    """The same of pre-training, whose views differ more."""

    scale: Sizes = (0.4, 1.1)
    shift: Part = 0.2
    brightness: Part = 0.4
    contrast: Part = 0.4
    blur: Part = 0.5
    erase: Part = 0.0


TEACHING = ("distil", "cosines", "regress")  # losses that teachers are needed for


class FinetuneLosses(Section):
    """Weights of the terms; 0 leaves one out, and what it costs."""

    identity: Weight = 1.0
    smoothing: Part = 0.1
    triplet: Weight = 1.0
    margin: Annotated[float, Field(gt=0, le=2)] = 0.3  # between distances of unit vectors
    propagation: Weight = 0.1  # TKP's feature propagation, image towards video
    distances: Weight = 0.0  # TKP's distance propagation: not tried yet
    distil: Weight = 1.0  # relations of the teacher network
    distil_temperature: Annotated[float, Field(gt=0)] = 0.1
    cosines: Weight = 0.0  # the teacher's cosines themselves, squared difference: not tried yet
    regress: Weight = 1.0  # the teacher's vectors themselves, through a linear map

    @model_validator(mode="after")
    def _every_detail_is_of_a_loss(self) -> "FinetuneLosses":
        for loss, detail in (("identity", "smoothing"), ("triplet", "margin"), ("distil", "distil_temperature")):
            if not getattr(self, loss):
                refuse_unread(self, (detail,), f"{loss} is 0")
        return self


def _some_weight(losses: Section, names: Sequence[str]) -> None:
    if not any(getattr(losses, name) for name in names):
        raise ValueError(f"nothing is learnt, for every loss is 0: set one of {', '.join(names)}")


class Early(Section):
    """Weights from early in a run, of which some is kept: there they knew more of cameras nobody trained on."""

    step: Positive
    share: Annotated[float, Field(gt=0, lt=1)]  # their part in the weights that are written; the last ones' the rest


class FinetuneConfig(Section):
    """A supervised run."""

    task: Literal["finetune"] = "finetune"
    seed: Seed = 1
    sources: Annotated[list[Source], Field(min_length=1)]
    tracks: Few = 2  # of a person in a batch
    frames: Few = 4  # of a track, at most
    images: bool = True  # learn from every frame as an image, too; without, from clips alone
    heads: Literal["fitted", "drawn"] = "fitted"  # begin from what the network knows, or at random
    teachers: list[str] = []  # encoders' names, onnx:FILE for example; they teach with one voice
    network: Network = Network()
    schedule: Schedule
    early: Early | None = None
    augment: Change = Change()
    losses: FinetuneLosses = FinetuneLosses()

    @model_validator(mode="after")
    def _images_are_there_for_those_who_need_them(self) -> "FinetuneConfig":
        wanting = [name for name in ("propagation", "distances") if getattr(self.losses, name)]
        wanting += ["teachers"] if self.teachers else []
        if wanting and not self.images:
            raise ValueError(
                f"{', '.join(wanting)} look at images, and images is false: set them to 0 (teachers to [])"
            )
        return self

    @model_validator(mode="after")
    def _teachers_are_there_to_be_asked(self) -> "FinetuneConfig":
        if not self.teachers:
            names = (*TEACHING, "distil_temperature")
            refuse_unread(self.losses, names, "teachers is []", inside="losses")
        elif not any(getattr(self.losses, name) for name in TEACHING):
            raise ValueError(
                f"teachers are given and asked nothing, for {', '.join(TEACHING)} are 0: raise one of them, or set "
                "teachers to []"
            )
        return self

    @model_validator(mode="after")
    def _early_weights_are_of_the_run(self) -> "FinetuneConfig":
        if self.early is not None and self.early.step >= self.schedule.steps:
            raise ValueError(f"early.step is {self.early.step} and has to be below steps, {self.schedule.steps}")
        return self

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> "FinetuneConfig":
        names = ["identity", "triplet", "propagation", "distances"]
        names += TEACHING if self.teachers else []
        _some_weight(self.losses, names)
        clips = self.tracks * sum(source.share for source in self.sources)
        if clips < 2 and not self.images:
            raise ValueError("a batch is one clip, which nothing can be compared with: raise tracks or a share")
        return self


class PretrainLosses(Section):
    """Weights of the terms; 0 leaves one out, and what it costs."""

    dino: Weight = 1.0  # whole pictures and clips, across views
    ibot: Weight = 1.0  # masked patches
    koleo: Weight = 0.1
    lse: Weight = 1.0  # regions, across views and frames
    parts: Weight = 0.5  # part queries follow regions
    ufla: Weight = 1.0  # images and clips, across kinds


class Regions(Section):
    """Where LSE's regions come from."""

    proposer: Literal["pose", "affinity"] = "affinity"
    # Prompts a picture. `pose`: anywhere on the person, beside the limbs; `affinity`: on the crop's middle half.
    points: Few = 6


class PretrainConfig(Section):
    """A self-supervised run."""

    task: Literal["pretrain"] = "pretrain"
    seed: Seed = 1
    sources: Annotated[list[Source], Field(min_length=1)]
    frames: Few = 3  # of a track, at most
    prototypes: Positive = 2048
    student_temperature: Annotated[float, Field(gt=0)] = 0.1
    teacher_temperature: Annotated[float, Field(gt=0)] = 0.05
    centring: Literal["mean", "sinkhorn"] = "mean"  # against a teacher that says one thing always: DINO's, or SwAV's
    teacher_momentum: Part = 0.99  # at the start; 1 at the end
    masked_pictures: Part = 0.5  # for iBOT; without it none is masked
    masked_part: Parts = (0.1, 0.5)  # of a masked picture's patches
    network: Network = Network()
    schedule: Schedule
    augment: PretrainChange = PretrainChange()
    regions: Regions = Regions()
    losses: PretrainLosses = PretrainLosses()

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> "PretrainConfig":
        _some_weight(self.losses, list(PretrainLosses.model_fields))
        return self

    @model_validator(mode="after")
    def _every_value_is_read(self) -> "PretrainConfig":
        losses = self.losses
        kept = "pre-training keeps the teacher, which follows at teacher_momentum"
        refuse_unread(self.schedule, ("average",), kept, inside="schedule")
        if not losses.ibot:
            refuse_unread(self, ("masked_pictures", "masked_part"), "losses.ibot is 0")
        if not self.masked_pictures:
            refuse_unread(self, ("masked_part",), "masked_pictures is 0")
        if not losses.lse and not losses.parts:
            refuse_unread(self.regions, ("proposer", "points"), "losses.lse and losses.parts are 0", inside="regions")
        return self
