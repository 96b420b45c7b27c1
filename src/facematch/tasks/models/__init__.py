"""Models by name: listed, shown, fetched, checked."""
