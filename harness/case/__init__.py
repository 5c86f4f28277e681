"""A case: from its file to its variants."""
