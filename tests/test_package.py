"""What an installation holds, which a checkout has in any case: files that are no modules."""

import tomllib
from pathlib import Path

import pytest
from setuptools import Distribution
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parents[1]
NO_DATA = {".py", ".pyc"}


@pytest.mark.parametrize("package", ["model", "index", "service"])
def test_every_file_of_a_package_is_installed(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By setuptools itself, asked what it would copy into a wheel."""
    monkeypatch.chdir(ROOT)
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folders = [package, *(str(path.parent) for path in Path(package).glob("*/**/__init__.py"))]
    names = sorted({folder.replace("/", ".") for folder in folders})
    command = build_py(Distribution({"packages": names, "package_data": told}))
    command.finalize_options()
    copied = {Path(folder, file) for _, folder, _, files in command.data_files for file in files}
    wanted = {path for path in Path(package).rglob("*") if path.is_file() and path.suffix not in NO_DATA}
    assert wanted == copied
