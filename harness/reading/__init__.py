"""What strangers wrote, read within stated bounds."""
