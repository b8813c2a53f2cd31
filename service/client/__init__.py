"""The Python client: `VillsClient`, the records it answers with and the one error it raises."""

from service.client.answers import Hit, ItemRecord, Job, QueryResult, Readiness, TrackRecord, Upload, Version
from service.client.client import VillsClient
from service.client.connection import File
from service.client.errors import VillsError

__all__ = [
    "File",
    "Hit",
    "ItemRecord",
    "Job",
    "QueryResult",
    "Readiness",
    "TrackRecord",
    "Upload",
    "Version",
    "VillsClient",
    "VillsError",
]
