"""The certified NumPy reference: programs, the op table, backpropagation, and how far rounding may move a result."""

from reference.backprop import backprop
from reference.program import Program, ProgramError

__all__ = ["Program", "ProgramError", "backprop"]
