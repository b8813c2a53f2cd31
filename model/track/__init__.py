"""Following people through footage: detections of each frame in, one track a person out. Numpy only, no files."""
