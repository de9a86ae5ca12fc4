"""Nothing is lost while the store is away: calls wait in a journal, artifacts beside it."""
