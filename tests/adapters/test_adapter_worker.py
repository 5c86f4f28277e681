"""The loop that all adapters share, driven through its pipe with a toy adapter."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from client import ADAPTERS, BOOTSTRAP, Client, node

TOY = ADAPTERS.parent / "tests" / "helpers" / "toy.py"
SUM = {"axis": None, "keepdims": False}
X = np.array([1.0, 2.0, 3.0])


@pytest.fixture
def toy() -> Iterator[Client]:
    client = Client([sys.executable], TOY)
    assert client.ready["type"] == "ready", client.ready
    yield client
    client.close()


def squares(name: str = "x") -> list[dict]:
    return [node("y", "mul", name, name), node("loss", "sum", "y", **SUM)]


def assert_lives(toy: Client) -> None:
    assert toy.run(squares(), {"x": X})["arrays"]["value", "loss"] == 14


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_op_that_asks_for_a_dtype_is_told_the_cell_s(toy: Client, dtype: str) -> None:
    program = [
        node("t", "one_hot", "labels", classes=3),
        node("y", "mul", "t", "w"),
        node("l", "sum", "y", **SUM),
    ]
    inputs = {"labels": np.array([2, 0]), "w": np.ones(3, dtype)}
    found = toy.run(program, inputs, values=["t"], dtype=dtype)["arrays"]["value", "t"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [[0, 0, 1], [1, 0, 0]])


def test_ready_tells_the_framework_and_the_interpreter(toy: Client) -> None:
    about = toy.ready["about"]
    assert toy.ready["protocol"] == 3
    assert about["framework"] == "toy"
    assert about["python"].startswith("3.")
    assert about["numpy"] == np.__version__


def test_values_and_gradients_keep_name_dtype_and_shape(toy: Client) -> None:
    arrays = toy.run(squares(), {"x": X}, values=["y", "loss"], gradients=["x"])["arrays"]
    assert list(arrays) == [("value", "y"), ("value", "loss"), ("gradient", "x")]
    assert arrays["value", "loss"].shape == ()
    np.testing.assert_array_equal(arrays["gradient", "x"], 2 * X)


def test_a_probe_has_the_cotangent_of_its_node(toy: Client) -> None:
    program = [node("y", "mul", "x", "x"), node("z", "mul", "y", 3), node("loss", "sum", "z", **SUM)]
    arrays = toy.run(program, {"x": X}, gradients=["y", "loss"], probes={"y": [3], "loss": []})["arrays"]
    np.testing.assert_array_equal(arrays["gradient", "y"], [3, 3, 3])
    assert arrays["gradient", "loss"] == 1


def test_a_probe_leaves_the_sign_of_a_zero(toy: Client) -> None:
    """-0.0 + 0.0 is 0.0, whose reciprocal is another number: -0.0 alone is neutral."""
    program = [node("y", "mul", "x", 2), node("z", "mul", "y", 1)]
    reply = toy.run(program, {"x": np.array([-0.0])}, values=["z"], gradients=["y"], probes={"y": [1]})
    assert np.signbit(reply["arrays"]["value", "z"]).all()


def test_the_cotangent_of_an_output_that_is_no_scalar_is_used(toy: Client) -> None:
    reply = toy.run([node("y", "mul", "x", 2)], {"x": X}, gradients=["x"], cotangent=np.array([1.0, 0, 5]))
    np.testing.assert_array_equal(reply["arrays"]["gradient", "x"], [2, 0, 10])


def test_a_node_may_have_several_outs(toy: Client) -> None:
    program = [node("a b c", "split", "x", parts=3, axis=0), node("y", "add", "a", "c")]
    assert toy.run(program, {"x": X})["arrays"]["value", "y"] == [4]


def test_an_index_arrives_as_a_real_index(toy: Client) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    program = [node("y", "index", "x", index=["...", None, [None, None, -2], 1])]
    np.testing.assert_array_equal(toy.run(program, {"x": x})["arrays"]["value", "y"], x[..., None, ::-2, 1])


def test_what_an_adapter_prints_goes_to_the_log(toy: Client) -> None:
    assert toy.run([node("y", "shout", "x")], {"x": X})["type"] == "done"
    toy.close()
    assert {"setting up", "from print", "from fd 1"} <= set(toy.logged().splitlines())


@pytest.mark.parametrize(
    ("op", "kw", "reason"),
    [("missing", {}, "the adapter has no such op"), ("refuse", {"slope": 2}, "no slope of 2")],
)
def test_what_an_adapter_cannot_say_is_unsupported(toy: Client, op: str, kw: dict, reason: str) -> None:
    reply = toy.run([node("y", op, "x", **kw)], {"x": X})
    assert (reply["type"], reply["op"], reply["reason"]) == ("unsupported", op, reason)
    assert_lives(toy)


def test_an_exception_is_an_answer_with_the_adapters_own_lines(toy: Client) -> None:
    reply = toy.run([node("y", "boom", "x")], {"x": X})
    assert reply["type"] == "raised"
    assert '"boom": lambda x: x @ np.zeros(99)' in reply["error"]
    assert "ValueError: matmul" in reply["error"]
    assert_lives(toy)


def test_exit_called_by_an_op_is_an_answer_too(toy: Client) -> None:
    reply = toy.run([node("y", "leave", "x")], {"x": X})
    assert reply["type"] == "raised"
    assert "SystemExit: 3" in reply["error"]
    assert_lives(toy)


def test_a_mode_that_the_adapter_lacks_is_named(toy: Client) -> None:
    reply = toy.run(squares(), {"x": X}, mode="turbo")
    assert "mode 'turbo': the adapter has eager" in reply["error"]


def test_an_input_changed_in_place_is_named(toy: Client) -> None:
    reply = toy.run([node("y", "grow", "x"), node("z", "mul", "y", "w")], {"x": X, "w": X})
    assert (reply["type"], reply["changed"]) == ("done", ["x"])
    assert_lives(toy)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
def test_arrays_without_axes_or_elements_survive_the_wire(toy: Client, shape: tuple[int, ...]) -> None:
    y = toy.run([node("y", "mul", "x", 2)], {"x": np.ones(shape)})["arrays"]["value", "y"]
    np.testing.assert_array_equal(y, np.full(shape, 2.0), strict=True)


def test_arrays_of_mixed_dtypes_lie_unaligned_in_the_payload(toy: Client) -> None:
    inputs = {
        "c": np.array([True]),
        "i": np.array([5]),
        "f": np.array([0.5], "float32"),
        "x": np.array([2.0]),
    }
    program = [node("a", "mul", "c", "i"), node("b", "mul", "f", "x"), node("y", "mul", "a", "b")]
    arrays = toy.run(program, inputs, values=["a", "y"])["arrays"]
    assert arrays["value", "a"] == [5]
    assert arrays["value", "y"] == [5]


def test_training_answers_each_step_at_its_own_parameters(toy: Client) -> None:
    program = [node("d", "mul", "w", "x"), *squares("d")]
    training = {"optimizer": {"sgd": {"lr": 0.25}}, "parameters": ["w"], "steps": 3}
    x = np.array([[1.0], [2.0], [0.5]])
    request = {"gradients": ["w"], "training": training, "each": ["x"]}
    arrays = toy.run(program, {"w": np.array([1.0]), "x": x}, **request)["arrays"]
    w = 1.0
    for step, at in enumerate(x[:, 0]):
        gradient = 2 * w * at**2
        assert arrays["value", "loss", step] == (w * at) ** 2
        assert arrays["gradient", "w", step] == gradient
        w -= 0.25 * gradient
        assert arrays["parameter", "w", step] == w
    assert len(arrays) == 9


def test_a_parameter_may_be_trained_without_its_gradient_being_asked(toy: Client) -> None:
    training = {"optimizer": {"sgd": {"lr": 0.5}}, "parameters": ["w"], "steps": 1}
    arrays = toy.run(squares("w"), {"w": X}, training=training)["arrays"]
    assert set(arrays) == {("value", "loss", 0), ("parameter", "w", 0)}


def test_an_option_that_an_optimizer_does_not_name_is_unsupported_unless_it_says_nothing(toy: Client) -> None:
    """The toy's sgd has a learning rate alone."""
    program, given = [node("loss", "sum", "w", **SUM)], {"w": X}

    def asked(**options: object) -> dict[str, object]:
        training = {"optimizer": {"sgd": {"lr": 0.5, **options}}, "parameters": ["w"], "steps": 1}
        return toy.run(program, given, gradients=["w"], training=training)

    assert asked(momentum=0.0, nesterov=False)["type"] == "done"
    reply = asked(momentum=0.5, nesterov=False)
    assert (reply["type"], reply["op"], reply["reason"]) == (
        "unsupported",
        "sgd",
        "the adapter's has no momentum",
    )


def test_an_optimizer_that_the_adapter_lacks_is_unsupported(toy: Client) -> None:
    training = {"optimizer": {"adam": {}}, "parameters": ["w"], "steps": 1}
    reply = toy.run(squares("w"), {"w": X}, training=training)
    assert (reply["type"], reply["op"]) == ("unsupported", "adam")


def test_another_protocol_version_is_refused_with_both_numbers() -> None:
    client = Client([sys.executable], TOY, protocol=1)
    assert client.ready["type"] == "failed"
    assert "speaks protocol 3" in client.ready["error"]
    assert "protocol 1" in client.ready["error"]
    assert client.close() == 1


def test_an_adapter_that_does_not_load_fails_with_its_traceback(tmp_path: Path) -> None:
    broken = tmp_path / "adapter.py"
    broken.write_text("import numpy\nimport no_such_framework\n")
    client = Client([sys.executable], broken)
    assert client.ready["type"] == "failed"
    assert "line 2" in client.ready["error"]
    assert "import no_such_framework" in client.ready["error"]
    client.close()


def test_stop_and_the_end_of_the_pipe_both_exit_with_0(toy: Client) -> None:
    assert toy.close() == 0
    other = Client([sys.executable], TOY)
    other.send({"type": "stop"})
    assert other.process.wait(timeout=60) == 0
    other.close()


def test_nonsense_on_the_pipe_ends_the_worker_with_an_error(toy: Client) -> None:
    toy.stdin.write(b"GET / HTTP/1.1\r\n\r\n")
    toy.stdin.flush()
    assert toy.process.wait(timeout=60) == 1
    assert "should be b'GCH1'" in toy.logged()


def test_folders_beside_the_worker_shadow_no_module(tmp_path: Path) -> None:
    """Not in the working directory, and not where the adapters lie, even if PYTHONPATH says so."""
    for name in ("numpy", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('shadowed')")
    folder = tmp_path / "adapters" / "toy"
    folder.mkdir(parents=True)
    (folder / "adapter.py").write_text(TOY.read_text())
    path = os.pathsep.join([str(folder.parent), str(folder)])
    env = {**os.environ, "PYTHONPATH": path}
    argv = ["env", f"PYTHONPATH={path}", sys.executable]
    client = Client(argv, folder / "adapter.py", cwd=tmp_path)
    assert client.ready["type"] == "ready", (client.ready, env["PYTHONPATH"])
    for entry in ("", str(folder), str(folder.parent)):
        assert (
            client.run([node("y", "path_has", "x", entry=entry)], {"x": X})["arrays"]["value", "y"].sum() == 0
        )
    client.close()


def test_the_bootstrap_needs_nothing_but_python() -> None:
    assert "import" not in BOOTSTRAP.replace("import sys, types", "")


def test_no_adapter_folder_is_a_package() -> None:
    assert not list(ADAPTERS.rglob("__init__.py"))


def test_all_that_an_adapter_lacks_is_said_at_once_and_in_words(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(
        "MODES = 'eager'\nOPS = {'exp': 3}\nFORMULAS = ['exp']\nOPTIMIZERS = 1\n"
        "def setup(threads): pass\nto_numpy = None\n"
    )
    client = Client([sys.executable], adapter)
    assert client.ready["type"] == "failed"
    assert client.ready["error"].splitlines() == [
        "it is not complete:",
        '  about is missing; it should be about() -> {"framework": ..., "version": ...}',
        "  to_native is missing; it should be to_native(array) -> tensor",
        "  differentiate is missing; it should be differentiate(task, inputs) -> (values, gradients)",
        "  MODES is 'eager', should be MODES = (\"eager\",), words, the default first",
        "  OPS['exp'] is of type int, should be a function",
        "  OPTIMIZERS is of type int, should be a dict of functions",
        "  FORMULAS is of type list, should be a set of names of OPS",
        "  setup(threads) can't be called as setup(threads, seed)",
        "  to_numpy is of type NoneType, should be to_numpy(tensor) -> array",
    ]
    client.close()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ("1", "about() gives int; it should be about() -> "),
        ("{'framework': 'mine'}", "about() has no 'version'; it should be about() -> "),
        ("{'framework': 'mine', 'version': object}", "about()['version'] is of type type; it should be"),
    ],
)
def test_what_an_adapter_must_tell_of_itself(tmp_path: Path, about: str, words: str) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(f"{TOY.read_text()}\ndef about(): return {about}\n")
    client = Client([sys.executable], adapter)
    assert client.ready["error"].startswith(words)
    client.close()


def with_a_family(folder: Path, text: str) -> Client:
    """The toy with a module of ops beside it."""
    folder.joinpath("adapter.py").write_text(TOY.read_text())
    folder.joinpath("ops_more.py").write_text(text)
    return Client([sys.executable], folder / "adapter.py")


def test_ops_beside_an_adapter_become_its_own(tmp_path: Path) -> None:
    """They may take what the adapter has, which is executed before them."""
    text = "import adapter\nOPS = {'twice': lambda x: adapter.OPS['add'](x, x)}\nFORMULAS = {'twice'}\n"
    client = with_a_family(tmp_path, text)
    assert "twice" in client.ready["ops"]
    assert client.ready["formulas"] == ["twice"]
    arrays = client.run([node("y", "twice", "x"), node("loss", "sum", "y", **SUM)], {"x": X})["arrays"]
    assert arrays["value", "loss"] == 12
    client.close()


def test_an_op_that_stands_twice_is_told_with_its_file(tmp_path: Path) -> None:
    client = with_a_family(tmp_path, "OPS = {'mul': None}\n")
    assert client.ready["type"] == "failed"
    assert "ops_more.py has mul, which stands elsewhere too" in client.ready["error"]
    client.close()
