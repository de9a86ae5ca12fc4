"""The way of params, metrics and tags into a run."""
