"""Capabilities, one folder each: its command, its page, its own sums."""
