"""Compare systems on the same photos."""
