"""Pixels to embeddings. Knows no web, no Redis, no FAISS. Importing this package imports no torch."""
