"""Find photos, decode each once and safely; every file ends as a photo or a reason."""
