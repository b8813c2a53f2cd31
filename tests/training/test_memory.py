"""Large tensors come in few large pages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
FAULTS = """
import resource, sys
import torch
from model.training.memory import use_huge_pages

if sys.argv[1] == "huge":
    use_huge_pages()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(1 << 24)  # 64 MiB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    inherited = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    run = subprocess.run([sys.executable, "-c", FAULTS, how], check=True, capture_output=True, text=True, env=inherited)
    return int(run.stdout)


def test_large_tensors_lie_on_huge_pages() -> None:
    if not HUGE_PAGES.is_file() or "[madvise]" not in HUGE_PAGES.read_text():
        pytest.skip("this system gives huge pages to all or to nobody")
    assert page_faults("usual") > 4 * page_faults("huge")
