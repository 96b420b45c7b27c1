"""facematch: crop faces, train an embedding, rank a gallery, submit ten names for each query."""

__version__ = "0.1.0"
