"""Memory that a process has freed stays with it: Linux fills every page that it hands out anew with zeros.

The C library returns large blocks by default as soon as they are freed, and a network on a CPU asks for the same ones
at each step or batch again. Counted on one core: a training step of TKP spent a third of its time in the kernel, a
batch of `vills-light` a quarter. Both calls are for the whole process and stay; a process that trained goes on as one.
They are glibc's; with another C library nothing changes. What MALLOC_ variables of the environment say of the same
numbers is overruled.
"""

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4  # glibc's malloc.h
LARGEST_KEPT = 32 << 20  # bytes; every glibc takes this for its threshold
MOST_KEPT = 1 << 30  # bytes at the end of a heap; what lies below blocks in use stays, too
NEVER = -1


def keep_between_batches() -> None:
    """Keep freed blocks of up to 32 MiB, some 1 GiB of them: for encoders, beside which a gallery's arrays come and go.

    Those are larger and go back to the system at once, but in a process that trained. The
    padding is for threads: their heaps are smaller than a batch, and would be given back one by one as they empty.
    """
    _set(MMAP_THRESHOLD, LARGEST_KEPT)
    _set(TRIM_THRESHOLD, MOST_KEPT)
    _set(TOP_PAD, 2 * LARGEST_KEPT)


def keep_between_steps() -> None:
    """Keep all that was freed until the process ends: for training, whose steps fill the memory alike, one by one."""
    _set(MMAP_MAX, 0)
    _set(TRIM_THRESHOLD, NEVER)
    _set(TOP_PAD, 2 * LARGEST_KEPT)


def _set(what: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(what, value)
