"""Configurations that come with the product."""

from importlib import resources


def shipped(folder: str) -> list[str]:
    """Their names in a folder of this package, such as "configs/systems"; of files alone."""
    files = (resources.files("model") / folder).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))
