"""Several workers of one framework, and how many each framework has."""
