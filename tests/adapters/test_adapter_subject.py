"""Somebody's own file as the subject: what it is given, what it may return, what is said when it errs."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node
from gradient_conformance.harness.case.tensors import MAX_ELEMENTS
from gradient_conformance.harness.judging import settling

MINE = """
import numpy as np
import helper

def half_square(W, x):
    y = W * x
    return {"y": y, "loss": 0.5 * np.sum(y * y)}, {"W": y * x, "y": y, "x": helper.twice(y) / 2 * W}

def sized(W, x, k, cotangents):
    return {"loss": np.float64(k) + cotangents["loss"].sum()}, {}

def greedy(W, **rest):
    names = ["cotangents", "k", "optimizer", "x"]
    return {"loss": float(len(rest)), "y": np.array(sorted(rest) == names)}, {}

def forgetful(W, x):
    return {}, {"W": W}

def lacks(W):
    return {}, {"W": W}

def misnames(W, X):
    return {}, {"W": W}

def demands(W, x, *, rate):
    return {}, {"W": W}

seven = 7

def in_an_array(W, x):
    return {"loss": np.array([[36.5]], W.dtype)}, {"W": W}

def broadcast(W, x):
    return {"loss": 0.5}, {"W": np.broadcast_to(W.dtype.type(1), (10**6, 10**6))}

def broadcast_integer(W, x):
    return {"loss": 0.5}, {"W": np.broadcast_to(1, (10**6, 10**6))}

def broadcast_told(case):
    case.gradient("W", np.broadcast_to(1.0, (10**6, 10**6)))

def stray(W, x):
    return 5

def listed(W, x):
    return [1.0], {}

def careless(W, x):
    W += 1
    return {"loss": W.sum()}, {"W": W}

def slow_and_steady(W, x, optimizer):
    lr = optimizer["sgd"]["lr"]
    return {"loss": W.sum()}, {"W": np.ones_like(W)}, {"W": W - lr - 100}
"""
W, X = np.array([1.0, 2.0]), np.array([3.0, 4.0])


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("subject")
    (folder / "mine.py").write_text(MINE)
    (folder / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    client = Client([sys.executable], ADAPTERS / "subject.py", subject=folder / "mine.py")
    assert client.ready["type"] == "ready", client.ready

    def run(function: str, **request: Any) -> dict[str, Any]:
        program = [node("y", "mul", "W", "x"), node("loss", "half_square", "y")]
        given = {"values": ["loss", "y"], "gradients": ["W", "y"], "probes": {"y": [2]}, "bindings": {"k": 2}}
        return client.run(program, {"W": W, "x": X}, case=f"notebooks/{function}", **(given | request))

    yield run
    assert client.close() == 0
    assert client.ready["about"]["framework"] == "mine"
    assert len(client.ready["about"]["version"]) == 12


def test_a_function_gets_its_tensors_and_only_what_is_asked_is_kept(ask: Callable[..., Any]) -> None:
    arrays = ask("half_square")["arrays"]
    assert set(arrays) == {("value", "loss"), ("value", "y"), ("gradient", "W"), ("gradient", "y")}
    assert arrays["value", "loss"] == 36.5
    np.testing.assert_array_equal(arrays["gradient", "W"], [9, 32])


def test_sizes_and_cotangents_are_given_to_a_signature_that_names_them(ask: Callable[..., Any]) -> None:
    assert ask("sized", cotangent=np.array([5.0]))["arrays"]["value", "loss"] == 7


def test_double_star_asks_for_everything(ask: Callable[..., Any]) -> None:
    arrays = ask("greedy")["arrays"]
    assert arrays["value", "loss"] == 4
    assert arrays["value", "y"]


def test_a_missing_function_is_unsupported(ask: Callable[..., Any]) -> None:
    reply = ask("two_branches")
    assert (reply["type"], reply["op"]) == ("unsupported", None)
    assert reply["reason"] == "mine.py has no function two_branches"


def test_what_bears_a_functions_name_and_is_none_is_an_error(ask: Callable[..., Any]) -> None:
    reply = ask("seven")
    assert reply["type"] == "raised"
    assert reply["error"].startswith(
        "mine.py: seven is an int, but a case is answered by a function of its name"
    )


def test_a_loss_in_an_array_of_one_element_is_the_number_in_it_and_is_told(ask: Callable[..., Any]) -> None:
    reply = ask("in_an_array")
    assert reply["arrays"]["value", "loss"].shape == ()
    assert reply["arrays"]["value", "loss"] == 36.5
    assert reply["printed"] == "loss has shape (1, 1): it is taken as the one number in it\n"
    assert ask("in_an_array", cotangent=np.array([[5.0]]))["arrays"]["value", "loss"].shape == (1, 1)


@pytest.mark.parametrize("function", ["broadcast", "broadcast_integer", "broadcast_told"])
def test_a_number_that_is_broadcast_beyond_all_memory_is_told_by_its_shape(
    ask: Callable[..., Any], function: str
) -> None:
    reply = ask(function)
    assert reply["type"] == "raised"
    told = "has shape (1000000, 1000000); no tensor of a case has more than 50000000 elements"
    assert reply["error"].rstrip().endswith(told)
    assert "worker" not in reply["error"]


def test_a_missing_name_is_left_to_the_host(ask: Callable[..., Any]) -> None:
    assert set(ask("forgetful")["arrays"]) == {("gradient", "W")}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("stray", "(values, gradients, parameters); it returned an int"),
        ("listed", "dicts by name; its values are a list"),
    ],
)
def test_a_wrong_return_is_told(ask: Callable[..., Any], function: str, message: str) -> None:
    reply = ask(function)
    assert reply["type"] == "raised"
    assert f"mine.py: {function} should return (values, gradients)" in reply["error"]
    assert message in reply["error"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("lacks", "got an unexpected keyword argument 'x'"),
        ("misnames", "missing a required argument: 'X'"),
        ("demands", "missing a required argument: 'rate'"),
    ],
)
def test_wrong_names_of_parameters_are_told_with_those_that_the_case_has(
    ask: Callable[..., Any], function: str, message: str
) -> None:
    reply = ask(function)
    assert reply["type"] == "raised"
    given = "the case gives W, x, and to who names them k, cotangents, optimizer"
    assert reply["error"] == f"mine.py: {function}: {message}; {given}"


def test_an_array_changed_in_place_is_found_out(ask: Callable[..., Any]) -> None:
    reply = ask("careless")
    assert (reply["type"], reply["changed"]) == ("done", ["W"])


def training(steps: int) -> dict[str, Any]:
    return {"optimizer": {"sgd": {"lr": 0.5}}, "parameters": ["W"], "steps": steps}


def test_without_parameters_plain_sgd_moves_them(ask: Callable[..., Any]) -> None:
    arrays = ask("half_square", training=training(2))["arrays"]
    once = W - 0.5 * W * X * X
    np.testing.assert_array_equal(arrays["parameter", "W", 0], once)
    np.testing.assert_array_equal(arrays["value", "y", 1], once * X)


def test_parameters_that_are_returned_are_the_next_steps(ask: Callable[..., Any]) -> None:
    arrays = ask("slow_and_steady", training=training(2))["arrays"]
    np.testing.assert_array_equal(arrays["parameter", "W", 1], W - 201)
    assert arrays["value", "loss", 1] == W.sum() - 201


def test_without_the_gradient_of_a_parameter_nothing_moves_and_nothing_more_is_shown(
    ask: Callable[..., Any],
) -> None:
    arrays = ask("sized", training=training(2), cotangent=np.array([5.0]))["arrays"]
    assert set(arrays) == {("value", "loss", 0)}


def test_a_file_that_does_not_load_fails_with_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import numpy\nraise RuntimeError('not yet')\n")
    client = Client([sys.executable], ADAPTERS / "subject.py", subject=tmp_path / "mine.py")
    assert client.ready["type"] == "failed"
    assert "raise RuntimeError('not yet')" in client.ready["error"]
    client.close()


def test_what_a_case_may_have_is_one_number_here_and_in_the_host() -> None:
    assert f"MOST_ELEMENTS = {MAX_ELEMENTS:_}\n" in (ADAPTERS / "subject_hands.py").read_text()


def test_what_people_call_a_gradient_is_one_rule_here_and_in_the_host() -> None:
    """The worker can't import the host's."""
    source = (ADAPTERS / "subject.py").read_text()
    assert f're.compile(r"{settling.BEFORE.pattern}", re.IGNORECASE)' in source
    assert f're.compile(r"{settling.BEHIND.pattern}")' in source
