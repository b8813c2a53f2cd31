"""Drawn people with configurations to train on them, and a stem to begin with."""

from pathlib import Path

import pytest
import torch

from tests.training.drawn import draw_people
from tests.training.runs import CONFIG


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Four persons, and configurations to train on them."""
    draw_people(tmp_path / "people")
    (tmp_path / "tiny.toml").write_text(CONFIG)
    (tmp_path / "self.toml").write_text(CONFIG + "prototypes = 32\n[regions]\npoints = 4\n")
    return tmp_path


@pytest.fixture
def stem(tmp_path: Path) -> list[str]:
    """Weights in the shape of MobileNetV2's, so that the test needs no package that carries real ones."""
    from torchvision.models import mobilenet_v2

    torch.manual_seed(1)
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "stem.pt")
    return ["--stem-weights", str(tmp_path / "stem.pt")]
