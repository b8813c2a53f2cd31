"""Every published system, small enough for tests: MobileNetV2 on crops of 64 x 32, clips of two to four frames."""

import json
import math
from pathlib import Path
from typing import Any

import torch

SMALL = {"trunk": "mobilenetv2", "height": 64, "width": 32}
TINY: dict[str, dict[str, Any]] = {
    "baseline": {**SMALL, "frames": 2},
    "cosam": {**SMALL, "frames": 2, "reduced": 16},
    "gltr": {**SMALL, "frames": 4, "frame_dimension": 16},
    "tkp": {**SMALL, "frames": 3},
    "attributes": {**SMALL, "frames": 2, "segment": 8, "middle": 0.75, "groups": (("top", 2), ("bottom", 1))},
    "vrstc": {**SMALL, "frames": 2, "stcnet": {"size": (32, 16), "width": 4}},
    "stmp": {**SMALL, "frames": 2, "gate_channels": 8, "spatial_hidden": 8, "dimension": 16, "classifier_hidden": 8},
    "m3d": {**SMALL, "frames": 4},
    "sta": {**SMALL, "frames": 2, "last_stride": 1, "bands": 2, "dimension": 16},
    "snippet": {**SMALL, "frames": 2, "dimension": 16},
}


def draw_trunk(folder: Path) -> Path:
    """Weights in the shape of MobileNetV2's, so that a test needs no package that carries real ones."""
    from torchvision.models import mobilenet_v2

    torch.manual_seed(1)
    path = folder / "trunk.pt"
    torch.save(mobilenet_v2(weights=None).state_dict(), path)
    return path


def toml(value: object) -> str:
    """A value as TOML in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    return "inf" if value == math.inf else json.dumps(value)
