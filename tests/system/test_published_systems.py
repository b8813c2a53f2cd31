"""Each published system with the weights that ship: served by name, asked with pictures and clips, within its terms."""

from pathlib import Path

import pytest

from model.systems.names import NAMES
from model.training.origin import OWN_DATA, RESEARCH_ONLY
from model.vills.trained import trained_weights
from model.weights import load_weights
from service.client import VillsClient
from service.demo.run import SHEET, run
from service.demo.samples import Sample, draw_samples
from service.settings import Settings
from tests.system.conftest import running

PUBLISHED = [name for name in NAMES if name != "baseline"]  # which is measured against, and trained by its command
MOST_BYTES = 60_000_000


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Three drawn people before both cameras: six clips, six stills."""
    return draw_samples(tmp_path_factory.mktemp("people"), people=3, seed=11)


def test_the_weights_of_all_are_small_enough_to_ship_together() -> None:
    files = [trained_weights(name) for name in PUBLISHED]
    assert len(files) == 9 and None not in files
    assert sum(file.stat().st_size for file in files if file is not None) <= MOST_BYTES


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PUBLISHED)
def test_it_is_served_by_name_and_answers_pictures_and_clips(
    name: str, settings: Settings, people: list[Sample]
) -> None:
    weights = trained_weights(name)
    assert weights is not None
    origin = load_weights(weights).origin
    with (
        running(settings.model_copy(update={"encoder": name})) as service,
        VillsClient(service.base_url) as vills,
    ):
        version = vills.version()
        assert version.encoder == name and version.trained
        assert version.licence == origin.licence in (OWN_DATA, RESEARCH_ONLY)
        assert version.training_data == origin.training_data
        clips = [sample for sample in people if sample.path.suffix == ".mp4"]
        stills = [sample for sample in people if sample.path.suffix != ".mp4"]
        items = {vills.upload_video(each.path.read_bytes(), wait=120).item_id for each in clips}
        items |= {vills.upload_image(each.path.read_bytes(), wait=120).item_id for each in stills}
        assert len(items) == len(people) == 12
        for answer in (
            vills.query_image([stills[0].path.read_bytes()], min_score=-1.0),
            vills.query_video([clips[0].path.read_bytes()], min_score=-1.0),
        ):
            assert {hit.item_id for hit in answer.hits} <= items and len(answer.hits) >= 6
            assert answer.hits[0].score > 0.99, "the very same upload comes first"
            assert answer.hits[0].score > answer.hits[-1].score


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_demo_runs_through_it(
    name: str, people: list[Sample], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(encoder=name, threads=1, decoders=1)
    assert run(settings, samples=people[0].path.parent.parent, out=tmp_path / "out") == 0
    told = capsys.readouterr().out
    for expected in ("12 of 12 files are searchable", "image to video", "video to image"):
        assert expected in told
    assert "untrained" not in told
    assert (tmp_path / "out" / SHEET).stat().st_size > 0
