"""What tells one selection of pictures from all others."""

import hashlib
from collections.abc import Sequence

from model.data.records import Picture


def digest_of(parts: Sequence[Sequence[Picture]]) -> str:
    """Of pictures by their names and all that is said of them, part by part; what they show is not looked at."""
    digest = hashlib.sha256()
    for part in parts:
        for each in part:
            name = each.path.parent.name, each.path.name
            digest.update(repr((*name, each.person, each.camera, each.track, each.frame, each.known)).encode())
        digest.update(b"\n")
    return digest.hexdigest()[:16]
