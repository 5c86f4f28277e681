"""The run file, and nothing that runs."""
