"""Trained weights that come with the product."""

from importlib import resources
from pathlib import Path


def trained_weights(name: str) -> Path | None:
    """The file of the encoder called `name`; None where no weights of it come with the product."""
    path = Path(str(resources.files("model") / "trained" / f"{name}.safetensors"))
    return path if path.is_file() else None
