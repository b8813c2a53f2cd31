"""The gallery's vectors in FAISS, with the columns that filters look at."""
