"""What a tensor is to a case: a value, a gradient, or a parameter after a step."""

from collections.abc import Mapping

from .reading.elements import Array

Key = tuple[str, str]
"""Role ("value", "gradient" or "parameter") and name."""


Answered = Mapping[tuple[str, str, int | None], Array]
"""What a subject answered: arrays by role, name and training step (None without training)."""
