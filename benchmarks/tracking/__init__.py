"""The parts of bench_tracking.py."""
