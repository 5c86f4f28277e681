"""Where constants of the code come from."""
