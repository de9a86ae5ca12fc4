"""The command line: each command turns its arguments into one call."""
