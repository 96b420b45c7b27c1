"""What each command does, from settings to what a person reads."""
