"""The values that are swept: every combination of them is a variant."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ...reference.program import ProgramError
from .document import Mistake


@dataclass(frozen=True, slots=True)
class Choice:
    """One combination of the swept values: the text of each in ids, and all that sizes and placeholders stand for."""

    texts: dict[str, str]
    bindings: dict[str, Any]

    @property
    def id(self) -> str:
        return "-".join([f"{name}:{text}" for name, text in self.texts.items()])

    def among(self, names: Collection[str]) -> tuple[str, ...]:
        """The texts of those that are swept: what depends on these names alone is the same where they are."""
        return tuple([text for name, text in self.texts.items() if name in names])


def swept_texts(name: str, values: list[Any]) -> list[tuple[str, Any]]:
    """Each swept value with the text that stands for it in ids."""
    pairs: dict[str, Any] = {}
    for i, value in enumerate(values):
        text = _text(value)
        if text in pairs:
            raise Mistake(f"{text} is swept twice", ("sweep", name, i))
        pairs[text] = tuple(value) if isinstance(value, list) else value
    return list(pairs.items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "x".join(map(str, value)) or "scalar"
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_variant(error: Mistake | ProgramError, id: str) -> Mistake | ProgramError:
    """The same error, saying in which variant, where there are several."""
    suffix = f" (variant {id})" if id else ""
    if isinstance(error, ProgramError):
        return ProgramError(error.message + suffix, error.line, error.column)
    return Mistake(error.message + suffix, error.path, error.on_key, error.within)
