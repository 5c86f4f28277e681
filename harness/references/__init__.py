"""What every compared tensor of a variant must be."""
