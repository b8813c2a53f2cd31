"""Everything a request may need, built once in `build` and handed to the app."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from redis.asyncio import Redis
from starlette.requests import Request

from index.records.connection import Durability
from service.api.board import Board
from service.api.keyring import KeyRing
from service.api.records import ActiveRecords, Records
from service.api.searching import Searcher
from service.api.slots import SlotKeeper
from service.api.storing import Storer
from service.api.waiting import Waiter
from service.api.workers import Workers
from service.decode.pool import DecoderPool
from service.media import MediaStore
from service.metrics import ApiMetrics
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The api process, taken apart."""

    settings: Settings
    process: str
    redis: Redis
    durability: Durability
    keyring: KeyRing
    active: ActiveRecords
    workers: Workers
    slots: SlotKeeper
    media: MediaStore
    decoders: DecoderPool
    board: Board
    waiter: Waiter
    searcher: Searcher
    storer: Storer
    metrics: ApiMetrics


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def _records(request: Request) -> Records:
    parts: Parts = request.app.state.parts
    return await parts.active.get()


PartsOf = Annotated[Parts, Depends(_parts)]
RecordsOf = Annotated[Records, Depends(_records)]
