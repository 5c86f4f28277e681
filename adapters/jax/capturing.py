"""Plain JAX functions, and flax modules, as a port: parameters in dicts and lists, and a function of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from porting import Gave, Locals, Seen, leaves, named_leaves, parameter, rebuilt, seeded


def prepare(dtype: str, file: Path) -> None:  # noqa: ARG001
    """In float64 what the file draws is also where no dtype is said, as where it is exported."""
    jax.config.update("jax_enable_x64", dtype in ("", "float64"))


class Model:
    """A tree of parameters with a function of them and the inputs; a flax module with its variables has its own."""

    def __init__(self, model: Any, apply: Callable[..., Any] | None, inputs: list[Any], port: Any) -> None:  # noqa: ARG002
        self.port, self.module = port, None
        if isinstance(model, tuple) and len(model) == 2 and hasattr(model[0], "apply"):
            self.module, model = model
        if apply is None and self.module is None:
            raise SystemExit(
                "parameters come with their function: return parameters, inputs, function, which is called function(parameters, *inputs)"
            )
        self.tree, self.apply = model, apply or self.module.apply
        self.parameters = [parameter(path, np.shape(a)) for path, a in named_leaves(model)]

    def arrays(self) -> list[np.ndarray]:
        return [np.asarray(a) for a in leaves(self.tree)]

    def run(self, weights: list[Any], inputs: list[Any], cotangent: Any, *, training: bool) -> Gave:  # noqa: ARG002
        given = [jnp.asarray(a, self.port.dtype) if a.dtype.kind == "f" else jnp.asarray(a) for a in inputs]
        floats = [i for i, a in enumerate(given) if a.dtype.kind == "f"]
        arrays = [jnp.asarray(a, self.port.dtype) for a in weights]

        def of(arrays: list[Any], chosen: list[Any]) -> Any:
            own = list(given)
            for i, a in zip(floats, chosen, strict=True):
                own[i] = a
            return self._called(arrays, own)

        chosen = [given[i] for i in floats]
        with jax.disable_jit(), Locals(self.port.file) as inner:
            self._called(arrays, given)
        output, back = jax.vjp(of, arrays, chosen)
        seed = (
            jnp.ones_like(output)
            if cotangent is None
            else jnp.asarray(seeded(cotangent, output.shape), output.dtype)
        )
        gradients, towards = back(seed)
        of_inputs: list[Any] = [None] * len(given)
        for i, g in zip(floats, towards, strict=True):
            of_inputs[i] = np.asarray(g)
        return Gave(
            np.asarray(output),
            list(map(np.asarray, gradients)),
            of_inputs,
            [*self._inner(arrays, given), *inner],
        )

    def _called(self, arrays: list[Any], given: list[Any]) -> Any:
        targets = given[len(given) - self.port.targets :] if self.port.loss else []
        output = leaves(self.apply(rebuilt(self.tree, iter(arrays)), *given[: len(given) - len(targets)]))[0]
        return self.port.loss(output, *targets) if self.port.loss else output

    def _inner(self, arrays: list[Any], given: list[Any]) -> list[Seen]:
        """What the submodules of a flax module give, by their paths."""
        if self.module is None or self.apply != self.module.apply:
            return []
        inputs = given[: len(given) - self.port.targets] if self.port.loss else given
        _, state = self.module.apply(
            rebuilt(self.tree, iter(arrays)), *inputs, capture_intermediates=True, mutable=["intermediates"]
        )
        found = (
            (path.partition("__call__")[0].rstrip("/"), a) for path, a in named_leaves(state["intermediates"])
        )
        return [Seen(path, "", "", np.asarray(a)) for path, a in found if path and a.dtype.kind == "f"]
