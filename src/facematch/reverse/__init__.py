"""Reverse image search: where an image comes from, at which sizes it exists, which photos are one."""
