"""One wrong op call of a cell, alone, as a script of plain framework code."""
