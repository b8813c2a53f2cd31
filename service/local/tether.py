"""Runs a program that must not outlive the process that starts it: `python tether.py PARENT_PID PROGRAM ARGUMENTS`.

A file of its own, run before the program and replaced by it, because the kernel keeps the wish (PR_SET_PDEATHSIG)
across `execve`, and setting it between fork and exec of a threaded Python process is not safe. It is tied to the
*thread* that forked: start a tethered program from a thread that lives as long as the program should.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have died between its fork and the call above: then no signal will ever come.
    if os.getppid() != parent:
        sys.exit(f"process {parent}, which started this one, is gone")
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
