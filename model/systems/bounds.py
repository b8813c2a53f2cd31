"""What a setting of a published system can be; asked when a configuration is read (`model.systems.config`)."""

from typing import Annotated

from pydantic import Field

from model.layers.frame_trunk import TrunkName

MOST_FRAMES = 256  # of a clip: the service holds eight clips of a track in memory
MOST_PIXELS = 1024
INCEPTION_PIXELS = 75  # without padding, fewer leave nothing of a map
MOST_COUNTED = 4096  # channels, steps, parts: twice the widest trunk's
MOST_WEIGHT = 1e6

Count = Annotated[int, Field(strict=True, ge=1, le=MOST_COUNTED)]
Frames = Annotated[int, Field(strict=True, ge=1, le=MOST_FRAMES)]
Pixels = Annotated[int, Field(strict=True, ge=32, le=MOST_PIXELS)]  # 32: a trunk's last map is one place of them
Side = Annotated[int, Field(strict=True, ge=4, le=MOST_PIXELS)]  # of pictures that a network halves twice
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
Cosine = Annotated[float, Field(strict=True, ge=-1, le=1)]
Weight = Annotated[float, Field(strict=True, ge=0, le=MOST_WEIGHT, allow_inf_nan=False)]  # of a loss; a margin
Scale = Annotated[float, Field(strict=True, gt=0, le=MOST_WEIGHT, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]  # of a frame's sides, of a track's snippets
Part = Annotated[float, Field(strict=True, ge=0, lt=1)]  # of smoothing, of what dropout takes, of momentum


def check_trunk(trunk: TrunkName, last_stride: int | None, height: int, width: int) -> None:
    """Refuse what a trunk cannot be or see. `last_stride`: None for what is usual.

    Raises:
        ValueError: names the rule, the value and the cure.
    """
    if trunk != "inception_v3":
        return
    if last_stride == 1:
        raise ValueError(
            "inception_v3 halves its last map by a block of pooling, and last_stride is 1: set settings.last_stride "
            "to 2, or take another trunk"
        )
    if min(height, width) < INCEPTION_PIXELS:
        raise ValueError(
            f"inception_v3 needs frames of {INCEPTION_PIXELS} pixels each way, and they are {height} x {width}: raise "
            "settings.height and settings.width, or take another trunk"
        )
