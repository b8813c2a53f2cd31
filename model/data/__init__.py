"""Data sets of persons: pictures and tracks with who, which camera and when."""
