"""API keys: scopes, and a secret that is nowhere stored."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import orjson
from redis.asyncio import Redis

from index.records.connection import BytesRedis, answered
from index.records.keys import API_KEYS

Scope = Literal["query", "ingest", "admin", "erase"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "vills"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `admin` includes every other scope."""

    id: str
    name: str
    scopes: frozenset[str]
    created_ms: int

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


class ApiKeys:
    """The keys of the whole service."""

    def __init__(self, redis: Redis) -> None:
        self._redis: BytesRedis = redis

    async def create(self, name: str, scopes: Sequence[str]) -> tuple[ApiKey, str]:
        """Make a key; the key and its token, which nobody can ever read again.

        Raises:
            ValueError: a scope that there is not, or none.
        """
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ValueError(f"a key needs scopes out of {', '.join(SCOPES)}, got {', '.join(scopes) or 'none'}")
        key = ApiKey(secrets.token_hex(6), name, frozenset(scopes), int(time.time() * 1000))
        secret = secrets.token_urlsafe(32)
        record = {"name": name, "scopes": sorted(key.scopes), "created_ms": key.created_ms, "hash": _digest(secret)}
        with answered():
            await self._redis.hset(API_KEYS, key.id, orjson.dumps(record))
        return key, f"{PREFIX}_{key.id}_{secret}"

    async def verify(self, token: str) -> ApiKey | None:
        """The key that this token belongs to; None when there is none."""
        prefix, _, rest = token.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not key_id or not secret:
            return None
        with answered():
            record = await self._redis.hget(API_KEYS, key_id)
        if record is None or not hmac.compare_digest(orjson.loads(record)["hash"], _digest(secret)):
            return None
        return _key(key_id, record)

    async def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        with answered():
            records = await self._redis.hgetall(API_KEYS)
        keys = [_key(key_id.decode(), record) for key_id, record in records.items()]
        return sorted(keys, key=lambda key: (key.created_ms, key.id))

    async def any(self) -> bool:
        """Whether there is any key at all."""
        with answered():
            return bool(await self._redis.hlen(API_KEYS))

    async def revoke(self, key_id: str) -> bool:
        """Take a key away; False when there was none."""
        with answered():
            return bool(await self._redis.hdel(API_KEYS, key_id))


def _digest(secret: str) -> str:
    # 256 random bits cannot be guessed from their digest, so one round is enough.
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(key_id: str, record: bytes) -> ApiKey:
    values = orjson.loads(record)
    return ApiKey(key_id, values["name"], frozenset(values["scopes"]), values["created_ms"])
