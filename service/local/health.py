"""How the processes of this machine are, for the health checks of containers. Each check: None, or what is wrong."""

import socket

from redis.asyncio import Redis

from index.errors import GalleryError
from index.records.connection import connect, durability
from index.records.processes import Processes
from service.client.connection import Connection
from service.client.errors import VillsError
from service.local.address import store_address
from service.local.errors import LocalError
from service.local.ports import reachable_url
from service.settings import Settings

ANSWER_WITHIN_S = 4.0


def check_api(settings: Settings, *, ready: bool) -> str | None:
    """The api on the settings' port lives; with `ready`, it answers queries."""
    url = reachable_url(settings.host, settings.port)
    connection = Connection(url, timeout_s=ANSWER_WITHIN_S, retry_for_s=0.0)
    try:
        connection.request("GET", "/readyz" if ready else "/healthz", again=False)
    except VillsError as error:
        return error.detail
    finally:
        connection.close()
    return None


async def check_worker(settings: Settings) -> str | None:
    """A worker of this host has reported itself, and as ready; reports expire by themselves."""
    host = socket.gethostname()
    try:
        redis = await connect(store_address(settings))
        try:
            reports = await Processes(redis).all()
        finally:
            await redis.aclose()
    except (GalleryError, LocalError) as error:
        return str(error)
    mine = [report for report in reports if report.role == "worker" and report.name.startswith(f"worker-{host}-")]
    if not mine:
        return f"no worker of {host} has reported itself in the last seconds"
    return None if any(report.ready for report in mine) else f"{mine[0].name} reports that it is not ready"


async def check_store(settings: Settings) -> str | None:
    """The store answers and confirms writes only when they are on disk."""
    try:
        redis: Redis = await connect(store_address(settings))
        try:
            found = await durability(redis)
        finally:
            await redis.aclose()
    except (GalleryError, LocalError) as error:
        return str(error)
    return None if found.durable else found.reason
