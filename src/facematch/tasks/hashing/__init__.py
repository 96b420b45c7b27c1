"""What codes alone need: their figures, and the report of runs that learned to hash."""
