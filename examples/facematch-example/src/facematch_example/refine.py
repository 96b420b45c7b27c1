"""A refine step: both sides in, both sides out. One with a parameter `k` returns a `Ranking` instead."""

from dataclasses import replace

from facematch.plugins import Embeddings


def centre(query: Embeddings, gallery: Embeddings, weight: float = 1.0) -> tuple[Embeddings, Embeddings]:
    """Return both sides less `weight` times the gallery's mean: it hurts where the gallery holds few people."""
    mean = weight * gallery.vectors.mean(axis=0)
    return replace(query, vectors=query.vectors - mean), replace(gallery, vectors=gallery.vectors - mean)


centre.tried = ({"weight": 0.5}, {"weight": 1.0})  # what `facematch tune` tries
