"""Labelled photos: the identity in each. Loaded, checked before a run, split by person."""
