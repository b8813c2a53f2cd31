"""Who may do what: one line a route. Read by the middleware before a byte of the body is read.

A route that is missing here keeps the api from starting, so nothing is ever open by forgetting.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from starlette.routing import compile_path

Body = Literal["none", "multipart", "form", "json"]
Slots = Literal["ingest", "query"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Scopes of which one is needed (none: public), the body expected, and the slots it takes one of."""

    scopes: tuple[str, ...] = ()
    body: Body = "none"
    slots: Slots | None = None


_PUBLIC: Final = Policy()
_READ: Final = Policy(("query",))
_ASK: Final = Policy(("query",), "multipart", "query")
_UPLOAD: Final = Policy(("ingest",), "multipart", "ingest")
_JOB: Final = Policy(("ingest", "erase"))

POLICIES: Final[dict[tuple[str, str], Policy]] = {
    ("POST", "/gallery/videos"): _UPLOAD,
    ("POST", "/gallery/images"): _UPLOAD,
    ("GET", "/gallery/videos"): _READ,
    ("GET", "/gallery/images"): _READ,
    ("GET", "/gallery/videos/{item_id}"): _READ,
    ("GET", "/gallery/images/{item_id}"): _READ,
    ("PATCH", "/gallery/videos/{item_id}"): Policy(("ingest",), "json"),
    ("PATCH", "/gallery/images/{item_id}"): Policy(("ingest",), "json"),
    ("DELETE", "/gallery/videos/{item_id}"): Policy(("erase",)),
    ("DELETE", "/gallery/images/{item_id}"): Policy(("erase",)),
    ("GET", "/gallery/videos/{item_id}/media"): _READ,
    ("GET", "/gallery/images/{item_id}/media"): _READ,
    ("GET", "/gallery/videos/{item_id}/tracks"): _READ,
    ("GET", "/gallery/images/{item_id}/tracks"): _READ,
    ("GET", "/gallery/tracks/{track_id}"): _READ,
    ("GET", "/gallery/tracks/{track_id}/thumbnail"): _READ,
    ("POST", "/query/image"): _ASK,
    ("POST", "/query/video"): _ASK,
    ("POST", "/query/tracks/{track_id}"): Policy(("query",), "form", "query"),
    ("GET", "/jobs"): _JOB,
    ("GET", "/jobs/{job_id}"): _JOB,
    ("POST", "/jobs/{job_id}/retry"): Policy(("admin",)),
    ("DELETE", "/jobs/{job_id}"): _JOB,
    ("GET", "/healthz"): _PUBLIC,
    ("GET", "/readyz"): _PUBLIC,
    ("GET", "/metrics"): _PUBLIC,
    ("GET", "/version"): _PUBLIC,
    ("GET", "/docs"): _PUBLIC,
    ("GET", "/openapi.json"): _PUBLIC,
}


class PolicyTable:
    """Finds the route template and the policy of a request by method and path."""

    def __init__(self, policies: dict[tuple[str, str], Policy]) -> None:
        by_template: dict[str, dict[str, Policy]] = {}
        for (method, template), policy in policies.items():
            by_template.setdefault(template, {})[method] = policy
        self._plain = {template: methods for template, methods in by_template.items() if "{" not in template}
        self._patterns: list[tuple[re.Pattern[str], str, dict[str, Policy]]] = [
            (compile_path(template)[0], template, methods)
            for template, methods in by_template.items()
            if "{" in template
        ]

    def find(self, method: str, path: str) -> tuple[str, Policy | None]:
        """The template that matches the path (`unmatched`: none), and the policy (None: no such method there)."""
        method = "GET" if method == "HEAD" else method
        if path in self._plain:
            return path, self._plain[path].get(method)
        for pattern, template, methods in self._patterns:
            if pattern.match(path):
                return template, methods.get(method)
        return "unmatched", None


def check_complete(routes: Iterable[tuple[str, str]]) -> None:
    """Make sure that every (method, template) has a line in POLICIES, and the other way round.

    Raises:
        RuntimeError: naming the routes without a policy and the policies without a route.
    """
    have = {(method, template) for method, template in routes if method != "HEAD"}
    if have != set(POLICIES):
        raise RuntimeError(
            f"routes without a policy: {sorted(have - set(POLICIES))}; "
            f"policies without a route: {sorted(set(POLICIES) - have)}: bring service/api/policy.py in step"
        )
