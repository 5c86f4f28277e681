"""A framework that is played: the rows of the reference, every result rounded to the dtype, and faults put in.

It tells all that a trace tells, and what each use contributes too; whoever wants to be told less leaves keys out.
"""

import numpy as np
from gradient_conformance.harness.judging.trace import Trace
from gradient_conformance.reference import parse
from gradient_conformance.reference.backprop import backward, forward
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.told import Told


class Played(Told):
    """A walk in which results are stored in a dtype, those with a fault after it."""

    def __init__(self, dtype, faults, jitter=0.0):
        super().__init__({})
        self.dtype, self.faults, self.jitter = dtype, faults, jitter
        self.random = np.random.default_rng(1)

    def read(self, result, a, c):
        """What the framework has, and goes on with."""
        dtype = self.dtype if np.asarray(a).dtype.kind == "f" else np.asarray(a).dtype
        with np.errstate(all="ignore"):
            moved = (
                a * (1 + self.jitter * self.random.uniform(-1, 1, np.shape(a)))
                if self.jitter and dtype == self.dtype
                else a
            )
            stored = np.asarray(moved).astype(dtype)
            stored = np.asarray(self.faults.get(result, lambda a: a)(stored)).astype(dtype)
        self.found[result] = stored
        return stored.astype(np.float64) if dtype == self.dtype else stored

    def outputs(self, call, node, env):
        """A framework's vjps read its own outputs."""
        return tuple(env[name] for name in node.outs)


def played(text, inputs, faults=None, dtype="float32", seed=None, told=None, jitter=0.0, **more):
    """The trace of a played framework. `told` chooses keys; without it contributions are left out, as in any trace.

    With `jitter` every result is off by as much of itself at most: no two frameworks have the same bits.
    """
    program = text if not isinstance(text, str) else parse(text)
    arrays = {name: np.asarray(a) for name, a in inputs.items()}
    arrays = {n: a.astype(dtype).astype(np.float64) if a.dtype.kind == "f" else a for n, a in arrays.items()}
    walk, seed = Played(dtype, faults or {}, jitter), np.ones(()) if seed is None else seed
    seeds = seed if isinstance(seed, dict) else {program.nodes[-1].outs[-1]: seed}
    seeds = {name: np.asarray(g, dtype=np.float64) for name, g in seeds.items()}
    floats = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    floats += [out for node in program.nodes for out in node.outs]
    useful = program.ancestors(seeds)
    with np.errstate(all="ignore"):
        env = forward(program, arrays, EXACT, walk)
        backward(program, env, seeds, [n for n in floats if n in useful], EXACT, walk)
    told = told or (lambda key: key[0] != "use")
    answered = {key: a for key, a in walk.found.items() if told(key)}
    return Trace(program, arrays, seeds, dtype, answered, **more)
