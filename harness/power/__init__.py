"""Which faults the tolerances catch."""
