"""What is on both sides of a split: people by name, photos by bytes, pixels and content."""
