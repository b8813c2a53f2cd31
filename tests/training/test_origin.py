"""What weights say of themselves: everything they learned from, over all stages."""

from pathlib import Path

import pytest

from model.training.checkpoint import FILE
from model.training.config import FinetuneConfig
from model.training.config_files import checked
from model.training.errors import BadConfig
from model.training.origin import OWN_DATA, RESEARCH_ONLY, kept_origin, origin_of, write_origin
from model.training.place import RunPlace
from model.weights import UNTRAINED, Origin, save_weights
from tests.model.small import small_network

TEACHERS = ["onnx:retail-0248", "onnx:/models/osnet_x0_25_msmt17.onnx"]


def config(*data: str, encoder: str = "vills-light", teachers: list[str] | None = None) -> FinetuneConfig:
    sources = [{"data": name, "share": 2} for name in data]
    values = {"sources": sources, "schedule": {"steps": 1}, "network": {"encoder": encoder}, "teachers": teachers or []}
    return checked(FinetuneConfig, values, "test")


def place(folder: Path, *, weights: Path | None = None, model_dir: Path | None = None) -> RunPlace:
    return RunPlace(out=folder, cache=folder, data={"csv": folder}, weights=weights, model_dir=model_dir)


def test_data_teachers_and_the_published_stem_are_told(tmp_path: Path) -> None:
    (tmp_path / "retail-0248.onnx").touch()
    told = origin_of(config("market1501", "cuhk03", teachers=TEACHERS), place(tmp_path, model_dir=tmp_path))
    assert told.trained and "research only" in told.licence
    distilled = "distilled from retail-0248, osnet_x0_25_msmt17"
    assert told.training_data == f"market1501, cuhk03; {distilled}; stem begun from retail-0248"
    drawn = origin_of(config("csv", encoder="vills-tiny"), place(tmp_path))
    assert drawn.training_data == "csv"  # no stem that is published
    assert drawn.licence == "as the pictures of the manifest it was trained on allow"


@pytest.mark.parametrize(
    ("data", "teachers", "before", "own"),
    [
        (["csv"], [], OWN_DATA, True),
        (["csv"], [], "research only", False),
        (["csv"], TEACHERS, None, False),
        (["csv", "cuhk01"], [], None, False),
    ],
)
def test_terms_are_one_s_own_where_nothing_else_was_learned_from(
    tmp_path: Path, data: list[str], teachers: list[str], before: str | None, own: bool
) -> None:
    weights = None
    if before is not None:
        weights = tmp_path / "before.safetensors"
        save_weights(weights, small_network(), Origin(trained=True, licence=before, training_data="csv"))
    told = origin_of(config(*data, encoder="vills-tiny", teachers=teachers), place(tmp_path, weights=weights))
    assert (told.licence == OWN_DATA) is own and (told.licence == RESEARCH_ONLY) is not own


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        ("market1501; stem begun from x", "cuhk01, market1501; stem begun from x"),
        ("cuhk01, cuhk03; distilled from retail-0248", "cuhk01, cuhk03; distilled from retail-0248"),
    ],
)
def test_what_the_weights_of_a_stage_before_learned_from_stays_known(tmp_path: Path, earlier: str, now: str) -> None:
    weights = tmp_path / "before.safetensors"
    save_weights(weights, small_network(), Origin(trained=True, licence="research only", training_data=earlier))
    assert origin_of(config("cuhk01"), place(tmp_path, weights=weights)).training_data == now


def test_a_manifest_that_was_learnt_says_where_it_comes_from(tmp_path: Path) -> None:
    learnt = Origin(trained=True, licence=RESEARCH_ONLY, training_data="mars; attributes learnt from csv")
    write_origin(tmp_path, learnt)
    told = origin_of(config("csv", encoder="vills-tiny"), place(tmp_path))
    assert (told.licence, told.training_data) == (RESEARCH_ONLY, "csv, mars; attributes learnt from csv")
    (tmp_path / "origin.json").write_text("half")
    with pytest.raises(BadConfig, match=r"origin\.json does not say where its folder comes from"):
        origin_of(config("csv", encoder="vills-tiny"), place(tmp_path))


def test_weights_without_training_add_nothing(tmp_path: Path) -> None:
    weights = tmp_path / "seeded.safetensors"
    save_weights(weights, small_network(), UNTRAINED)
    assert origin_of(config("cuhk01"), place(tmp_path, weights=weights)).training_data == "cuhk01"


def test_a_run_that_goes_on_keeps_the_origin_it_began_with(tmp_path: Path) -> None:
    """It needs no weights to start from any more, and other ones say nothing of it."""
    weights = tmp_path / "before.safetensors"
    save_weights(weights, small_network(), Origin(trained=True, licence="research only", training_data="market1501"))
    began = kept_origin(config("cuhk01"), place(tmp_path, weights=weights))
    (tmp_path / FILE).touch()
    assert kept_origin(config("cuhk01", encoder="vills-tiny"), place(tmp_path)) == began
    (tmp_path / FILE).unlink()
    assert kept_origin(config("cuhk01", encoder="vills-tiny"), place(tmp_path)).training_data == "cuhk01"
