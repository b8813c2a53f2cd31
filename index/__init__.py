"""The gallery: records and log in Redis, vectors in FAISS; two halves that meet in `index.entries`."""
