"""Errors a client sees, as problems of RFC 9457.

Problem                 status  code (stable)
├─ everything the api answers with is a Problem; `service/api/handlers.py` maps the
└─ libraries' errors (`index.errors`, `service.decode.errors`) onto it, and a test walks all of them.
"""

from collections.abc import Mapping
from typing import Any


class Problem(Exception):
    """One refused request: a stable `code`, the rule, the value found and the cure.

    `detail` is a sentence that names rule, value and cure. `fields` are extra members of the JSON body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        self.fields = fields

    def body(self) -> dict[str, Any]:
        """The members of the `application/problem+json` body."""
        title = self.code.replace("_", " ")
        return {
            "type": f"urn:vills:problem:{self.code}",
            "title": title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.fields,
        }
