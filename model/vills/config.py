"""Sizes of a VILLS network. They travel with its weights, so that a file of weights can be built from itself."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from model.errors import UnknownEncoder, WeightsMismatch
from model.sampling import Sampling
from model.systems.names import NAMES

Stem = Literal["patches", "mobilenetv2", "osnet"]
STEM_STRIDE = 16  # pixels a token of a convolutional stem, both ways
WHOLE_NUMBERS = (
    *("channels", "heads", "dimension", "depth", "patch", "parts", "height", "width"),
    *("frames", "max_clips", "adapter_channels", "adapter_every"),
)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class VillsConfig:
    """Everything that decides the shape and the arithmetic of a network. Pixels: height before width."""

    name: str
    channels: int  # numbers of a token, the trunk's width
    heads: int
    dimension: int  # D, numbers of an embedding
    stem: Stem = "patches"  # what makes tokens of pixels: one linear map a patch, or a convolutional network
    depth: int = 12
    patch: int = 16  # pixels, both ways
    parts: int = 4  # K, learned part queries
    height: int = 256
    width: int = 128
    frames: int = 8  # T of a full clip; the network itself takes any T
    max_clips: int = 8  # clips taken from one track
    adapter_channels: int = 64  # bottleneck of a temporal adapter
    adapter_every: int = 3  # every third block begins with a temporal adapter
    drop_path: float = 0.1  # of the deepest block, in training only
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)  # of RGB in [0, 1]
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.height % self.patch or self.width % self.patch:
            raise ValueError(f"crops of {self.height} x {self.width} pixels do not divide into {self.patch}")
        if self.stem not in get_args(Stem):
            raise ValueError(f"there is no stem {self.stem!r}: use one of {', '.join(get_args(Stem))}")
        if self.channels % self.heads:
            raise ValueError(f"{self.channels} channels do not divide into {self.heads} heads")
        if self.stem != "patches" and self.patch != STEM_STRIDE:
            raise ValueError(f"the stem {self.stem} makes tokens of {STEM_STRIDE} pixels, and patch is {self.patch}")

    def _check_kinds(self) -> None:
        """Weights' headers are files: what is in them may be anything."""
        for name in WHOLE_NUMBERS:
            value, least = getattr(self, name), 0 if name == "parts" else 1
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} is a whole number from {least}, and it is {value!r}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"mean and std are of red, green and blue, std above 0: {self.mean}, {self.std}")

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.height // self.patch, self.width // self.patch

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.frames, self.height, self.width, self.max_clips)

    @property
    def adapter_blocks(self) -> tuple[int, ...]:
        """Blocks that begin with a temporal adapter: the last of every `adapter_every`."""
        return tuple(range(self.adapter_every - 1, self.depth, self.adapter_every))

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "VillsConfig":
        """The inverse of `to_json`.

        Raises:
            WeightsMismatch: not JSON, or keys or values of no network this version can build.
        """
        try:
            values = json.loads(text)
            known = {field.name for field in fields(cls)}
            if values.keys() != known:
                raise ValueError(f"keys missing or unknown: {sorted(values.keys() ^ known)}")
            return cls(**values | {"mean": tuple(values["mean"]), "std": tuple(values["std"])})
        except (ValueError, TypeError, AttributeError) as error:
            raise WeightsMismatch(
                f"the configuration inside the weights is of no network of this version ({error}): "
                "use weights saved by this version"
            ) from error


CONFIGS = {
    config.name: config
    for config in (
        VillsConfig(
            "vills-light",
            stem="osnet",
            channels=192,
            heads=3,
            dimension=384,
            depth=2,
            adapter_every=2,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        ),
        VillsConfig(
            "vills-mobile",
            stem="mobilenetv2",
            channels=256,
            heads=4,
            dimension=384,
            depth=4,
            adapter_every=2,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        ),
        VillsConfig("vills-tiny", channels=192, heads=3, dimension=256),
        VillsConfig("vills-small", channels=384, heads=6, dimension=384, adapter_channels=96),
        VillsConfig("vills-base", channels=768, heads=12, dimension=768, adapter_channels=192),
    )
}


def find_config(name: str) -> VillsConfig:
    """The configuration of that name.

    Raises:
        UnknownEncoder: there is none.
    """
    if name not in CONFIGS:
        raise UnknownEncoder(f"no encoder is called {name!r}: use one of {', '.join((*CONFIGS, *NAMES))} or onnx:FILE")
    return CONFIGS[name]
