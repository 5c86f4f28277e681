"""The rows of `benchmarks/speed.py`, a module each, and what they share."""
