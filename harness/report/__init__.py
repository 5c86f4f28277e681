"""A run made readable: facts are computed once (`model`), and each renderer is a pure function from them to text."""
