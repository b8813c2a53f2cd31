"""Two workers and two apis at once."""

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.client import VillsClient
from service.settings import Settings
from tests.system.conftest import eventually, running
from tests.system.media import clip, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

QUERIES = 60
UPLOADS = 8
SAMPLE = re.compile(r"vills_requests_total\{(?P<labels>[^}]*)\} (?P<value>\S+)")


def requests_counted(base_url: str) -> Counter[tuple[str, str]]:
    """Requests by route and status, as one api counts them."""
    counted: Counter[tuple[str, str]] = Counter()
    for sample in SAMPLE.finditer(httpx.get(f"{base_url}/metrics", timeout=10.0).text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        counted[labels["route"], labels["status"]] += int(float(sample["value"]))
    return counted


def test_each_request_is_answered_once_and_counted_once(
    settings: Settings, tmp_path: Path, client_of: Callable[[str], VillsClient]
) -> None:
    with running(settings, apis=2, workers=2) as service:
        clients = [client_of(url) for url in service.base_urls]
        clips = [clip(tmp_path / f"{seed}.mp4", seed) for seed in range(UPLOADS)]
        with ThreadPoolExecutor(8) as pool:
            uploads = list(pool.map(lambda n: clients[n % 2].upload_video(clips[n], wait=60), range(UPLOADS)))
            version = max(upload.gallery_version or 0 for upload in uploads)
            answers = list(
                pool.map(
                    lambda n: clients[n % 2].query_image([picture(n % UPLOADS)], k=3, min_version=version),
                    range(QUERIES),
                )
            )
        assert len({answer.query_id for answer in answers}) == QUERIES
        assert [answer.hits[0].item_id for answer in answers] == [uploads[n % UPLOADS].item_id for n in range(QUERIES)]
        counted = [requests_counted(url) for url in service.base_urls]
        assert [each["/query/image", "200"] for each in counted] == [QUERIES // 2, QUERIES // 2]
        assert [each["/gallery/videos", "201"] for each in counted] == [UPLOADS // 2, UPLOADS // 2]
        # Workers publish what they counted every few seconds; every api shows all of it.
        for url in service.base_urls:
            eventually(lambda url=url: worker_total(url, "vills_queries_total") == QUERIES)  # type: ignore[misc]
            assert worker_total(url, "vills_jobs_total") == UPLOADS


def worker_total(base_url: str, name: str) -> int:
    """A counter of the workers, over all of them."""
    text = httpx.get(f"{base_url}/metrics", timeout=10.0).text
    return sum(int(float(value)) for value in re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE))
