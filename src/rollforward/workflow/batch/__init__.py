"""Many models at once: each in its own environment, several times, and one table at the end."""
