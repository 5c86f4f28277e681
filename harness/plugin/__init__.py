"""The matrix under pytest."""
