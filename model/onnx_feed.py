"""How to feed a ReID network in ONNX: the `.toml` that lies beside it, read and checked."""

import json
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from model.errors import BadModelFile

Triple = tuple[float, float, float]
Layout = Literal["NCHW", "NHWC", "NTCHW"]


@dataclass(frozen=True, slots=True)
class Feed:
    """Sizes in pixels. A value that enters the network is (pixel x scale - mean) / std, in the order of `channels`.

    A network of layout NTCHW takes whole clips and their frame mask; the others take frames one by one.
    """

    layout: Layout
    channels: Literal["RGB", "BGR"]
    height: int
    width: int
    scale: float
    mean: Triple
    std: Triple
    dimension: int  # D
    licence: str
    training_data: str = "not stated"
    calibration: tuple[float, float] | None = None  # logistic (midpoint, slope) of scores
    # Not shown: a space's fingerprint is made of what is shown, and there the sampling stands for the first two.
    frames: int = field(default=8, repr=False)  # T of a clip
    max_clips: int = field(default=8, repr=False)  # clips taken from one track
    trained: bool = field(default=True, repr=False)

    def prepare(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """RGB uint8 (F, H, W, 3) to float32 in the network's own layout of a frame, (F, 3, H, W) or (F, H, W, 3)."""
        ordered = frames if self.channels == "RGB" else frames[..., ::-1]
        values = ordered.astype(np.float32)
        if self.scale != 1:
            values *= np.float32(self.scale)
        if any(self.mean):
            values -= np.asarray(self.mean, np.float32)
        if self.std != (1, 1, 1):
            values /= np.asarray(self.std, np.float32)
        if self.layout != "NHWC":
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one frame as the network takes it."""
        if self.layout != "NHWC":
            return 3, self.height, self.width
        return self.height, self.width, 3


def read_feed(path: Path) -> Feed:
    """Read and check a description.

    Raises:
        BadModelFile: it is missing, no TOML, or a key is missing, unknown or out of range.
    """
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadModelFile(
            f"an ONNX network needs a description beside it, and {path} does not exist: write one with "
            "layout, channels, height, width, scale, mean, std, dimension and licence"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadModelFile(f"the description {path} cannot be read as TOML ({error}): correct it") from error
    entries = _Entries(path, values)
    feed = Feed(
        layout=entries.choice("layout", get_args(Layout)),
        channels=entries.choice("channels", ("RGB", "BGR")),
        height=entries.count("height"),
        width=entries.count("width"),
        scale=entries.numbers("scale", 1, positive=True)[0],
        mean=entries.triple("mean"),
        std=entries.triple("std", positive=True),
        dimension=entries.count("dimension"),
        licence=entries.text("licence"),
        training_data=entries.text("training_data", "not stated"),
        calibration=entries.calibration("calibration"),
        frames=entries.count("frames", 8),
        max_clips=entries.count("max_clips", 8),
        trained=entries.truth("trained", True),
    )
    entries.refuse_rest()
    return feed


def feed_text(feed: Feed) -> str:
    """The description as TOML: what `read_feed` reads."""
    lines = []
    for each in fields(feed):
        value = getattr(feed, each.name)
        if value is not None:
            # JSON's texts, numbers, lists and truths are TOML's too, written in Unicode.
            lines.append(f"{each.name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


class _Entries:
    """The entries of one description, taken out one by one; what is left over is unknown."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self._path = path
        self._values = dict(values)

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        value = self._take(key)
        if value not in allowed:
            self._refuse(key, value, f"one of {', '.join(allowed)}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        value = self._take(key, default)
        if type(value) is not int or value < 1:
            self._refuse(key, value, "a whole number of at least 1")
        return int(value)

    def truth(self, key: str, default: bool) -> bool:
        value = self._take(key, default)
        if type(value) is not bool:
            self._refuse(key, value, "true or false")
        return bool(value)

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or not value.strip():
            self._refuse(key, value, "a text")
        return str(value)

    def numbers(self, key: str, length: int, *, positive: bool = False) -> list[float]:
        value = self._take(key)
        numbers = value if isinstance(value, list) else [value]
        fits = len(numbers) == length and all(type(number) in (int, float) for number in numbers)
        if not fits or not np.isfinite(numbers).all() or (positive and min(numbers) <= 0):
            self._refuse(key, value, f"{length} finite number(s){', above 0' if positive else ''}")
        return [float(number) for number in numbers]

    def triple(self, key: str, *, positive: bool = False) -> Triple:
        first, second, third = self.numbers(key, 3, positive=positive)
        return first, second, third

    def calibration(self, key: str) -> tuple[float, float] | None:
        if key not in self._values:
            return None
        midpoint, slope = self.numbers(key, 2)
        return midpoint, slope

    def refuse_rest(self) -> None:
        if self._values:
            raise BadModelFile(f"the description {self._path} has unknown keys {sorted(self._values)}: remove them")

    def _take(self, key: str, default: Any = None) -> Any:
        if key not in self._values and default is None:
            raise BadModelFile(f"the description {self._path} lacks the key {key!r}: add it")
        return self._values.pop(key, default)

    def _refuse(self, key: str, value: object, rule: str) -> None:
        raise BadModelFile(f"in the description {self._path}, {key} must be {rule}, not {value!r}: correct it")
