"""What pictures and pages are made of: axes, charts, contact sheets, one kit for pages."""
