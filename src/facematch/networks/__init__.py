"""Backbones, their weights, and the embedding network on top."""
