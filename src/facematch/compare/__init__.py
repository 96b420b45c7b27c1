"""Several systems on the same photos, by the same protocol: what each reaches, and which differences are real."""
