"""Artifacts of runs: written, read, listed and checked, here or through a server."""
