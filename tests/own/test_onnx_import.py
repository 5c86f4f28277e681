"""`harness import FILE.onnx`: a model in a file becomes a case, which is held to what ONNX's own evaluator gives."""

import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(1)
PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def weight(name, *shape):
    drawn = np.random.default_rng(len(name)).normal(size=shape)
    return numpy_helper.from_array(drawn.astype(np.float32), name)


def model(nodes, weights, shape=(2, 3, 8, 8), kind=TensorProto.FLOAT, opset=21, outputs=("y",)):
    given = [helper.make_tensor_value_info("x", kind, shape)]
    gives = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "graph", given, gives, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def network(**how):
    """A convolution, a normalization by running statistics, a pooling, and a linear layer with its shape computed."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], "/conv/Conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["b"], "/norm"),
        node("Relu", ["b"], ["c"], "/relu"),
        node("MaxPool", ["c"], ["d"], "/pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Dropout", ["d"], ["e"], "/drop"),
        node("Shape", ["x"], ["shape"], start=0, end=1),
        node("Constant", [], ["rest"], value=numpy_helper.from_array(np.array([-1]))),
        node("Concat", ["shape", "rest"], ["flat"], axis=0),
        node("Reshape", ["e", "flat"], ["f"], "/flatten"),
        node("Gemm", ["f", "0.weight", "0.bias"], ["g"], "/0/Gemm", transB=1),
        node("Constant", [], ["half"], value=numpy_helper.from_array(np.float32(0.5))),
        node("Mul", ["g", "half"], ["y"], "/Mul"),
    ]
    var = numpy_helper.from_array(np.array([0.5, 1, 1.5, 2], np.float32), "var")
    shapes = {"conv.weight": (4, 3, 3, 3), "conv.bias": (4,), "scale": (4,), "shift": (4,), "mean": (4,), "0.weight": (5, 64), "0.bias": (5,)}  # fmt: skip
    return model(nodes, [var, *(weight(name, *shape) for name, shape in shapes.items())], **how)


@pytest.fixture
def imported(tmp_path, monkeypatch, capsys):
    """What the command says of a model, and the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(found, *more):
        if found is not None:
            onnx.save(found, "mine.onnx")
        code = main(["import", "mine.onnx", *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_file_is_written_as_a_case_and_said_to_infer(imported, tmp_path):
    code, out, err = imported(network(), "--write=cases/own/mine.toml")
    assert code == 0, err
    assert "mine.onnx is an INFERENCE graph" in err
    assert "value as the module's own in float64, to" in err
    assert "run it with: pytest --cases=cases cases/own/mine.toml" in out
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    ops = [
        "conv2d",
        "batch_norm_inference",
        "relu",
        "max_pool2d",
        "reshape",
        "transpose",
        "matmul",
        "add",
        "mul",
    ]
    assert [node.op for node in variant.program.nodes] == ops
    weights = {"conv_weight", "conv_bias", "scale", "shift", "t0_weight", "t0_bias"}
    assert set(variant.gradients) == {*weights, "x"}
    assert "# /conv/Conv" in variant.program.text
    assert "mul(g, 0.5)" in variant.program.text


def test_the_page_shows_what_happens(tmp_path, monkeypatch, capfd):
    """Of numbers like 6.6e-16 that there is one."""
    monkeypatch.chdir(tmp_path)
    [shown] = re.findall(
        r"^\$ harness import (network.onnx .*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    command, *printed = shown.splitlines()
    onnx.save(network(), "network.onnx")
    assert main(["import", *command.split()]) == 0
    said = capfd.readouterr()
    lines = [re.sub(r"\d\.\de-1\d", "#", line) for line in (said.err + said.out).splitlines()]
    assert lines == [re.sub(r"\d\.\de-1\d", "#", line) for line in printed]


def test_what_is_of_an_older_opset_is_read_as_it_was_meant(imported, tmp_path):
    """Softmax had another meaning before opset 13: of all axes from one on; here the sums of rows are those of a sample."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"], axis=1),
        helper.make_node("Squeeze", ["s"], ["y"], axes=[0]),
    ]
    code, _, err = imported(model(nodes, [], (1, 2, 3), opset=11), "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    [softmax] = [node for node in variant.program.nodes if node.op == "softmax"]
    assert "reshape" in [node.op for node in variant.program.nodes]
    assert softmax.kw["axis"] == -1


def test_inputs_lie_in_an_archive_where_a_size_has_no_number_or_where_they_are_no_floats(imported, tmp_path):
    code, _, err = imported(network(shape=("batch", 3, 8, 8)), "--write=cases/own/mine.toml")
    assert code == 2
    assert "input x has sizes without a number (batch): give it in an archive with --inputs FILE.npz" in err
    np.savez("given.npz", x=RANDOM.normal(size=(1, 3, 8, 8)))
    code, _, err = imported(None, "--inputs=given.npz", "--write=cases/own/mine.toml")
    assert code == 0, err
    ids = [helper.make_node("Gather", ["table", "x"], ["y"])]
    code, _, err = imported(model(ids, [weight("table", 4, 3)], (2,), TensorProto.INT64), "--redraw")
    assert "input x is no float: give it in an archive with --inputs FILE.npz" in err
    np.savez("given.npz", x=np.array([1, -1]))
    code, out, err = imported(None, "--inputs=given.npz", "--redraw")
    assert code == 0, err
    assert "take(table, x_2, axis=0)" in out or "take(table, x, axis=0)" in out
    np.savez("given.npz", z=np.array([1, -1]))
    assert "there is no input z; there are: x" in imported(None, "--inputs=given.npz", "--redraw")[2]


def test_data_may_lie_beside_the_model_and_nowhere_else(imported, tmp_path):
    save = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    onnx.save(network(), tmp_path / "mine.onnx", **save)
    assert imported(None, "--write=cases/own/mine.toml")[0] == 0
    (tmp_path / "elsewhere").mkdir()
    far = onnx.load(tmp_path / "mine.onnx", load_external_data=False)
    for tensor in far.graph.initializer:
        tensor.external_data[0].value = "../weights.bin"
    (tmp_path / "mine.onnx").write_bytes(far.SerializeToString())
    code, _, err = imported(None, "--write=cases/own/other.toml")
    assert code == 2
    assert "lies in ../weights.bin; data may lie beside the model alone" in err
    assert not (tmp_path / "cases/own/other.toml").exists()


def test_what_programs_have_no_word_for_is_listed_with_its_place(imported):
    nodes = [
        helper.make_node("LRN", ["x"], ["a"], "/lrn", size=3),
        helper.make_node("Fancy", ["a"], ["b"], "/fancy", domain="com.example"),
        helper.make_node("LRN", ["x"], ["y"], "/again", size=3),
    ]
    code, _, err = imported(model(nodes[::2], []), "--redraw")
    assert code == 2
    assert (
        "LRN (no op of ours; what several of them would make is not written down here): 2 calls, the first in /lrn"
        in err
    )
    assert "Traceback" not in imported(model(nodes, []), "--redraw")[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--loss=mse_loss"],
            "a file of ONNX has neither submodules (--at) nor losses (--loss) nor --sizes to choose from",
        ),
        (["--inputs=some"], "the inputs of mine.onnx are given in an archive, FILE.npz"),
        (["--inputs=x.npz"], "--inputs x.npz: [Errno 2] No such file"),
        ([], "lie in an archive beside the case: name a place with --write FILE.toml, or --redraw them"),
    ],
)
def test_what_is_wrong_is_a_sentence(imported, options, words):
    code, _, err = imported(network(), *options)
    assert code == 2
    assert words in err


def test_a_file_of_another_kind_is_told(imported):
    Path("mine.onnx").write_bytes(b"no protobuf at all")
    code, _, err = imported(None)
    assert code == 2
    assert "mine.onnx: onnx" in err
    assert "can't evaluate it" in err
    Path("mine.onnx").unlink()
    assert "mine.onnx: no such file" in imported(None)[2]


def test_without_onnx_it_is_said_what_to_install(imported, monkeypatch):
    Path("mine.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "mine.onnx: onnx is missing: pip install onnx" in imported(None)[2]


def test_a_case_that_is_not_the_model_is_not_written(imported, monkeypatch):
    """Here a line of the table that forgets the bias."""
    from gradient_conformance.harness.own.onnx import ops

    monkeypatch.setitem(ops.OPS, "Gemm", lambda _: "y0 = x0 @ x1.T")
    code, _, err = imported(network(), "--redraw")
    assert code == 2
    assert "the case would not be the module: the value of y is off by" in err
