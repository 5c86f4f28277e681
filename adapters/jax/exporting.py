"""A function of JAX as op calls of a case: its jaxpr, read in JAX's own interpreter.

Whatever depends on no parameter and on no input of floats (masks, positions, labels, random bits) is worked out here. Functions
that are called are entered, loops are their steps. A name is a parameter's path, an argument's, or that of a primitive;
behind each statement stands the line of the file that it comes from.

Everything is evaluated in float64: so the case can be held to it.
"""

import json
import keyword
import math
import os
import re
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import exporting_control  # noqa: F401 - they fill RULES
import exporting_convolution  # noqa: F401
import exporting_indexing  # noqa: F401
import exporting_ordering  # noqa: F401
import exporting_products  # noqa: F401
import jax
import jax.extend
import jaxlib
import numpy as np
from exporting_given import Leaf, given
from exporting_rules import RULES, no_rule, number, word
from exporting_values import Cannot, Value, called, literal
from exporting_wide import bind, draws, truth
from jax._src.source_info_util import user_frames

jax.config.update("jax_enable_x64", True)
OURS = re.compile(r"[/\\]exporting(_\w+)?\.py$")


def main(file: str, function: str, at: str, loss: str, folder: str) -> None:
    """Write what the function is: `case.json` and `arrays.npz` in the folder.

    `function` of the file gives parameters, inputs and a function of both, and what its `loss` compares the output with, if anything.
    """
    if at:
        raise SystemExit(
            f"--at {at}: a function of JAX has no submodules; give the part as a function of its own"
        )
    with sentences():
        found = given(Path(file), function, loss)
        closed = jax.make_jaxpr(found.call)(*(leaf.array for leaf in found.leaves))
    walk = Walk().run(closed, found.leaves)
    told = {
        "statements": walk.statements,
        "output": walk.output,
        "kinds": walk.kinds,
        "missing": [[op, count, walk.places[op]] for op, count in walk.missing.most_common()],
        "lowered": [],
        "training": None,
        "versions": {"jax": jax.__version__, "jaxlib": jaxlib.__version__},
    }
    arrays = {f"tensor {name}": a for name, a in walk.tensors.items()}
    if not walk.missing:
        with sentences("JAX itself gives no gradients: "):
            arrays |= truth(closed, [leaf.array for leaf in found.leaves], walk.given, walk.number)
    np.savez(Path(folder) / "arrays.npz", **arrays)
    Path(folder, "case.json").write_text(json.dumps(told))


@contextmanager
def sentences(before: str = "") -> Iterator[None]:
    """What is raised in between, as a sentence with the innermost line that is of no library."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever somebody's own file raises
        lines = [f for f in traceback.extract_tb(error.__traceback__) if is_own(f.filename)]
        place = f", in {Path(lines[-1].filename).name}:{lines[-1].lineno}" if lines else ""
        text = (str(error).splitlines() or [""])[0]
        raise SystemExit(f"{before}{type(error).__name__}: {text}{place}") from None


def is_own(file: str) -> bool:
    """Whether a file is of no library, and not of ours."""
    return "site-packages" not in file and not file.startswith("<") and not OURS.search(file)


class Walk:
    """The statements of one jaxpr."""

    def __init__(self) -> None:
        self.statements: list[dict[str, Any]] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.kinds: dict[str, str] = {}
        """By name of a tensor: "parameter", "input" (of floats), "data" that is given or drawn, or "constant"."""
        self.given: list[str] = []
        """Of each leaf the name, if it is differentiated."""
        self.missing: Counter[str] = Counter()
        self.places: dict[str, str] = {}
        self.taken: set[str] = {"inf", "nan", "pi", *keyword.kwlist}
        self.held: dict[int, Any] = {}
        """What own derivatives were found to be (`exporting_control.hold`)."""
        self.within = ""
        """The line of somebody's file from which a library's function is called."""
        self.eqn: Any = None

    def run(self, closed: Any, leaves: Sequence[Leaf]) -> "Walk":
        results = self.entered(closed, [self.leaf(leaf) for leaf in leaves])
        floats = [np.issubdtype(v.aval.dtype, np.floating) for v in closed.jaxpr.outvars]
        live = [i for i, value in enumerate(results) if value.known is None and floats[i]]
        if not live:
            raise SystemExit(
                "no real number that the function returns depends on a parameter or on an input of floats"
            )
        self.number = live[0]
        self.output = self.text(results[self.number], "float")
        self.finish()
        return self

    def leaf(self, leaf: Leaf) -> Value:
        if leaf.kind not in ("parameter", "input"):
            self.given.append("")
            return Value(leaf.array.shape, known=leaf.array, data=leaf.kind == "data", hint=leaf.name)
        name = self.tensor(leaf.name, np.asarray(leaf.array), leaf.kind)
        self.given.append(name)
        return Value(leaf.array.shape, said={"float": name})

    def entered(self, closed: Any, values: Sequence[Value], within: str = "") -> list[Value]:
        """What a jaxpr gives of these; its lines are all the one that calls it, if it is a library's."""
        jaxpr, before = getattr(closed, "jaxpr", closed), self.within
        self.within = before or within
        consts = [Value(np.shape(a), known=a) for a in getattr(closed, "consts", ())]
        env = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *values), strict=True))
        for eqn in jaxpr.eqns:
            outer, self.eqn = self.eqn, eqn
            env.update(zip(eqn.outvars, self.equation(eqn, [read(env, v) for v in eqn.invars]), strict=True))
            self.eqn = outer
        self.within = before
        return [read(env, v) for v in jaxpr.outvars]

    def equation(self, eqn: Any, values: Sequence[Value]) -> list[Value]:
        if all(value.known is not None for value in values) and not eqn.effects:
            return self.evaluated(eqn, values)
        try:
            made = RULES.get(eqn.primitive.name, no_rule)(self, eqn, *values)
        except Cannot as error:
            return self.lacking(eqn, values, f"{eqn.primitive.name} {error}".strip())
        found = made if isinstance(made, list) else [made]
        return [self.value(v, one) for v, one in zip(eqn.outvars, found, strict=True)]

    def evaluated(self, eqn: Any, values: Sequence[Value]) -> list[Value]:
        drawn = draws(eqn)
        found = bind(eqn, [value.known for value in values])
        made = [self.worked_out(a, values, word(eqn), drawn=drawn) for a in found]
        if eqn.primitive.name == "broadcast_in_dim":
            inner = (
                RULES["broadcast_in_dim"](self, eqn, *values).inner
                if made[0].shape != values[0].shape
                else None
            )
            made[0].inner = inner
        return made

    def worked_out(self, known: Any, of: Sequence[Value], hint: str, *, drawn: bool = False) -> Value:
        """What is known by these. Where they are one input it is called by that, and is it where it is equal."""
        roots = {id(v.root or v): v.root or v for v in of if v.data}
        root = next(iter(roots.values())) if len(roots) == 1 and not drawn else None
        data = drawn or any(v.data for v in of)
        return Value(np.shape(known), known=known, data=data, hint=root.hint if root else hint, root=root)

    def value(self, v: Any, made: Any) -> Value:
        """Of a rule's expression a statement."""
        if isinstance(made, Value):
            return made
        kind = "bool" if v.aval.dtype == np.bool_ else "float"
        return Value(tuple(v.aval.shape), said={kind: made if made.isidentifier() else self.assign(made)})

    def lacking(self, eqn: Any, values: Sequence[Value], op: str) -> list[Value]:
        """A call that programs have no word for; it counts if the output depends on it."""
        reads = [
            name
            for value in values
            for v in (value, value.inner, value.base)
            if v
            for name in v.said.values()
        ]
        names = [self.name("missing") for _ in eqn.outvars]
        text = f"missing({', '.join(reads)})"
        self.statements.append(
            {"outs": names, "text": text, "module": "", "place": self.place(eqn), "missing": op}
        )
        kinds = ["bool" if v.aval.dtype == np.bool_ else "float" for v in eqn.outvars]
        return [
            Value(tuple(v.aval.shape), said={k: n}) for v, k, n in zip(eqn.outvars, kinds, names, strict=True)
        ]

    def finish(self) -> None:
        """Without what feeds nothing: statements, constants, and calls that programs have no word for."""
        needed, kept = {self.output}, []
        for statement in reversed(self.statements):
            if needed & set(statement["outs"]):
                needed |= set(re.findall(r"[^\W\d]\w*", statement["text"]))
                kept.append(statement)
        self.statements = kept[::-1]
        for op, place in [(s.pop("missing"), s["place"]) for s in self.statements if "missing" in s]:
            self.missing[op] += 1
            self.places.setdefault(op, place)
        for name in [n for n, kind in self.kinds.items() if kind in ("constant", "data") and n not in needed]:
            del self.kinds[name], self.tensors[name]

    # Names and places

    def name(self, wanted: str) -> str:
        base = re.sub(r"\W", "_", wanted).strip("_") or "t"
        base = f"t{base}" if base[0].isdigit() else base
        found, n = base, 1
        while found in self.taken:
            n += 1
            found = f"{base}_{n}"
        self.taken.add(found)
        return found

    def place(self, eqn: Any) -> str:
        """The innermost line that is the user's own; of another library where none is."""
        if self.within:
            return self.within
        frames = [f for f in user_frames(eqn.source_info.traceback) if not OURS.search(f.file_name)]
        mine = [f for f in frames if is_own(f.file_name)] or frames
        return f"{Path(mine[0].file_name).name}:{mine[0].start_line}" if mine else ""

    def assign(self, text: str, count: int = 0, base: str = "") -> Any:
        """A statement. With a count, so many names."""
        wanted = base or word(self.eqn)
        names = [self.name(f"{wanted}_{i}") for i in range(count)] or [self.name(wanted)]
        self.statements.append({"outs": names, "text": text, "module": "", "place": self.place(self.eqn)})
        return names if count else names[0]

    def tensor(self, wanted: str, array: np.ndarray, kind: str) -> str:
        self.tensors[name := self.name(wanted)] = array
        self.kinds[name] = kind
        return name

    # Values

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
        return Value(
            shape, said={"float": self.assign(called("reshape", self.text(value, "float"), shape=shape))}
        )


def read(env: dict[Any, Value], v: Any) -> Value:
    if isinstance(v, jax.extend.core.Literal):
        return Value(np.shape(v.val), known=np.asarray(v.val, v.aval.dtype))
    return env[v]
