"""What the rows of the op table do, seen over the truth's samples: nothing of it is written down a second time."""

import functools
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.truth.rows import cotangents, float_inputs
from gradient_conformance.reference.contexts import Exact
from gradient_conformance.reference.ops import OPS, arithmetic


@dataclass
class Watching(Exact):
    """Exact arithmetic that remembers what it was asked for."""

    functions: set[str] = field(default_factory=set)
    differs: bool = False
    """Whether it has terms that differ between frameworks."""
    branches: bool = False
    multiplications: int = 0
    """Of the products of matrices of the forwards."""
    broadcast: set[int] = field(default_factory=set)
    """The inputs whose cotangents are summed over axes along which they were repeated."""

    @property
    def rounds(self) -> bool:
        """Whether something of it rounds whatever the numbers: of all functions only a root may be exact."""
        return self.differs or bool(self.functions - {"sqrt"})

    def fn(self, name: str, *args: Any) -> Any:
        self.functions.add(name)
        return super().fn(name, *args)

    def absolute(self, a: Any, m: Any) -> Any:
        self.differs = True
        return super().absolute(a, m)

    def kink(self, z: Any) -> Any:
        self.branches = True
        return super().kink(z)

    def matmul(self, x: Any, w: Any, bias: Any = None) -> Any:
        out = super().matmul(x, w, bias)
        self.multiplications += np.size(out) * np.shape(x)[-1]
        return out


@functools.cache
def seen(op: str) -> Watching:
    """The row over all samples of its definition: values, and vjps of float inputs."""
    row, c = OPS[op], Watching()
    for sample in TRUTH[op].samples:
        kw = {**row.defaults, **sample.kw}
        with np.errstate(all="ignore"):
            out = row.forward(c, *sample.inputs, **kw)
            forwards = c.multiplications
            for i in float_inputs(sample.inputs):
                with mock.patch.object(arithmetic, "unbroadcast", wraps=arithmetic.unbroadcast) as undone:
                    row.vjp(c, i, out, sample.inputs, cotangents(out), kw)
                shapes = [map(np.shape, called.args[1:3]) for called in undone.call_args_list]
                c.broadcast |= {i} if any(g != x for g, x in shapes) else set()
            c.multiplications = forwards
    return c
