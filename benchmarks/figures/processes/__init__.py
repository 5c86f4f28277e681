"""Programs that the figures start, each in a process and an interpreter of its own."""
