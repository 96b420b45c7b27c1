"""Reverse image search in a UMAP embedding of grey pixels."""
