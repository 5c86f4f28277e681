"""The rows of `python -m benchmarks.figures`, a module each, and what they share."""
