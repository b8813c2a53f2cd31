"""What the demo promises: drawn people found across cameras, both ways, by the encoder one gets without asking."""

from pathlib import Path

import pytest
from rich.console import Console

from service.client import VillsClient
from service.demo.questions import ask_all, fill
from service.demo.run import own_service
from service.demo.samples import draw_samples
from service.demo.scores import Scores, scored
from service.settings import Settings

LEAST_RANK_1 = 0.9

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def figures(settings: Settings, folder: Path) -> dict[str, Scores | None]:
    """Scores by the kind that asks: the whole demo, default seed."""
    samples = draw_samples(folder / "people")
    with own_service(settings, folder / "log", Console(quiet=True)) as url, VillsClient(url) as client:
        answers = ask_all(client, fill(client, samples, lambda: None), lambda: None)
    return {
        kind: scored(answer.ranking for answer in answers if answer.query.kind == kind) for kind in ("image", "video")
    }


def test_drawn_people_are_found_across_cameras_by_the_default_encoder(tmp_path: Path) -> None:
    found = figures(Settings(decoders=1), tmp_path)
    for asking, scores in found.items():
        assert scores is not None and scores.n_queries == 48
        assert scores.rank1 >= LEAST_RANK_1, f"asked with {asking}: Rank-1 {scores.rank1:.3f}, mAP {scores.mean_ap:.3f}"
