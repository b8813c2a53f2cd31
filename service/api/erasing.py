"""The api's share of an erasure: files go at once, and the proof says so."""

import asyncio

from index.records.job import Job
from service.api.records import Records
from service.media import MediaStore


async def erase_files(media: MediaStore, records: Records, erasure: Job) -> Job:
    """Remove what the media store holds of an erased item; the erase job as it stands then.

    Should this process die here, a worker finishes what the proof still calls pending.
    """
    # Original and thumbnails lie below one prefix.
    await asyncio.to_thread(media.delete_tree, f"{records.space.id}/{erasure.item_id}")
    for place in ("media", "thumbnails"):
        await records.erasure.mark(erasure.id, place)
    return await records.jobs.get(erasure.id)
