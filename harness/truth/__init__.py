"""What certifies the reference: mpmath with 50 digits, and printed numbers."""
