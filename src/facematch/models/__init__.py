"""Models that others published, by name: what is known of them, where they lie, how they come here."""
