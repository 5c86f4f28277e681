"""Frameworks seen from the host: adapters, interpreters, what is installed."""
