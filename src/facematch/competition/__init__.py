"""What is sent to the competition's server, and what comes back."""
