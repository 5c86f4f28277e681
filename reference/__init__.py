"""The certified NumPy reference: programs, the op table, backpropagation, and how far rounding may move a result."""

from .backprop import backprop
from .language import parse
from .program import Program, ProgramError

__all__ = ["Program", "ProgramError", "backprop", "parse"]
