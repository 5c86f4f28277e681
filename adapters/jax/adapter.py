"""JAX: what is different about it, and nothing else.

`jit` compiles forward and backward of a program as one function for each family of shapes; `eager` runs op
by op, where every op is a little compilation that JAX keeps for ever unless it is told otherwise. Losses and
optimizers are optax's, since JAX has none.

JAX looks for what it compiled in an earlier run only when it has traced and lowered a function anew, which takes several times
as long as to load what it finds. So families of `jit` are kept here by what was asked, and JAX's own cache has single ops.
"""

import hashlib
import operator
import os
import pickle
import secrets
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import optax
import worker
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache
from jaxlib import lapack
from worker import Task

jax.config.update("jax_enable_x64", True)  # otherwise float64 inputs silently become float32

MODES = ("jit", "eager")
COMPILED_MODES = ("jit",)
FORMULAS = {"linear"}
REMEMBERED = 16  # families of shapes before the caches are dropped: 8 MB each in jit, 50 MB op by op

REDUCE = {"mean": jnp.mean, "sum": jnp.sum, "none": lambda x: x}


def linear(x: jax.Array, W: jax.Array, b: jax.Array | None = None, *, weights: str) -> jax.Array:
    y = jnp.matmul(x, W if weights == "in_out" else W.T)
    return y if b is None else y + b


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
    "greater": jnp.greater,
    "greater_equal": jnp.greater_equal,
    "less": jnp.less,
    "less_equal": jnp.less_equal,
    "equal": jnp.equal,
    "not_equal": jnp.not_equal,
    "logical_and": jnp.logical_and,
    "logical_or": jnp.logical_or,
    "logical_not": jnp.logical_not,
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
    "sum_squares": lambda x: jnp.sum(optax.squared_error(x)),
    "mse": lambda p, t, *, reduction: REDUCE[reduction](optax.squared_error(p, t)),
}


def setup(threads: int, seed: int) -> None:  # noqa: ARG001 - XLA's threads are the environment's; no hidden seed
    """Keep what is compiled, however quick or small, unless somebody has a folder of their own for it.

    https://docs.jax.dev/en/latest/persistent_compilation_cache.html
    """
    if kept := folder():
        jax.config.update("jax_compilation_cache_dir", str(kept))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def folder() -> Path | None:
    """Where what is compiled is kept, if it is."""
    return None if "JAX_COMPILATION_CACHE_DIR" in os.environ else worker.COMPILED


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
    return out, pull(type(out)(g) if isinstance(out, (tuple, list)) else g)[0]


def jitted_vjp(
    call: Callable[..., Any], inputs: list[jax.Array], towards: int, g: Any
) -> tuple[Any, jax.Array]:
    return jax.jit(lambda inputs, g: vjp(call, inputs, towards, g))(inputs, g)


VJPS = {"jit": jitted_vjp, "eager": vjp}


def pullback(task: Task) -> Callable[..., Any]:
    def run(wrt: dict[str, Any], others: dict[str, Any], cotangents: dict[str, Any]) -> Any:
        def forward(wrt: dict[str, Any]) -> Any:
            env = task.walk({**others, **wrt})
            outputs = {name: env[name] for name in task.outputs}
            return outputs, {name: env[name] for name in task.wanted_values}

        outputs, vjp, values = jax.vjp(forward, wrt, has_aux=True)
        [grads] = vjp({name: cotangents.get(name, jnp.ones_like(y)) for name, y in outputs.items()})
        return values, grads

    return run


@cache
def grounds() -> str:
    """Digest of all that says what is compiled but the request: sources, libraries, settings and the processor.

    Sources by their bytes; libraries, of which hashing takes seconds, by size and time.
    """
    settings = jax.config.values, os.environ.get("XLA_FLAGS")
    found = hashlib.sha256(repr((sys.version, np.__version__, settings, processor())).encode())
    for package in (jax, jaxlib, optax):
        for file in sorted(Path(package.__file__).parent.rglob("*")):
            if file.suffix == ".py":
                found.update(b"%a %b" % (str(file), hashlib.sha256(file.read_bytes()).digest()))
            elif ".so" in file.suffixes:
                found.update(b"%a" % [(str(file), file.stat().st_size, file.stat().st_mtime_ns)])
    return found.hexdigest()


def processor() -> list[str]:
    """What tells which instructions may be used."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return sorted({line for line in lines if line.startswith(("model", "flags", "Features", "CPU "))})
    return list(os.uname())


def load(place: Path) -> Callable[..., Any] | None:
    """What is compiled and kept there; None where nothing is, or nothing that can be loaded."""
    try:
        told = pickle.loads(zlib.decompress(place.read_bytes()))  # noqa: S301 - the folder is its owner's alone
        look_for_lapack()
        return serialize_executable.deserialize_and_load(*told)
    except Exception:  # noqa: BLE001 - whatever it is, it is compiled anew
        return None


@cache
def look_for_lapack() -> None:
    """JAX finds LAPACK where a call of it is lowered; what is compiled already would jump to nowhere."""
    lapack.prepare_lapack_call("potrf_ffi", np.float64)


def keep(place: Path, data: Callable[[], bytes]) -> None:
    """Keep it for the next run. It is written beside its place and moved there, so that nobody reads a part of it."""
    beside = place.with_name(f".{secrets.token_hex(8)}")
    with suppress(Exception):  # a full disk, or what JAX can't keep: the next run compiles it anew
        beside.write_bytes(data())
        beside.replace(place)


def packed(compiled: jax.stages.Compiled) -> bytes:
    return zlib.compress(pickle.dumps(serialize_executable.serialize(compiled)), 1)


def compiled_anew(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Beside JAX's own cache, which may have it from before: what was loaded from there can't be kept."""
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # it looks at this setting once
    try:
        return lowered.compile()
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()


FORM = 2
"""What was kept in an earlier form isn't read: of the first some can't be run."""


def compiled(task: Task, *given: Any) -> Callable[..., Any]:
    """The family's function, kept by what was asked; also by what JAX makes of that, which other adapters may share."""
    function, kept = jax.jit(pullback(task), keep_unused=True), folder()  # its text has then every argument
    if kept is None:
        return function

    def place_of(*told: object) -> Path:
        return kept / hashlib.sha256(repr((FORM, grounds(), *told)).encode()).hexdigest()

    asked = place_of(worker.CONTENT, task.mode, task.family.line)
    found = load(asked)
    if found is None:
        lowered = function.lower(*given)
        made = place_of(lowered.in_tree, lowered.out_tree, lowered.as_text())
        found = load(made)
        if found is None:
            found = compiled_anew(lowered)
            keep(made, lambda: packed(found))
        keep(asked, made.read_bytes)
    return found


FUNCTIONS: dict[Task, Callable[..., Any]] = {}


def function_of(task: Task, *given: Any) -> Callable[..., Any]:
    """JAX keeps what it compiled, even of functions that are gone: when there are many, all is dropped."""
    if task not in FUNCTIONS:
        if len(FUNCTIONS) == REMEMBERED:
            FUNCTIONS.clear()
            jax.clear_caches()
        FUNCTIONS[task] = compiled(task, *given) if task.mode == "jit" else pullback(task)
    return FUNCTIONS[task]


def differentiate(task: Task, inputs: dict[str, jax.Array]) -> tuple[dict[str, Any], dict[str, Any]]:
    wrt = {name: inputs[name] for name in task.wrt}
    others = {name: array for name, array in inputs.items() if name not in wrt}
    given = wrt, others, task.cotangents
    return function_of(task, *given)(*given)
