"""Files of configurations: by name or path, from a base, changed by dotted name."""

from pathlib import Path

import pytest

from model.training.config import FinetuneConfig
from model.training.config_files import checked, read_config
from model.training.errors import BadConfig


def test_values_can_be_changed_by_dotted_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('sources = [{ data = "cuhk01", share = 4 }]\n[schedule]\nsteps = 10\n')
    values = read_config(str(path), {"schedule.steps": 3, "network.height": 64, "seed": 7})
    config = checked(FinetuneConfig, values, "mine")
    assert (config.schedule.steps, config.network.height, config.seed) == (3, 64, 7)


def test_a_value_inside_of_what_is_no_section_cannot_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('sources = [{ data = "cuhk01", share = 4 }]\n')
    with pytest.raises(BadConfig, match=r"sources\.share is set, and sources is no section.*as a whole"):
        read_config(str(path), {"sources.share": 3})


def test_a_name_that_is_none_names_those_there_are() -> None:
    with pytest.raises(BadConfig, match=r"no configuration 'heavy'.*light"):
        read_config("heavy")


def test_a_circle_of_bases_is_told_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up.toml").write_text('base = "../down.toml"\n')
    (tmp_path / "down.toml").write_text('base = "sub/up.toml"\n')
    with pytest.raises(BadConfig, match=r"down\.toml begins from .*up\.toml, which begins from it"):
        read_config(str(tmp_path / "sub" / "up.toml"))
    (tmp_path / "down.toml").write_text('base = "lost.toml"\n')
    with pytest.raises(BadConfig, match=r"no configuration '.*lost\.toml', which .*down\.toml has as its base"):
        read_config(str(tmp_path / "sub" / "up.toml"))


def test_sections_change_key_by_key_and_attributes_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "low.toml").write_text("[attributes]\nhead = ['hair']\n[settings]\nframes = 8\nwidth = 64\n")
    (tmp_path / "high.toml").write_text("base = 'low.toml'\nattributes = { feet = ['shoes'] }\nsettings.frames = 4\n")
    high = str(tmp_path / "high.toml")
    assert read_config(high) == {"attributes": {"feet": ["shoes"]}, "settings": {"frames": 4, "width": 64}}
    changed = read_config(high, {"attributes.hat": ["hat"]}, {"settings": {"width": 32}})
    assert changed == {"attributes": {"feet": ["shoes"], "hat": ["hat"]}, "settings": {"frames": 4, "width": 32}}
    assert read_config(high, {"attributes": {}})["attributes"] == {}


@pytest.mark.parametrize("text", [b"steps = = 3", b"name = '\xe9'"])
def test_a_file_that_is_no_toml_is_refused(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text)
    with pytest.raises(BadConfig, match=r"mine\.toml cannot be read"):
        read_config(str(path))


def test_a_configuration_may_begin_from_another(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text(
        'sources = [{ data = "cuhk01", share = 4 }]\n[schedule]\nsteps = 10\nlr = 1e-3\n[network]\nheight = 64\n'
    )
    (tmp_path / "mine.toml").write_text('base = "below.toml"\ntracks = 3\n[schedule]\nlr = 1e-4\n')
    (tmp_path / "upper").mkdir()
    upper = tmp_path / "upper" / "again.toml"
    upper.write_text('base = "../mine.toml"\n[schedule]\nsteps = 20\n')
    config = checked(FinetuneConfig, read_config(str(upper), {"seed": 5}), "again")
    assert (config.schedule.steps, config.schedule.lr, config.network.height) == (20, 1e-4, 64)
    assert (config.tracks, config.seed, config.sources[0].share) == (3, 5, 4)


def test_a_file_may_begin_from_what_comes_with_the_product(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "light"\n[schedule]\nsteps = 5000\n')
    mine, light = (checked(FinetuneConfig, read_config(name), name) for name in (str(path), "light"))
    assert mine == light.model_copy(update={"schedule": light.schedule.model_copy(update={"steps": 5000})})


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ('"mine.toml"', "which begins from it"),
        ("3", "has the base 3: give a name"),
        ('"none"', "no configuration 'none'.*light"),
        ('"none.toml"', "no configuration '.*none.toml'"),
    ],
)
def test_a_base_that_cannot_be_is_told(base: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"base = {base}\n")
    with pytest.raises(BadConfig, match=said):
        read_config(str(path))
