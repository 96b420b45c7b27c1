"""Whole photos: search, the source of an edited photo, copies in a folder."""
