"""What the client raises when the service refuses, cannot be reached, or a job has failed."""

from collections.abc import Mapping
from typing import Any

import httpx


class VillsError(Exception):
    """One refused call: the problem (RFC 9457) the service answered with, as fields.

    `status` is 0 when no answer came at all (`code` is then `unreachable`) or none that can be read
    (`unreadable_answer`). `problem` is the whole body.
    """

    def __init__(
        self,
        code: str,
        status: int,
        detail: str,
        *,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{detail} ({code}, HTTP {status})" if status else detail)
        self.code = code
        self.status = status
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.problem = dict(problem or {})

    @classmethod
    def from_response(cls, response: httpx.Response) -> "VillsError":
        """The error a response outside 2xx stands for; `http_error` where the body is no problem of ours."""
        body = _problem(response)
        return cls(
            str(body.get("code", "http_error")),
            response.status_code,
            str(body.get("detail") or f"{response.request.url} answered {response.status_code}"),
            request_id=response.headers.get("x-request-id") or body.get("request_id"),
            retry_after_s=_seconds(response.headers.get("retry-after")),
            problem=body,
        )

    @classmethod
    def from_problem(cls, problem: Mapping[str, Any]) -> "VillsError":
        """The error a dead job carries."""
        return cls(
            str(problem.get("code", "job_failed")),
            int(problem.get("status", 500)),
            str(problem.get("detail", "the job failed")),
            problem=problem,
        )


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; None when absent, or a date (which this service never sends)."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
