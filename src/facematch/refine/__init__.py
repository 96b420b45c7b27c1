"""Refine steps: what makes a ranking better after the embedding, each switchable, each measured by `tune`."""
