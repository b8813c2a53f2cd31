"""Responses built as plain dictionaries and written by orjson: no model is validated on the way out."""

from typing import Any

import orjson
from starlette.responses import Response


class Json(Response):
    """A JSON body out of plain values."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class ProblemJson(Json):
    """A body of RFC 9457."""

    media_type = "application/problem+json"
