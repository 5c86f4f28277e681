"""Answers to questions about the harness that have no goal."""
