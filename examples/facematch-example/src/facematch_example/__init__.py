"""A plug-in of facematch: one kind of each group, each in its own file."""
