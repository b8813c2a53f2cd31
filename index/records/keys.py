"""Every key of the store, in one place. The scripts get their names from here, too."""

from dataclasses import dataclass

# Of all spaces
SPACES = "vills:spaces"  # hash: space id -> JSON
ACTIVE_SPACE = "vills:space"  # string: the space that is written to and asked
API_KEYS = "vills:keys"  # hash: key id -> JSON, secrets hashed
PROCESSES = "vills:processes"  # sorted set: process name -> end of its life, ms
PROCESS = "vills:process:"  # + name: a process's report, expiring
REPLIES = "vills:replies:"  # + name: stream of answers to one api process
EVENTS = "vills:events"  # stream of notifications; nothing depends on one of them arriving

GROUP = "workers"

# Of one space, behind its prefix
NAMES = {
    "META": "meta",  # hash: seq, count, sum (16 hex digits), videos, images
    "LOG": "log",  # stream: the gallery log, entry ids are <seq>-0
    "ITEM": "item:",  # + id: hash
    "TRACK": "track:",  # + id: hash
    "ITEMS": "items:",  # + kind: sorted set of item ids, score 0, so in order of time
    "JOB": "job:",  # + id: hash
    "JOBS": "jobs:",  # + state: sorted set of job ids, score 0
    "INGEST": "ingest",  # stream of work
    "RETRY": "retry",  # sorted set: job id -> due, ms
    "QUERY": "query",  # stream of queries
    "SLOTS": "slots:",  # + ingest or query: sorted set: holder -> end of the reservation, ms
    "IDEMPOTENCY": "idempotency:",  # + owner:key: string, item id and body hash
    "ERASURES": "erasures",  # sorted set: erase job id -> log position
}


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names of one space. They share a slot of a cluster; the events of all spaces do not."""

    space_id: str

    @property
    def prefix(self) -> str:
        return f"vills:{{{self.space_id}}}:"

    def of(self, name: str, suffix: str = "") -> str:
        """The key that `name` (one of NAMES) stands for, with what follows it."""
        return f"{self.prefix}{NAMES[name]}{suffix}"
