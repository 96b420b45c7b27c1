"""Rank, check, keep and send a submission, and say which score to expect."""
