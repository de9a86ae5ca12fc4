"""The rig of the chaos suite: workers in processes of their own, faults, a log outside the pool, a checker."""
