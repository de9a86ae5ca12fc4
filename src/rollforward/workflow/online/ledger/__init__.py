"""What served when, why, and since when that is known: entries that are written once, each the next of another."""
