"""`VillsClient`: every route of the service as a typed method. Synchronous, light, safe to retry."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Unpack, cast

import httpx

from service.client.answers import (
    ItemRecord,
    Job,
    Kind,
    Page,
    QueryResult,
    Readiness,
    TrackRecord,
    Upload,
    Version,
    body_of,
    read,
)
from service.client.connection import Connection, File
from service.client.errors import VillsError
from service.client.options import (
    ItemOptions,
    QueryOptions,
    UploadOptions,
    item_fields,
    query_fields,
    upload_fields,
)

LONGEST_WAIT_S = 30.0  # what one request asks the service to hold its answer back; longer waits are several requests
PAGE_ITEMS = 100


class VillsClient:
    """Talks to one service.

        with VillsClient("http://127.0.0.1:8000") as vills:
            vills.upload_video("walk.mp4", camera_id="door", wait=60)
            for hit in vills.query_image("person.jpg", k=5).hits:
                print(hit.score, hit.camera_id, hit.start)

    Every method raises `VillsError` when the service refuses or is not there. 429 and 503 are tried again, honouring
    `Retry-After`, for up to `retry_for_s` seconds (0: never); uploads carry an `Idempotency-Key`, so that is safe.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retry_for_s: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url
        self._connection = Connection(
            base_url, api_key=api_key, timeout_s=timeout_s, retry_for_s=retry_for_s, transport=transport
        )

    def __enter__(self) -> "VillsClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        self._connection.close()

    # Gallery

    def upload_video(
        self,
        file: File,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[UploadOptions],
    ) -> Upload:
        """Put a clip of one person into the gallery; a path is streamed from disk.

        With `wait` the call returns when the item is searchable, or after that many seconds, and raises the job's
        problem when the job fails.
        """
        return self._upload("/gallery/videos", file, wait, idempotency_key, options)

    def upload_image(
        self,
        file: File,
        *,
        wait: float | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[UploadOptions],
    ) -> Upload:
        """The same for a picture of one person."""
        return self._upload("/gallery/images", file, wait, idempotency_key, options)

    def items(self, kind: Kind, **options: Unpack[ItemOptions]) -> Iterator[ItemRecord]:
        """All items of a kind that match, newest first, page after page as they are asked for."""
        for item in self._pages(f"/gallery/{kind}s", item_fields(options)):
            yield read(ItemRecord, item)

    def item(self, kind: Kind, item_id: str) -> ItemRecord:
        return read(ItemRecord, self._get(f"/gallery/{kind}s/{item_id}"))

    def retag(self, kind: Kind, item_id: str, tags: Mapping[str, str]) -> ItemRecord:
        """Replace the tags of an item and of its tracks."""
        response = self._connection.request("PATCH", f"/gallery/{kind}s/{item_id}", json={"tags": dict(tags)})
        return read(ItemRecord, body_of(response))

    def erase(self, kind: Kind, item_id: str) -> Job:
        """Erase an item; the job's proof says, per place, whether it is done or pending."""
        return read(Job, body_of(self._connection.request("DELETE", f"/gallery/{kind}s/{item_id}")))

    def tracks(self, kind: Kind, item_id: str) -> list[TrackRecord]:
        return [read(TrackRecord, track) for track in self._pages(f"/gallery/{kind}s/{item_id}/tracks", {})]

    def track(self, track_id: str) -> TrackRecord:
        return read(TrackRecord, self._get(f"/gallery/tracks/{track_id}"))

    def thumbnail(self, track_id: str) -> bytes:
        """The track's picture, JPEG."""
        return self._connection.request("GET", f"/gallery/tracks/{track_id}/thumbnail").content

    def media(self, kind: Kind, item_id: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The bytes that were uploaded, or `length` of them from `start` on."""
        last = "" if length is None else start + length - 1
        headers = {} if start == 0 and length is None else {"Range": f"bytes={start}-{last}"}
        return self._connection.request("GET", f"/gallery/{kind}s/{item_id}/media", headers=headers).content

    # Queries

    def query_image(self, files: File | Sequence[File], **options: Unpack[QueryOptions]) -> QueryResult:
        """Ask with one or several pictures of one person; hits of both kinds unless `target` says otherwise."""
        return self._query("/query/image", files, options)

    def query_video(self, files: File | Sequence[File], **options: Unpack[QueryOptions]) -> QueryResult:
        """Ask with one or several clips of one person; hits of both kinds unless `target` says otherwise."""
        return self._query("/query/video", files, options)

    def similar(self, track_id: str, **options: Unpack[QueryOptions]) -> QueryResult:
        """Ask with a track that is already in the gallery."""
        return self._query(f"/query/tracks/{track_id}", [], options)

    # Work

    def job(self, job_id: str, *, wait: float = 0.0) -> Job:
        """A job as it stands, or, with `wait`, as it stands when it has finished or that many seconds have passed."""
        held = min(wait, LONGEST_WAIT_S)
        params = {"wait": held} if held > 0 else {}
        response = self._connection.request("GET", f"/jobs/{job_id}", params=params, server_wait_s=held)
        return read(Job, body_of(response))

    def wait_for(self, job_id: str, timeout_s: float = 300.0) -> Job:
        """The job once it is done. The service holds each answer back, so nothing spins here.

        Raises:
            VillsError: the job is dead (its own problem) or was cancelled (`job_cancelled`).
            TimeoutError: it is not finished after `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            job = self.job(job_id, wait=max(0.0, left))
            if job.state == "dead":
                raise VillsError.from_problem(job.error or {})
            if job.state == "cancelled":
                raise VillsError("job_cancelled", 409, f"job {job_id} was cancelled, so its item is gone")
            if job.finished:
                return job
            if left <= 0:
                raise TimeoutError(f"job {job_id} is still {job.state} after {timeout_s:g} s")

    def jobs(self, state: str = "dead") -> Iterator[Job]:
        """All jobs in a state."""
        for job in self._pages("/jobs", {"status": state}):
            yield read(Job, job)

    def retry_job(self, job_id: str) -> Job:
        """Queue a dead job again."""
        return read(Job, body_of(self._connection.request("POST", f"/jobs/{job_id}/retry", again=False)))

    def cancel_job(self, job_id: str) -> Job:
        return read(Job, body_of(self._connection.request("DELETE", f"/jobs/{job_id}", again=False)))

    # The service itself

    def version(self) -> Version:
        return read(Version, self._get("/version"))

    def ready(self) -> Readiness:
        """Whether queries are answered now; never retried."""
        response = self._connection.request("GET", "/readyz", again=False, accept=(503,))
        return read(Readiness, {**body_of(response), "ready": response.is_success})

    def metrics(self) -> str:
        """All samples in Prometheus's text format."""
        return self._connection.request("GET", "/metrics").text

    def _get(self, path: str) -> dict[str, Any]:
        return body_of(self._connection.request("GET", path))

    def _pages(self, path: str, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        params = {**fields, "limit": PAGE_ITEMS}
        while True:
            page = read(Page, body_of(self._connection.request("GET", path, params=params)))
            yield from page.items
            if not page.next_cursor:
                return
            params["cursor"] = page.next_cursor

    def _upload(
        self, path: str, file: File, wait: float | None, idempotency_key: str | None, options: UploadOptions
    ) -> Upload:
        deadline = time.monotonic() + (wait or 0.0)
        held = min(wait or 0.0, LONGEST_WAIT_S)
        response = self._connection.request(
            "POST",
            path,
            params={"wait": held} if held else {},
            fields=upload_fields(options),
            files=[file],
            headers={"Idempotency-Key": idempotency_key or uuid.uuid4().hex},
            server_wait_s=held,
        )
        upload = read(Upload, body_of(response))
        left = deadline - time.monotonic()
        if upload.searchable or left <= 0:
            return upload
        try:
            job = self.wait_for(upload.job_id, left)
        except TimeoutError:
            return upload
        return replace(upload, state=job.state, gallery_version=job.gallery_version)

    def _query(self, path: str, files: File | Sequence[File], options: QueryOptions) -> QueryResult:
        several = list(files) if isinstance(files, list | tuple) else [cast(File, files)]
        response = self._connection.request("POST", path, fields=query_fields(options), files=several)
        return read(QueryResult, body_of(response))
