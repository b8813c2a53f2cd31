"""Large tensors on huge pages: a step on a CPU asks for gigabytes, which the kernel fills with zeros page by page."""

import os


def use_huge_pages() -> None:
    """Let torch ask Linux for pages of 2 MiB; call it before torch's first large tensor.

    With the usual 4 KiB pages half of the time of a training step went into the kernel; where huge pages are switched
    off, nothing changes. A value of THP_MEM_ALLOC_ENABLE that is set already stays.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
