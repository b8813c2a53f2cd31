"""What the networks of a study begin from and are tested by, tried before the first run."""

from pathlib import Path

import pytest

from model.errors import WeightsMismatch
from model.study.check import ready_study
from model.study.config import read_study
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.training.errors import BadConfig
from model.training.place import RunPlace
from model.weights import UNTRAINED, save_weights
from tests.study.studies import a_study
from tests.systems.tiny import TINY, draw_trunk, toml
from tests.training.drawn import draw_people

NARROW = TINY["cosam"] | {"reduced": 3}


@pytest.fixture
def place(tmp_path: Path) -> RunPlace:
    draw_people(tmp_path / "people")
    for name, settings in (("wide", TINY["cosam"]), ("narrow", NARROW)):
        (tmp_path / f"{name}.toml").write_text(
            'system = "cosam"\nsources = [{ data = "csv", share = 2 }]\nschedule = { steps = 1, warmup = 0 }\n'
            f"settings = {toml(settings)}\n"
        )
    (tmp_path / "study.toml").write_text(
        'tests = [{ data = "csv", protocols = ["v2v"] }]\n'
        + "".join(
            f'[[variants]]\nname = "{name}"\nsystem = [{{ config = "{tmp_path}/{name}.toml" }}]\n'
            for name in ("wide", "narrow")
        )
    )
    out = tmp_path / "out"
    return RunPlace(out, out / "cache", {"csv": tmp_path / "people"}, stem_weights=draw_trunk(tmp_path))


def test_settings_that_a_trained_network_cannot_have_are_refused(tmp_path: Path, place: RunPlace) -> None:
    """Bug: the other variant was trained first."""
    study = tmp_path / "study.toml"
    again = '[[variants]]\nname = "again"\nlike = "wide"\nsettings = {{ {} }}\n'
    text = study.read_text()
    study.write_text(text + again.format("reduced = 3"))
    with pytest.raises(
        BadConfig, match=r"again tests .* of wide by settings .* is \(16,\), not \(3,\).*leave these out"
    ):
        ready_study(read_study(str(study)), place.out, place)
    study.write_text(text + again.format('channel = "plain"'))  # another arithmetic of the same numbers
    ready_study(read_study(str(study)), place.out, place)
    assert not place.out.exists()


def test_weights_that_fit_not_all_networks_are_refused_where_all_are_chosen(tmp_path: Path, place: RunPlace) -> None:
    """Bug: they were when the first network that they fit was trained."""
    weights = tmp_path / "narrow.safetensors"
    save_weights(weights, drawn_system(system_config("cosam", NARROW)), UNTRAINED)
    place = RunPlace(place.out, place.cache, place.data, weights=weights)
    study = read_study(str(tmp_path / "study.toml"))
    with pytest.raises(
        WeightsMismatch,
        match=r"narrow\.safetensors holds weights of cosam that do not fit the run's: .* set settings\.reduced",
    ):
        ready_study(study, place.out, place)
    ready_study(study, place.out, place, only=["narrow"])
    begun = place.out / "wide" / "1" / "1-wide"
    begun.mkdir(parents=True)
    (begun / "checkpoint.pt").touch()
    ready_study(study, place.out, place)  # a run that goes on reads none


@pytest.mark.parametrize("text", ["root:x:0:0:root:/root:/bin/sh\n", "", "# Words\n"])
def test_a_trunk_s_weights_that_are_none_are_refused(tmp_path: Path, place: RunPlace, text: str) -> None:
    """Bugs: two of these were tracebacks, the third advised to load the file unsafely."""
    (tmp_path / "other.pt").write_text(text)
    place = RunPlace(place.out, place.cache, place.data, stem_weights=tmp_path / "other.pt")
    study = read_study(str(tmp_path / "study.toml"))
    with pytest.raises(
        WeightsMismatch, match=r"other\.pt cannot be used: it is no file that torch saved: name another"
    ):
        ready_study(study, place.out, place)


def test_weights_of_another_system_are_refused_for_vills(tmp_path: Path, place: RunPlace) -> None:
    weights = tmp_path / "narrow.safetensors"
    save_weights(weights, drawn_system(system_config("cosam", NARROW)), UNTRAINED)
    place = RunPlace(place.out, place.cache, place.data, weights=weights)
    with pytest.raises(WeightsMismatch, match="holds weights of cosam, and the run trains vills-tiny"):
        ready_study(read_study(str(a_study(tmp_path))), place.out, place)
