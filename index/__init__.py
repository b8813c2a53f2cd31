"""The gallery: records and log in Redis, vectors in FAISS. Two separate halves that meet in `index.entries`."""
