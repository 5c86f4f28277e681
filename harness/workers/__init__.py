"""Processes that answer cells, and what goes through their pipes."""
