"""Which process a run belongs to, whether it is still there, and what becomes of its run if it is not."""
