"""Which spaces there are, and which one is written to and asked."""

from redis.asyncio import Redis

from index.errors import NoSpace, SpaceMismatch
from index.records.connection import BytesRedis, answered
from index.records.keys import ACTIVE_SPACE, SPACES, Keys
from index.records.scripting import Scripts
from index.records.streams import make_group
from index.space import Space

FORGOTTEN_AFTER_MS = 3_600_000  # a live worker reads every few seconds


class Spaces:
    """The register of spaces."""

    def __init__(self, redis: Redis) -> None:
        self._redis: BytesRedis = redis

    async def register(self, space: Space, *, activate_new: bool) -> None:
        """Make a space known, with its streams; the first one becomes the active one.

        Raises:
            SpaceMismatch: another space is active, and `activate_new` was not given.
        """
        with answered():
            await self._redis.set(ACTIVE_SPACE, space.id, nx=True)
            active = (await self._redis.get(ACTIVE_SPACE)).decode()
            if active != space.id and not activate_new:
                raise SpaceMismatch(
                    f"the gallery holds embeddings of the space {active}, and this encoder's space is {space.id}: "
                    "set VILLS_ENCODER and VILLS_WEIGHTS back, or start with --new-space (VILLS_NEW_SPACE=true) "
                    "to open a new, empty gallery beside the old one"
                )
            await self._redis.hset(SPACES, space.id, space.to_json())
            keys = Keys(space.id)
            for stream in (keys.of("INGEST"), keys.of("QUERY")):
                await make_group(self._redis, stream)
            if active != space.id:
                await self._redis.set(ACTIVE_SPACE, space.id)
        await Scripts(self._redis, keys).run("forget", FORGOTTEN_AFTER_MS)

    async def active(self) -> Space:
        """The space in use. Raises NoSpace: no worker has registered one yet."""
        with answered():
            active = await self._redis.get(ACTIVE_SPACE)
            record = None if active is None else await self._redis.hget(SPACES, active)
        if record is None:
            raise NoSpace("no worker has registered an encoder yet: start a worker and wait for /readyz")
        return Space.from_json(record)
