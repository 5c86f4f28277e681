"""A cell's id: one everywhere, in pytest, run files, ledgers and what people type."""

from typing import NamedTuple, Self

from ...reference.formats import DTYPES


class CellId(NamedTuple):
    """`notebooks/two_branches::k:3-float32-torch-eager`; `variant` is empty where a case has one alone."""

    case: str
    variant: str
    dtype: str
    framework: str
    mode: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The id in a text, or None where there is none. pytest's node id is one too: its case is then a path.

        The last three fields have no hyphen; what stands before them is the variant, which may have some.
        """
        case, separator, name = text.partition("::")
        variant, dtype, framework, mode = (
            (["", *name.rsplit("-", 3)])[-4:] if name.count("-") >= 2 else [""] * 4
        )
        return cls(case, variant, dtype, framework, mode) if separator and dtype in DTYPES else None

    @property
    def name(self) -> str:
        """What stands behind `::`."""
        variant = f"{self.variant}-" if self.variant else ""
        return f"{variant}{self.dtype}-{self.framework}-{self.mode}"

    def __str__(self) -> str:
        return f"{self.case}::{self.name}"


def framework_in(node: str) -> str | None:
    """The framework of a cell's node id; None for any other test."""
    found = CellId.parse(node)
    # pytest names no file where a case lies outside its rootdir
    return found.framework if found and (not found.case or found.case.endswith(".toml")) else None
