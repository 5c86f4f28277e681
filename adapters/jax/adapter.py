"""JAX: what is different about it, and nothing else.

`jit` compiles forward and backward of a program as one function for each family of shapes; `eager` runs op
by op, where every op is a little compilation that JAX keeps for ever unless it is told otherwise. Losses and
optimizers are optax's, since JAX has none.
"""

import operator
import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import optax
import worker
from worker import Task

jax.config.update("jax_enable_x64", True)  # otherwise float64 inputs silently become float32

MODES = ("jit", "eager")
COMPILED_MODES = ("jit",)
FORMULAS = {"linear", "bce"}
REMEMBERED = 16  # families of shapes before the caches are dropped: 8 MB each in jit, 50 MB op by op

REDUCE = {"mean": jnp.mean, "sum": jnp.sum, "none": lambda x: x}


def linear(x: jax.Array, W: jax.Array, b: jax.Array | None = None, *, weights: str) -> jax.Array:
    y = jnp.matmul(x, W if weights == "in_out" else W.T)
    return y if b is None else y + b


def cross_entropy(z: jax.Array, target: jax.Array, *, axis: int, reduction: str) -> jax.Array:
    distribution = jnp.issubdtype(target.dtype, jnp.floating)
    loss = optax.softmax_cross_entropy if distribution else optax.softmax_cross_entropy_with_integer_labels
    return REDUCE[reduction](loss(z, target, axis=axis))


OPS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": jnp.negative,
    "exp": jnp.exp,
    "log": jnp.log,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "abs": jnp.abs,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "softplus": jax.nn.softplus,
    "leaky_relu": lambda x, *, slope: jax.nn.leaky_relu(x, negative_slope=slope),
    "maximum": jnp.maximum,
    "where": jnp.where,
    "matmul": jnp.matmul,
    "transpose": lambda x, *, axes: jnp.transpose(x, axes),
    "reshape": lambda x, *, shape: jnp.reshape(x, shape),
    "index": lambda x, *, index: x[index],
    "concat": lambda *xs, axis: jnp.concatenate(xs, axis=axis),
    "split": lambda x, *, parts, axis: jnp.split(x, parts, axis=axis),
    "sum": jnp.sum,
    "mean": jnp.mean,
    "max": jnp.max,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "logsumexp": jax.nn.logsumexp,
    "linear": linear,
    "norm": jnp.linalg.vector_norm,
    "sum_squares": lambda x: jnp.sum(optax.squared_error(x)),
    "mse": lambda p, t, *, reduction: REDUCE[reduction](optax.squared_error(p, t)),
    "bce": lambda p, t, *, reduction: REDUCE[reduction](-(t * jnp.log(p) + (1 - t) * jnp.log1p(-p))),
    "bce_with_logits": lambda z, t, *, reduction: REDUCE[reduction](optax.sigmoid_binary_cross_entropy(z, t)),
    "cross_entropy": cross_entropy,
}


def sgd(params: dict[str, jax.Array], *, lr: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    optimizer = optax.sgd(lr)
    weights, state = params, optimizer.init(params)

    def step(grads: dict[str, jax.Array]) -> dict[str, jax.Array]:
        nonlocal weights, state
        updates, state = optimizer.update(grads, state, weights)
        weights = optax.apply_updates(weights, updates)
        return weights

    return step


OPTIMIZERS = {"sgd": sgd}


def setup(threads: int, seed: int) -> None:  # noqa: ARG001 - XLA's threads are the environment's; no hidden seed
    """Keep what is compiled, however quick or small, unless somebody has a folder of their own for it.

    https://docs.jax.dev/en/latest/persistent_compilation_cache.html
    """
    if worker.COMPILED is not None and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(worker.COMPILED))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def about() -> dict[str, str]:
    return {
        "framework": "jax",
        "version": jax.__version__,
        "libraries": f"jaxlib {jaxlib.__version__}, optax {optax.__version__}",
        "device": jax.devices()[0].platform,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "matmul_precision": str(jax.config.jax_default_matmul_precision),
    }


SPENT = {"compiling": 0.0}


def count(event: str, seconds: float, **_: Any) -> None:
    SPENT["compiling"] += seconds * event.startswith("/jax/core/compile/")


jax.monitoring.register_event_duration_secs_listener(count)


def compiling() -> float:
    return SPENT["compiling"]


def to_native(array: np.ndarray) -> jax.Array:
    """A copy, since JAX may take the memory it is given for its own; `jnp.array` compiles one for each new shape."""
    return jax.device_put(array.copy())


def to_numpy(tensor: jax.Array) -> np.ndarray:
    return np.asarray(tensor)


def vjp(call: Callable[..., Any], inputs: list[jax.Array], towards: int, g: Any) -> tuple[Any, jax.Array]:
    def of(x: jax.Array) -> Any:
        return call(*inputs[:towards], x, *inputs[towards + 1 :])

    out, pull = jax.vjp(of, inputs[towards])
    return out, pull(g)[0]


def jitted_vjp(
    call: Callable[..., Any], inputs: list[jax.Array], towards: int, g: Any
) -> tuple[Any, jax.Array]:
    return jax.jit(lambda inputs, g: vjp(call, inputs, towards, g))(inputs, g)


VJPS = {"jit": jitted_vjp, "eager": vjp}


def pullback(task: Task) -> Callable[..., Any]:
    def run(wrt: dict[str, Any], others: dict[str, Any], cotangent: Any) -> Any:
        def forward(wrt: dict[str, Any]) -> Any:
            env = task.walk({**others, **wrt})
            return env[task.output], {name: env[name] for name in task.wanted_values}

        output, vjp, values = jax.vjp(forward, wrt, has_aux=True)
        [grads] = vjp(jnp.ones_like(output) if cotangent is None else cotangent)
        return values, grads

    return run


@lru_cache(maxsize=REMEMBERED)
def remembered(task: Task) -> Callable[..., Any]:
    """JAX keeps what it compiled, even of functions that are gone: when this is full, all is dropped."""
    if remembered.cache_info().currsize == REMEMBERED:
        remembered.cache_clear()
        jax.clear_caches()
    return jax.jit(pullback(task)) if task.mode == "jit" else pullback(task)


def differentiate(task: Task, inputs: dict[str, jax.Array]) -> tuple[dict[str, Any], dict[str, Any]]:
    wrt = {name: inputs[name] for name in task.wrt}
    others = {name: array for name, array in inputs.items() if name not in wrt}
    return remembered(task)(wrt, others, task.cotangent)
