"""Tasks: generating them, collecting what they left."""
