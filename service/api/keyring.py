"""Who is asking: API keys, looked up in the store and remembered for two seconds."""

import hashlib
import os
import time
from pathlib import Path
from typing import Final

import structlog
from starlette.datastructures import Headers

from index.records.api_keys import ApiKey, ApiKeys
from service.errors import Problem

logger = structlog.get_logger(__name__)

REMEMBERED_S: Final = 2.0  # so a revoked key works for at most this long
_MOST_REMEMBERED: Final = 1024
_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


class KeyRing:
    """Decides who a request comes from.

    On loopback, as long as there is no key, the api is open to programs of this machine. As soon as there is one,
    and always beyond loopback, every request that is not public needs a key.
    """

    def __init__(self, keys: ApiKeys, *, loopback_only: bool) -> None:
        self._keys = keys
        self._loopback_only = loopback_only
        self._known: dict[bytes, tuple[float, ApiKey]] = {}
        self._open: tuple[float, bool] = (-REMEMBERED_S, False)

    async def caller(self, headers: Headers) -> ApiKey | None:
        """The key of a request; None where the api is open.

        Raises:
            Problem: 401 without a valid key, 403 for a web page of another site that reaches an open api.
        """
        token = _token(headers)
        if await self._is_open():
            _only_local_programs(headers)
            return None
        key = await self._verify(token) if token else None
        if key is None:
            raise _unauthorised(token)
        return key

    async def _is_open(self) -> bool:
        if not self._loopback_only:
            return False
        since, is_open = self._open
        now = time.monotonic()
        if now - since >= REMEMBERED_S:
            is_open = not await self._keys.any()
            self._open = (now, is_open)
        return is_open

    async def _verify(self, token: str) -> ApiKey | None:
        digest = hashlib.sha256(token.encode()).digest()
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known[0] < REMEMBERED_S:
            return known[1]
        self._known.pop(digest, None)
        key = await self._keys.verify(token)
        if key is not None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = (now, key)
        return key


def check_scope(key: ApiKey | None, scopes: tuple[str, ...]) -> None:
    """Make sure that a key has one of the scopes; `admin` has them all.

    Raises:
        Problem: 403 naming the scope.
    """
    if key is None or not scopes or any(key.allows(scope) for scope in scopes):
        return
    have = ", ".join(sorted(key.scopes)) or "none"
    raise Problem(
        403,
        "missing_scope",
        f"this needs the scope {' or '.join(scopes)} and the key {key.id} has {have}: use another key",
        scopes=list(scopes),
    )


async def make_first_key(keys: ApiKeys, folder: Path) -> None:
    """Make one admin key, print it once and keep it in `admin.key`, readable by the owner alone."""
    key, token = await keys.create("first admin", ["admin"])
    path = folder / "admin.key"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    # The one time it is shown; the store has only its hash.
    print(f"admin key (also in {path}): {token}", flush=True)  # noqa: T201
    logger.warning("made the first admin key", key=key.id, path=str(path))


def _token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key")


def _unauthorised(token: str | None) -> Problem:
    found = "the request has none" if token is None else "the one given is unknown or revoked"
    return Problem(
        401,
        "unauthorised",
        f"an API key is needed and {found}: send one as `Authorization: Bearer KEY` (`vills keys` makes them)",
        headers={"WWW-Authenticate": 'Bearer realm="vills"'},
    )


def _only_local_programs(headers: Headers) -> None:
    # Without keys, what protects the gallery is that only this machine reaches it. A browser would lend that to any
    # page: by a cross-site form, or by a foreign name that is made to resolve to loopback.
    host = headers.get("host", "localhost")
    name = host if host.endswith("]") or (host.count(":") > 1 and "]" not in host) else host.rsplit(":", 1)[0]
    if name.lower() not in _LOOPBACK_NAMES:
        raise Problem(
            403,
            "untrusted_host",
            f"without API keys this service answers only to loopback names, and the request asks for {host[:100]!r}: "
            "use http://127.0.0.1, or make a key with `vills keys`",
        )
    if headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise Problem(
            403,
            "cross_site",
            "without API keys this service does not answer pages of other sites: make a key with `vills keys`",
        )
