"""Third-party networks and footage that lie beside the repository; tests that need them skip where they do not."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def shared_file(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} does not lie in {SHARED}")
    return path
