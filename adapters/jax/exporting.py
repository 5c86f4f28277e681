"""A function of JAX as op calls of a case: its jaxpr, read in JAX's own interpreter.

Whatever depends on no parameter and on no input of floats (masks, positions, labels, random bits) is worked out here. Functions
that are called are entered, loops are their steps. A name is a parameter's path, an argument's, or that of a primitive;
behind each statement stands the line of the file that it comes from.

Everything is evaluated in float64: so the case can be held to it.
"""

import json
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
from exporting_cutting import smaller
from exporting_given import Leaf, given
from exporting_statements import Statements, is_own
from exporting_values import Value, word
from exporting_wide import bind, draws, truth
from exports import RULES, Cannot, no_rule

jax.config.update("jax_enable_x64", True)
OLDEST = (0, 10)
LONGEST = 500
"""Characters of what JAX says where it fails: the rest is how JAX works."""


def main(
    file: str,
    function: str,
    at: str,
    loss: str,
    folder: str,
    sizes: dict[str, int] | None = None,
    *,
    shrink: bool = False,
) -> None:
    """Write what the function is: `case.json` and `arrays.npz` in the folder.

    `function` of the file gives parameters, inputs and a function of both, and what its `loss` compares the output with, if anything;
    it is called with `sizes`. To `shrink` is to cut the inputs, as far as the function learns of them as before.
    """
    if at:
        raise SystemExit(
            f"--at {at}: a function of JAX has no submodules; give the part as a function of its own"
        )
    if jax.__version_info__ < OLDEST:
        raise SystemExit(
            f"jax {jax.__version__}: its jaxprs are other ones; they are read of {'.'.join(map(str, OLDEST))} on"
        )
    with sentences():
        found, said = given(Path(file), function, loss, sizes or {}), None
        if shrink:
            found, said = smaller(found)
        closed = jax.make_jaxpr(found.call)(*(leaf.array for leaf in found.leaves))
    walk = Walk().run(closed, found.leaves)
    told = {
        "statements": walk.statements,
        "output": walk.output,
        "kinds": walk.kinds,
        "missing": [[op, count, walk.places[op]] for op, count in walk.missing.most_common()],
        "lowered": [],
        "training": None,
        "shrunk": said,
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
        text = " ".join(str(error).split())[:LONGEST]
        raise SystemExit(f"{before}{type(error).__name__}: {text}{place}") from None


class Walk(Statements):
    """The statements of one jaxpr."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[str] = []
        """Of each leaf the name, if it is differentiated."""
        self.missing: Counter[str] = Counter()
        self.places: dict[str, str] = {}
        self.held: dict[int, Any] = {}
        """What own derivatives were found to be (`exporting_control.hold`)."""

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
        jaxpr, before = getattr(closed, "jaxpr", closed), (self.within, self.scope, self.eqn)
        self.within = self.within or within
        self.scope = self.path(self.eqn) if self.eqn else ""
        consts = [Value(np.shape(a), known=a) for a in getattr(closed, "consts", ())]
        env = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *values), strict=True))
        for self.eqn in jaxpr.eqns:
            found = self.equation(self.eqn, [read(env, v) for v in self.eqn.invars])
            env.update(zip(self.eqn.outvars, found, strict=True))
        self.within, self.scope, self.eqn = before
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
        """What is known by now. What is broadcast of it stays as small as it is, where that will do."""
        drawn = draws(eqn)
        found = bind(eqn, [value.known for value in values])
        made = [self.worked_out(a, values, word(eqn), drawn=drawn) for a in found]
        if eqn.primitive.name == "broadcast_in_dim" and made[0].shape != values[0].shape:
            made[0].inner = RULES["broadcast_in_dim"](self, eqn, *values).inner
        return made

    def value(self, v: Any, made: Any) -> Value:
        """Of a rule's expression a statement. What has no elements is known."""
        if 0 in v.aval.shape:
            return Value(v.aval.shape, known=np.zeros(v.aval.shape, v.aval.dtype))
        if isinstance(made, Value):
            return made
        kind = "bool" if v.aval.dtype == np.bool_ else "float"
        return Value(tuple(v.aval.shape), said={kind: made if made.isidentifier() else self.assign(made)})

    def lacking(self, eqn: Any, values: Sequence[Value], op: str) -> list[Value]:
        """A call that programs have no word for; it counts if the output depends on it."""
        those = [v for value in values for v in (value, value.inner, value.base) if v]
        names = self.assign(
            f"missing({', '.join(name for v in those for name in v.said.values())})", len(eqn.outvars)
        )
        self.statements[-1]["missing"] = op
        kinds = ["bool" if v.aval.dtype == np.bool_ else "float" for v in eqn.outvars]
        return [Value(v.aval.shape, said={k: n}) for v, k, n in zip(eqn.outvars, kinds, names, strict=True)]

    def finish(self) -> None:
        """Without what feeds nothing: statements, constants, and calls that programs have no word for."""
        needed, kept = {self.output}, []
        for statement in reversed(self.statements):
            if needed & set(statement["outs"]):
                needed |= set(re.findall(r"[^\W\d]\w*", statement["text"]))
                kept.append(statement)
        self.statements = kept[::-1]
        for statement in [s for s in self.statements if "missing" in s]:
            self.missing[op := statement.pop("missing")] += 1
            self.places.setdefault(op, ", ".join(filter(None, (statement["module"], statement["place"]))))
        for name in [n for n, kind in self.kinds.items() if kind in ("constant", "data") and n not in needed]:
            del self.kinds[name], self.tensors[name]


def read(env: dict[Any, Value], v: Any) -> Value:
    if isinstance(v, jax.extend.core.Literal):
        return Value(np.shape(v.val), known=np.asarray(v.val, v.aval.dtype))
    return env[v]
