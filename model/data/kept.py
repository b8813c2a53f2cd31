"""Arrays computed once and kept in a cache folder: whole or not at all, written by one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.data.errors import DamagedCache


@contextmanager
def to_write(target: Path) -> Iterator[Path | None]:
    """Where to write what `target` shall be, and at the end of the block is; None where it is there already.

    Who comes while another process writes waits for it. The lock is on the unfinished file, and gone with its writer.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_suffix(".part.npy")
    with beside.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if target.exists():
            beside.unlink(missing_ok=True)
            yield None
            return
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(target)


def kept_array(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike, *, mapped: bool = False) -> npt.NDArray[Any]:
    """The array in a file of the cache, mapped from disk on request.

    Raises:
        DamagedCache: it is cut off, or no array of that shape and type.
    """
    try:
        found = np.load(path, mmap_mode="r" if mapped else None)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedCache(f"{path} in the cache cannot be read ({error}): delete it, it is made anew") from error
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != dtype:
        kind = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "no array"
        raise DamagedCache(
            f"{path} in the cache is {kind} and not {np.dtype(dtype)} {shape}: delete it, it is made anew"
        )
    return found
