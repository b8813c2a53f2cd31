"""Files: whole, in part, and not at all."""

import httpx
import pytest

from tests.api.conftest import Api
from tests.api.samples import clip


@pytest.fixture
async def path(gallery: Api) -> str:
    response = await gallery.http.post(
        "/gallery/videos", params={"wait": 10}, files={"file": ("C:\\clips\\wälk.mp4", clip())}
    )
    return f"/gallery/videos/{response.json()['item_id']}/media"


async def test_the_whole_file_says_what_it_is(gallery: Api, path: str) -> None:
    whole = await gallery.http.get(path)
    assert whole.content == clip()
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-length"] == str(len(clip()))
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"] == "inline; filename*=UTF-8''w%C3%A4lk.mp4"


async def test_ranges(gallery: Api, path: str) -> None:
    whole, size = clip(), len(clip())
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes=5-{size * 2}", 5, size),
    ):
        part = await gallery.http.get(path, headers={"Range": asked})
        assert part.status_code == 206, asked
        assert part.content == whole[start:end], asked
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.headers["content-length"] == str(end - start)


async def test_ranges_outside_of_the_file(gallery: Api, path: str) -> None:
    size = len(clip())
    for asked in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0"):
        refused = await gallery.http.get(path, headers={"Range": asked})
        assert (refused.status_code, refused.json()["code"]) == (416, "range_not_satisfiable"), asked
        assert refused.headers["content-range"] == f"bytes */{size}"


async def test_what_is_no_single_range_gives_the_whole(gallery: Api, path: str) -> None:
    for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=9-3", "nonsense"):
        assert (await gallery.http.get(path, headers={"Range": asked})).status_code == 200, asked


async def test_etags(gallery: Api, path: str) -> None:
    etag = (await gallery.http.get(path)).headers["etag"]
    same = await gallery.http.get(path, headers={"If-None-Match": f'"other", {etag}'})
    assert (same.status_code, same.content) == (304, b"")
    for condition, status in ((etag, 206), ('"other"', 200)):
        part = await gallery.http.get(path, headers={"Range": "bytes=0-4", "If-Range": condition})
        assert part.status_code == status


async def test_head(gallery: Api, path: str) -> None:
    head = await gallery.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(clip()))
    part = await gallery.http.head(path, headers={"Range": "bytes=0-4"})
    assert (part.status_code, part.headers["content-length"]) == (206, "5")


async def test_thumbnails_of_tracks(gallery: Api, path: str) -> None:
    tracks = (await gallery.http.get(path.replace("media", "tracks"))).json()["items"]
    thumbnail = await gallery.http.get(tracks[0]["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.content.startswith(b"\xff\xd8\xff")
    again = {"If-None-Match": thumbnail.headers["etag"]}
    assert (await gallery.http.get(tracks[0]["thumbnail"], headers=again)).status_code == 304


async def test_an_item_is_found_under_its_own_kind_only(gallery: Api, path: str) -> None:
    wrong: httpx.Response = await gallery.http.get(path.replace("videos", "images"))
    assert wrong.status_code == 404
