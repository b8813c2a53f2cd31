"""Published re-identification systems, behind the same interface as VILLS."""
