"""Everything that can be refused without the body is refused before a byte of it is read."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from index.records.ids import new_id
from service.api.keyring import KeyRing, check_scope
from service.api.policy import Body, Policy, Slots
from service.api.uploads import too_large
from service.api.visit import Visit, visit_of
from service.errors import Problem

_MEDIA_TYPES: Final[Mapping[Body, tuple[str, ...]]] = {
    "none": (),
    "multipart": ("multipart/form-data",),
    "form": ("multipart/form-data", "application/x-www-form-urlencoded"),
    "json": ("application/json",),
}


class SlotKeeper(Protocol):
    """Hands out slots, and says how many bytes a body that comes with one may have."""

    def limit_bytes(self, slots: Slots | None) -> int: ...

    async def reserve(self, slots: Slots, slot_id: str) -> None: ...

    async def release(self, slots: Slots, slot_id: str) -> None: ...


class Admission:
    """Key, scope, length, content type and slot, in this order; then the route; then the slot back."""

    def __init__(self, app: ASGIApp, keyring: KeyRing, slots: SlotKeeper) -> None:
        self.app = app
        self._keyring = keyring
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = visit_of(scope).policy if scope["type"] == "http" else None
        if policy is None:  # no such route or method: the router says so
            await self.app(scope, receive, send)
            return
        visit = visit_of(scope)
        headers = Headers(scope=scope)
        if policy.scopes:
            visit.caller = await self._keyring.caller(headers)
            check_scope(visit.caller, policy.scopes)
        self._check_body(policy, headers)
        await self._with_slot(policy, visit, lambda: self.app(scope, receive, send))

    def _check_body(self, policy: Policy, headers: Headers) -> None:
        length = headers.get("content-length")
        limit = self._slots.limit_bytes(policy.slots)
        if length is not None and length.isdecimal() and int(length) > limit:
            raise too_large(limit, length, policy)
        has_body = length not in (None, "0") or "transfer-encoding" in headers
        if not has_body and policy.body == "form":
            return
        wanted = _MEDIA_TYPES[policy.body]
        found = headers.get("content-type", "").partition(";")[0].strip().lower()
        if wanted and found not in wanted:
            raise Problem(
                415,
                "unsupported_media_type",
                f"the body is {found[:100] or 'of no declared type'!r} and must be {' or '.join(wanted)}",
                supported=list(wanted),
            )

    async def _with_slot(self, policy: Policy, visit: Visit, answer: Callable[[], Awaitable[None]]) -> None:
        if policy.slots is None:
            await answer()
            return
        visit.slot_id = new_id()
        await self._slots.reserve(policy.slots, visit.slot_id)
        try:
            await answer()
        finally:
            if not visit.keeps_slot:
                await self._slots.release(policy.slots, visit.slot_id)
