"""What a tensor is to a case: a value, a gradient, or a parameter after a step."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .reading.elements import Array

ROLES = ("value", "gradient", "parameter")

Key = tuple[str, str]
"""Role and name."""

Answered = Mapping[tuple[str, str, int | None], Array]
"""What a subject answered: arrays by role, name and training step (None without training)."""


TRACED, COPIED = "traced ", "copied "
"""Before the roles of what was kept of a cell's traces: of its program, and of that in which every use reads a copy."""


def marked(mark: str, arrays: Answered) -> dict[tuple[str, str, int | None], Array]:
    """The arrays of a trace as they are kept beside those of its cell."""
    return {(mark + role, name, step): a for (role, name, step), a in arrays.items()}


def unmarked(mark: str, kept: Answered) -> dict[tuple[str, str, int | None], Array]:
    """The arrays of a trace again; without a mark, those of the cell itself."""
    return {
        (role.removeprefix(mark), name, step): a
        for (role, name, step), a in kept.items()
        if (role.startswith(mark) if mark else role in ROLES)
    }


def by_step(arrays: Answered) -> defaultdict[int | None, dict[Key, Array]]:
    """What was answered for each step; None stands for a case without training."""
    found: defaultdict[int | None, dict[Key, Array]] = defaultdict(dict)
    for (role, name, step), a in arrays.items():
        found[step][role, name] = a
    return found


def in_words(key: Key, where: Sequence[int] | None = None, step: int | None = None) -> str:
    """`gradient of A[2, 1] in step 0`, `value y`: a tensor, or an element of it, as every message names it."""
    role, name = key
    place = f"[{', '.join(map(str, where))}]" if where else ""
    return f"{role}{' of' * (role == 'gradient')} {name}{place}" + (f" in step {step}" * (step is not None))
