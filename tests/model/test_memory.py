"""What was freed stays with the process, and what was too large for that goes back."""

import ctypes
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="not glibc")

FAULTS = """
import ctypes, resource, sys, threading
from model import memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: faults are counted by usual pages

how, blocks, mebibytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if how != "usual":
    getattr(memory, how)()


def ask_again():
    for _ in range(8):  # the first ones settle where blocks lie
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        [b"x" * (mebibytes << 20) for _ in range(blocks)]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


if sys.argv[4] == "main":
    ask_again()
else:
    thread = threading.Thread(target=ask_again)
    thread.start()
    thread.join()
"""

RESIDENT = """
import resource
from model.memory import keep_between_batches


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20


keep_between_batches()
array = b"x" * (256 << 20)
full = resident()
del array
print(full - resident())
"""


def printed(script: str, *arguments: str) -> int:
    inherited = {name: value for name, value in os.environ.items() if "MALLOC" not in name and name != "GLIBC_TUNABLES"}
    command = [sys.executable, "-c", script, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=inherited).stdout)


@pytest.mark.parametrize(
    ("how", "blocks", "mebibytes", "thread"),
    [
        ("keep_between_batches", "8", "20", "main"),
        ("keep_between_batches", "8", "20", "another"),  # a worker encodes on one
        ("keep_between_steps", "3", "64", "main"),
    ],
)
def test_blocks_asked_for_again_are_not_filled_with_zeros_again(
    how: str, blocks: str, mebibytes: str, thread: str
) -> None:
    usual, kept = (printed(FAULTS, each, blocks, mebibytes, thread) for each in ("usual", how))
    assert usual > 10_000 > 100 > kept


def test_what_is_larger_than_any_batch_goes_back() -> None:
    assert printed(RESIDENT) >= 250
