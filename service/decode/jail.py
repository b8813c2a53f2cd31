"""What a decoder child denies itself before it opens the first file. Linux only."""

import ctypes
import fcntl
import os
import resource
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
OPEN_FILES = 16
PIPE_BYTES = 1 << 20


def die_with(parent_pid: int) -> None:
    """End this process when its parent ends, however that happens, also in the middle of a decode."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the line above
        sys.exit(0)


def limit(memory_bytes: int) -> None:
    """No more memory than `memory_bytes` of address space; no core dumps, and no files written.

    RLIMIT_NPROC is left alone: it counts all threads of the user, root's excepted, and FFmpeg starts some.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def leave_signals_to_parent() -> None:
    """A Ctrl-C or SIGTERM for the whole group must not end a child while its parent still drains."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def claim_output() -> int:
    """The pipe to the parent as a descriptor nobody else knows; what libraries print goes to standard error."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    with suppress(OSError):  # the system may allow less; then writing takes more turns
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return pipe


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")
