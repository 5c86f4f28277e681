"""`harness import keras:FILE.py:FUNCTION`: a model of Keras 3 becomes a case, in an interpreter that has Keras beside torch."""

import os

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main

pytestmark = pytest.mark.framework
MODEL = """
import keras
import numpy as np


class Scaled(keras.layers.Layer):
    def call(self, x):
        return keras.ops.tanh(x)


def make():
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="seen")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(Scaled()(x))
    model = keras.Model(image, keras.layers.Dense(2, name="out")(x))
    return model, {"inputs": np.random.default_rng(0).normal(size=(4, 6, 6, 2)).astype("float32"), "training": True}
"""


@pytest.fixture
def imported(tmp_path, monkeypatch, capfd):
    """What the command says of a file of this text, and the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(text, *more):
        (tmp_path / "mine.py").write_text(text)
        code = main(["import", "keras:mine.py:make", *more])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def test_a_model_of_keras_is_a_case_with_weights_by_their_paths(imported, tmp_path):
    if "HARNESS_KERAS" not in os.environ:
        pytest.skip(
            "HARNESS_KERAS names no interpreter that has keras beside torch; no environment of ours does"
        )
    code, _, err = imported(MODEL, "--write=cases/own/mine.toml")
    assert code == 0, err
    assert "gradients as the module's own in float64" in err
    assert "exported in training mode" in err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    weights = {"seen_kernel", "seen_bias", "norm_gamma", "norm_beta", "out_kernel", "out_bias"}
    assert set(variant.gradients) == {*weights, "inputs"}
    assert {"conv2d", "relu", "tanh", "matmul"} <= {node.op for node in variant.program.nodes}
    assert "#" not in variant.program.text
    assert {*variant.draw()["kept"].flat} <= {0.0, 2.0}


def test_inputs_of_a_model_of_keras_are_shrunk(imported, tmp_path):
    if "HARNESS_KERAS" not in os.environ:
        pytest.skip("HARNESS_KERAS names no interpreter that has keras beside torch")
    code, _, err = imported(
        MODEL.replace("size=(4, 6", "size=(32, 6").replace(', name="out"', ""),
        "--shrink",
        "--write=cases/own/mine.toml",
    )
    assert code == 0, err
    assert err.startswith("inputs made smaller:\n  32 to ")
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert len(variant.draw()["inputs"]) < 32
    assert {"dense_kernel", "dense_bias"} <= set(variant.gradients)


def test_without_an_interpreter_it_is_said_that_keras_is_needed_too(imported, monkeypatch, tmp_path):
    monkeypatch.delenv("HARNESS_KERAS", raising=False)
    monkeypatch.setenv("TOX_WORK_DIR", str(tmp_path))
    code, _, err = imported(MODEL)
    assert code == 2
    assert "no interpreter for keras" in err
    assert "what it needs beside that: keras" in err


def test_the_file_that_is_none_is_told(imported):
    assert main(["import", "keras:yours.py:make"]) == 2
