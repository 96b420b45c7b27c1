"""Figures of a ranking: how often the right person is among the first k."""
