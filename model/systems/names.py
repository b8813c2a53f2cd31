"""Names of the published systems. No torch here: a wrong name is refused before it is loaded."""

NAMES = ("baseline", "cosam", "gltr", "tkp", "attributes", "vrstc", "stmp", "m3d", "sta", "snippet")
