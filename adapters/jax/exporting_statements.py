"""The statements of a case and its tensors, as they are made of values."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from exporting_values import Value, number, word
from exports import Cannot, Names, called, literal
from jax._src.source_info_util import user_frames

OURS = re.compile(r"[/\\]exporting(_\w+)?\.py$")
PART = re.compile(r"\w[\w.]*")
"""Of a scope's name: einsum calls its own by letters with arrows."""


def is_own(file: str) -> bool:
    """Whether a file is of no library, and not of ours."""
    return "site-packages" not in file and not file.startswith("<") and not OURS.search(file)


class Statements(Names):
    """What is written so far."""

    def __init__(self) -> None:
        super().__init__()
        self.statements: list[dict[str, Any]] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.kinds: dict[str, str] = {}
        """By name of a tensor: "parameter", "input" (of floats), "data" that is given or drawn, or "constant"."""
        self.within = self.scope = ""
        """The line of somebody's file from which a library's function is called, and the named scopes around it."""
        self.eqn: Any = None
        """The equation that is read."""

    def place(self, eqn: Any) -> str:
        """The innermost line that is the user's own; of another library where none is."""
        if self.within:
            return self.within
        frames = [f for f in user_frames(eqn.source_info.traceback) if not OURS.search(f.file_name)]
        mine = [f for f in frames if is_own(f.file_name)] or frames
        return f"{Path(mine[0].file_name).name}:{mine[0].start_line}" if mine else ""

    def path(self, eqn: Any) -> str:
        """The named scopes that an equation is in, which flax calls by its modules."""
        own = (scope.name for scope in eqn.source_info.name_stack.stack if type(scope).__name__ == "Scope")
        return "/".join(filter(PART.fullmatch, "/".join([self.scope, *own]).split("/")))

    def assign(self, text: str, count: int = 0, base: str = "") -> Any:
        """A statement. With a count, so many names."""
        wanted = base or word(self.eqn)
        names = [self.name(f"{wanted}_{i}") for i in range(count)] or [self.name(wanted)]
        self.statements.append(
            {"outs": names, "text": text, "module": self.path(self.eqn), "place": self.place(self.eqn)}
        )
        return names if count else names[0]

    def tensor(self, wanted: str, array: np.ndarray, kind: str) -> str:
        self.tensors[name := self.name(wanted)] = array
        self.kinds[name] = kind
        return name

    def text(self, value: Value, kind: str) -> str:
        """A value as a "float", a "bool" or as places, "int64"."""
        if kind not in value.said:
            known = value.known is not None
            if known and not value.shape and kind == "float":
                return literal(number(np.asarray(value.known).item(), value))
            value.said[kind] = self.folded(value, kind) if known else self.converted(value, kind)
        return value.said[kind]

    def folded(self, value: Value, kind: str) -> str:
        """A known array as a tensor of the case."""
        array = np.asarray(value.known)
        root = value.root
        if root is not None and root.shape == value.shape and np.array_equal(np.asarray(root.known), array):
            return self.text(root, kind)
        if np.iscomplexobj(array):
            raise Cannot("of complex numbers")
        wide = array.astype({"float": np.float64, "bool": np.bool_, "int64": np.int64}[kind])
        return self.tensor(value.hint, wide, "data" if value.data else "constant")

    def converted(self, value: Value, kind: str) -> str:
        """One kind from another; the number of a place is read off a one-hot vector."""
        if kind == "int64":
            raise Cannot("with places that are computed by arithmetic")
        if kind == "bool":
            return str(self.assign(f"{self.text(value, 'float')} > 0.5"))
        if source := value.inner or value.base:
            text = self.text(source, "float")
            op = "reshape" if math.prod(source.shape) == math.prod(value.shape) else "broadcast_to"
            return str(self.assign(called(op, text, shape=value.shape), base=op.removesuffix("_to")))
        if "bool" in value.said:
            return str(self.assign(called("where", value.said["bool"], "1.0", "0.0")))
        numbers = self.tensor("numbers", np.arange(value.below, dtype=np.float64), "constant")
        hot = self.assign(called("one_hot", value.said["int64"], classes=value.below))
        return str(self.assign(f"{hot} @ {numbers}"))

    def reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        if value.shape == shape:
            return value
        if value.known is not None:
            return self.worked_out(np.reshape(value.known, shape), [value], value.hint)
        text = called("reshape", self.text(value, "float"), shape=shape)
        return Value(shape, said={"float": self.assign(text, base="reshape")})

    def worked_out(self, known: Any, of: Sequence[Value], hint: str, *, drawn: bool = False) -> Value:
        """What is known by these. Where they are one input it is called by that, and is it where it is equal."""
        roots = {id(v.root or v): v.root or v for v in of if v.data}
        root = next(iter(roots.values())) if len(roots) == 1 and not drawn else None
        data = drawn or any(v.data for v in of)
        return Value(np.shape(known), known=known, data=data, hint=root.hint if root else hint, root=root)
