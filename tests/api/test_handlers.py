"""Every error of the libraries has an answer."""

import errno
import os
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from index.errors import GalleryError
from service.api.handlers import TABLE, problem_of, problem_response
from service.api.middleware.errors import Errors
from service.decode.errors import MediaError
from service.errors import Problem


def leaves(error: type[Exception]) -> Iterator[type[Exception]]:
    for child in error.__subclasses__():
        yield child
        yield from leaves(child)


@pytest.mark.parametrize("family", [GalleryError, MediaError])
def test_no_error_is_forgotten(family: type[Exception]) -> None:
    known = [error for error in leaves(family) if error.__module__.startswith(("index.", "service."))]
    assert known
    assert not [error.__name__ for error in known if error not in TABLE]


def test_media_errors_keep_the_status_and_code_of_their_class() -> None:
    for error, row in TABLE.items():
        if issubclass(error, MediaError):
            assert row == (error.status, error.code)


def test_a_problem_carries_its_members_and_whole_seconds() -> None:
    problem = Problem(429, "ingest_queue_full", "all 3 slots are taken", retry_after_s=1.2, limit=3)
    response = problem_response(problem, "abc")
    assert response.headers["retry-after"] == "2"
    assert b'"limit":3' in response.body
    assert b'"request_id":"abc"' in response.body


def test_what_is_unknown_is_not_guessed() -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    assert problem_of(RuntimeError("what?"), request) is None
    full = problem_of(OSError(28, "No space left on device"), request)
    assert full is not None
    assert (full.status, full.code) == (503, "storage_full")
    assert full.retry_after_s  # bug: a full disk was the one 503 without Retry-After
    assert Errors.__doc__


# Bug: a media folder that is read-only, somebody else's or on a broken disk was an unforeseen 500.
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
def test_a_media_folder_that_cannot_be_used_is_named_with_its_cure(number: int) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    problem = problem_of(OSError(number, os.strerror(number), "/secret/folder"), request)
    assert problem is not None
    assert (problem.status, problem.code) == (503, "storage_unavailable")
    assert problem.retry_after_s
    assert os.strerror(number) in problem.detail
    assert "writable" in problem.detail
    assert "secret" not in problem.detail
