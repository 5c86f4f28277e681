"""A model and its port to another framework: parameters paired, both run, and the first call that differs named."""
