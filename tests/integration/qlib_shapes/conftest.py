"""The programs here are written for Qlib: they are read by a test, and never imported."""

collect_ignore_glob = ["*.py"]
