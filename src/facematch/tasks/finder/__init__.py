"""Train the finder: a small face detector, on photos that two others label."""
