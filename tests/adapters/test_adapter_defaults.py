"""The page of optimizers: each framework's own defaults, trained with, are what the page says."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.optimizers import OPTIMIZERS

PAGE = (Path(__file__).parents[2] / "docs" / "optimizers.md").read_text()
LINES = dict(re.findall(r"^\| `([\w.]+)` \| `(.*)` \|$", PAGE, re.MULTILINE))
LIBRARIES = {"torch": "torch", "keras": "tensorflow", "optax": "jax", "mxnet": "mxnet"}
START = 0.25
GRADIENTS = [
    [0.5 * (-1) ** t, 1e-7 * (1 + t % 3), 1e-5 * (2 - t % 2), -0.125 * 0.5**t, *pair]
    for t, pair in enumerate([(1, 1), (-0.0895, -0.0905), *[(0.1, -0.1), (-0.1, 0.1)] * 3])
]
"""Of a size at which every epsilon matters, and of one at which none does; of the last two the signs that lion takes differ."""

TRAIN = {
    "torch": """
import torch
def train(name):
    p = torch.full((6,), START, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([p])
    for g in GRADIENTS:
        p.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        yield p.tolist()
""",
    "keras": """
import tensorflow as tf
tf.keras.config.set_floatx("float64")
def train(name):
    p = tf.Variable(tf.fill([6], tf.constant(START, tf.float64)))
    optimizer = getattr(tf.keras.optimizers, name)()
    for g in GRADIENTS:
        optimizer.apply([tf.constant(g, tf.float64)], [p])
        yield p.numpy().tolist()
""",
    "optax": """
import jax, jax.numpy as jnp, optax
jax.config.update("jax_enable_x64", True)
def train(name):
    p = jnp.full(6, START)
    optimizer = getattr(optax, name)(0.1)
    state = optimizer.init(p)
    for g in GRADIENTS:
        updates, state = jax.jit(optimizer.update)(jnp.asarray(g), state, p)
        p = optax.apply_updates(p, updates)
        yield p.tolist()
""",
    "mxnet": """
import mxnet as mx
from mxnet import np, npx
npx.set_np()
def train(name):
    p = np.full(6, START, dtype="float32")
    update = mx.optimizer.get_updater(getattr(mx.optimizer, name)())
    for g in GRADIENTS:
        update(0, np.array(g, dtype="float32"), p)
        yield p.asnumpy().tolist()
""",
}


@pytest.fixture(scope="module", params=LIBRARIES)
def found(request: Any) -> tuple[str, dict[str, list[list[float]]]]:
    """What each optimizer of a library, without an option, makes of the parameter in every step."""
    library = request.param
    names = [native.rpartition(".")[2] for native in LINES if native.startswith(library)]
    code = f"START, GRADIENTS = {START}, {GRADIENTS}\n{TRAIN[library]}\nimport json\n"
    code += f"print('found', json.dumps({{name: list(train(name)) for name in {names}}}))\n"
    done = subprocess.run(
        [*interpreter(LIBRARIES[library]), "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return library, json.loads(done.stdout.rpartition("found")[2])


def digits(native: str, options: dict[str, Any]) -> dict[str, float]:
    """MXNet is asked in float32; of betas Keras rounds some to that."""
    if native.startswith("mxnet"):
        return {"rtol": 1e-3, "atol": 1e-7}
    return {"rtol": 1e-5 if native.startswith("keras") and "beta1" in options else 1e-7, "atol": 0}


@pytest.mark.framework
def test_each_framework_does_by_default_what_the_page_says(
    found: tuple[str, dict[str, list[list[float]]]],
) -> None:
    library, trained = found
    assert trained
    for native, line in LINES.items():
        if not native.startswith(library):
            continue
        [(name, options)] = tomllib.loads(line).items()
        row, at = OPTIMIZERS[name], np.full(6, START)
        state, movements = row.started(at), []
        for count, gradient in enumerate(GRADIENTS, 1):
            at, state = row.took(EXACT, at, np.array(gradient), state, count, options)
            movements.append(at - START)
        got = np.array(trained[native.rpartition(".")[2]]) - START
        np.testing.assert_allclose(got, movements, **digits(native, options), err_msg=native)


def test_the_page_says_every_option_that_matters() -> None:
    """And every optimizer: a line's options are those of its row."""
    named = {next(iter(tomllib.loads(line))) for line in LINES.values()}
    assert named == set(OPTIMIZERS)
    for line in LINES.values():
        [(name, options)] = tomllib.loads(line).items()
        assert options.keys() <= OPTIMIZERS[name].options.keys()
