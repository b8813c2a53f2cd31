"""Uploading many files: one refused file does not keep the others out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.client import Upload, VillsClient, VillsError
from service.client.options import UploadOptions
from service.commands.media_files import MediaFile


@dataclass(slots=True)
class Outcome:
    """What became of the files."""

    accepted: int = 0
    searchable: int = 0
    refused: list[tuple[Path, str]] = field(default_factory=list)


def add_files(
    client: VillsClient,
    files: Sequence[MediaFile],
    options: UploadOptions,
    *,
    wait_s: float,
    step: Callable[[], None],
) -> Outcome:
    """Upload all files, then wait for them, `wait_s` seconds together at most (0: not at all).

    `step` is called once for each upload and, when waiting, once for each job.

    Raises:
        VillsError: the service is not there, or the key does not allow it; then no file can fare better.
    """
    outcome = Outcome()
    uploads: list[tuple[Path, Upload]] = []
    for file in files:
        try:
            send = client.upload_video if file.kind == "video" else client.upload_image
            uploads.append((file.path, send(file.path, **options)))
        except VillsError as error:
            if error.status in (0, 401, 403):
                raise
            outcome.refused.append((file.path, error.detail))
        step()
    outcome.accepted = len(uploads)
    if wait_s > 0:
        _wait(client, uploads, time.monotonic() + wait_s, outcome, step)
    return outcome


def _wait(
    client: VillsClient,
    uploads: Sequence[tuple[Path, Upload]],
    deadline: float,
    outcome: Outcome,
    step: Callable[[], None],
) -> None:
    for path, upload in uploads:
        try:
            client.wait_for(upload.job_id, max(0.0, deadline - time.monotonic()))
            outcome.searchable += 1
        except TimeoutError:
            pass  # counted as not yet searchable
        except VillsError as error:
            outcome.refused.append((path, error.detail))
        step()
