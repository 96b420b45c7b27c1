"""Choosing on validation people what is then used on others."""
