"""Training: the loop, what it learns from, and its commands."""
