"""The one table from errors to answers. Whatever goes wrong below leaves the api as a problem of RFC 9457."""

import errno
from typing import Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from index import errors as gallery
from service.api.answers import ProblemJson
from service.api.forms import field_problem
from service.decode import errors as media
from service.errors import Problem

# error -> (status, code). A subclass without a line of its own is found by a test.
TABLE: Final[dict[type[Exception], tuple[int, str]]] = {
    gallery.StoreUnavailable: (503, "store_unavailable"),
    gallery.NotDurable: (503, "not_durable"),
    gallery.NoSpace: (503, "no_worker"),
    gallery.SpaceMismatch: (503, "space_mismatch"),
    gallery.NotFound: (404, "not_found"),
    gallery.IdempotencyConflict: (409, "idempotency_conflict"),
    gallery.JobNotRetryable: (409, "job_not_retryable"),
    gallery.LogGap: (503, "index_not_ready"),
    gallery.ChecksumMismatch: (503, "index_not_ready"),
    gallery.SnapshotDamaged: (503, "index_not_ready"),
    media.EmptyFile: (415, "media_empty"),
    media.UnsupportedMedia: (415, "media_unsupported"),
    media.WrongKind: (415, "media_wrong_kind"),
    media.DamagedMedia: (422, "media_damaged"),
    media.BadBox: (422, "bad_box"),
    media.TooManyPixels: (413, "too_many_pixels"),
    media.TooManyFrames: (413, "too_many_frames"),
    media.TooManyStreams: (413, "too_many_streams"),
    media.TooLong: (413, "too_long"),
    media.DecodeTooSlow: (422, "decode_too_slow"),
    media.DecoderFailed: (422, "decoder_failed"),
    media.DecoderUnavailable: (503, "decoder_unavailable"),
}

RETRY_AFTER_S: Final = 1.0
STORAGE_RETRY_AFTER_S: Final = 30.0  # somebody has to free room or mend a disk: sooner is of no use
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNUSABLE: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})
_HTTP_CODES: Final = {404: "not_found", 405: "method_not_allowed"}
_HTTP_DETAILS: Final = {
    404: "nothing is at {path}: /docs lists the routes",
    405: "{method} is not for {path}: the Allow header names the methods that are",
}


def problem_of(error: Exception, request: Request) -> Problem | None:
    """The problem an error is answered with, or None for one nobody foresaw."""
    if isinstance(error, Problem):
        return error
    if type(error) in TABLE:
        status, code = TABLE[type(error)]
        return Problem(status, code, str(error), retry_after_s=RETRY_AFTER_S if status == 503 else None)
    if isinstance(error, RequestValidationError | ValidationError):
        return field_problem(list(error.errors()))
    if isinstance(error, HTTPException):
        return _http_problem(error, request)
    return _storage_problem(error) if isinstance(error, OSError) else None


def _storage_problem(error: OSError) -> Problem | None:
    """The problem of a media folder that is full or cannot be used. It never names the folder: that is the log's."""
    if error.errno in _FULL:
        code, detail = "storage_full", "the media store has no room left: free some, then try again"
    elif error.errno in _UNUSABLE:
        code = "storage_unavailable"
        detail = (
            f"the media store cannot be used ({error.strerror or errno.errorcode[error.errno]}): "
            "make its folder readable and writable for the service, on a sound disk, then try again"
        )
    else:
        return None
    return Problem(503, code, detail, retry_after_s=STORAGE_RETRY_AFTER_S)


def _http_problem(error: HTTPException, request: Request) -> Problem:
    detail = _HTTP_DETAILS.get(error.status_code, str(error.detail))
    return Problem(
        error.status_code,
        _HTTP_CODES.get(error.status_code, "http_error"),
        detail.format(path=request.url.path[:200], method=request.method),
        headers=error.headers,
    )


def problem_response(problem: Problem, request_id: str) -> ProblemJson:
    """The response that carries a problem."""
    headers = dict(problem.headers)
    if problem.retry_after_s is not None:
        # Whole seconds, rounded up: the header knows no fractions and 0 would invite a storm.
        headers["Retry-After"] = str(max(1, -(-int(problem.retry_after_s * 1000) // 1000)))
    return ProblemJson({**problem.body(), "request_id": request_id}, problem.status, headers)


async def pass_on(_: Request, error: Exception) -> Response:
    """Handler for the framework's own errors: they leave through the middleware like all others."""
    raise error
