"""What is known of one request while it travels through the middleware."""

import time
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Scope

from index.records.api_keys import ApiKey
from service.api.policy import Policy

_KEY = "vills.visit"


@dataclass(slots=True)
class Visit:
    """One request: its id, the route it asks for, who asks, and the slot that was reserved for it."""

    request_id: str
    route: str = "unmatched"  # the route's template, never the raw path
    policy: Policy | None = None
    caller: ApiKey | None = None  # None: the api is open
    slot_id: str | None = None
    keeps_slot: bool = False  # an accepted upload: its slot lives on until the job ends
    started: float = field(default_factory=time.perf_counter)
    note: dict[str, Any] = field(default_factory=dict)  # more members of the access log's line

    @property
    def caller_id(self) -> str:
        """Id of the key, or `open` where the api asks for none."""
        return self.caller.id if self.caller else "open"

    @property
    def reserved(self) -> str:
        """Id of the slot reserved before the body was read; it is the id of the item or query to come."""
        assert self.slot_id is not None, "this route's policy reserves no slot"
        return self.slot_id


def begin_visit(scope: Scope, request_id: str) -> Visit:
    """Start the record of a request."""
    visit = Visit(request_id)
    scope[_KEY] = visit
    return visit


def visit_of(scope: Scope) -> Visit:
    """The record that the outermost middleware started."""
    visit: Visit = scope[_KEY]
    return visit
