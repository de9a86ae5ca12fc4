"""Models that serve, day after day: who serves, what they say, and the record of both."""
