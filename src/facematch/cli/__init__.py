"""The command line: it knows every task, and no task knows it."""
