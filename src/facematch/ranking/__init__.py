"""Embeddings and codes, the distance estimator, its indexes, and rankings made one."""
