"""The embedding space of one encoder. Vectors of two spaces never mix."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Space:
    """What identifies a gallery and what an upload must be turned into before its encoder can take it.

    `id` names keys, streams and folders; it contains the fingerprint of configuration, sampling rule and weights.
    """

    id: str
    encoder: str
    dimension: int
    frames: int  # T: frames of a clip
    max_clips: int  # clips taken from one track at most
    height: int  # pixels of a crop
    width: int
    fingerprint: str
    trained: bool
    licence: str
    training_data: str
    rule: str = "spread-1"  # how a track is cut into clips, of `model.sampling`; records were once written without it
    # Logistic calibration of scores, (midpoint, slope); None when the weights carry none.
    calibration: tuple[float, float] | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Space":
        values = json.loads(text)
        if values.get("calibration") is not None:
            values["calibration"] = tuple(values["calibration"])
        return cls(**values)
