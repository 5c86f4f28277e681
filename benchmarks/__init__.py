"""What is measured here: figures with a goal, constants of the op table, and studies. README.md tells of each."""
