"""Known disagreements."""
