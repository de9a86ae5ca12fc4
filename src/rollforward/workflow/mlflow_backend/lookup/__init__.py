"""Finding experiments and runs in a store."""
