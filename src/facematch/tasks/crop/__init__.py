"""Crop faces, embed crops, rank files of embeddings."""
