"""Every op call at the subject's own numbers: all faults at once, each at its call, and nobody else accused."""

import numpy as np
import pytest
from gradient_conformance.harness.judging.blame import Suspect
from gradient_conformance.harness.judging.calls import diagnosis, judge_calls
from gradient_conformance.harness.judging.composition import budget, composed, flips, pooled
from gradient_conformance.harness.judging.examining import MOST_STEPS, chosen_steps
from gradient_conformance.harness.judging.precise import precisely
from gradient_conformance.harness.judging.trace import Trace
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.formats import FORMATS
from played import played

NETWORK = """
z = W @ x + b
h = tanh(z)
s = U @ h
p = sigmoid(s)
loss = sum(square(p - t))
"""


def network(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"W": (5, 4), "x": (4, 3), "b": (5, 1), "U": (2, 5), "t": (2, 3)}
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def twice(a):
    return 2 * a


def blamed(trace):
    return {alarm.suspect for alarm in judge_calls(trace).alarms}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compiled", [False, True])
def test_of_a_correct_framework_no_call_is_wrong(dtype, compiled):
    for seed in range(5):
        jitter = FORMATS[dtype].u
        judged = judge_calls(played(NETWORK, network(seed), dtype=dtype, compiled=compiled, jitter=jitter))
        assert judged.alarms == ()
        assert 0.1 < max(judged.used.values()) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_of_one_that_errs_by_fifty_units_calls_are_wrong(dtype):
    jitter = 50 * FORMATS[dtype].u
    assert judge_calls(played(NETWORK, network(), dtype=dtype, jitter=jitter)).alarms


CALLS = {
    ("value", "h"): Suspect("forward", 2),
    ("value", "s"): Suspect("forward", 3),
    ("gradient", "p"): Suspect("vjp", 5, 0),
    ("gradient", "s"): Suspect("vjp", 4, 0),
    ("gradient", "h"): Suspect("vjp", 3, 1),
    ("gradient", "U"): Suspect("vjp", 3, 0),
    ("gradient", "b"): Suspect("vjp", 1, 1),
    ("gradient", "loss"): Suspect("seed", name="loss"),
}


@pytest.mark.parametrize("key", CALLS)
def test_a_fault_is_named_at_its_call_and_nothing_that_follows_from_it(key):
    """The vjp of h's own call is worked out from the wrong output: it is no second fault."""
    assert blamed(played(NETWORK, network(), {key: twice})) == {CALLS[key]}


def test_every_one_of_several_faults_is_named():
    faults = dict.fromkeys(CALLS, twice)
    assert blamed(played(NETWORK, network(), faults)) == set(CALLS.values())


def test_a_wrong_gradient_below_a_wrong_output_is_named_with_it():
    """It is wrong for the output that the subject has, too."""
    faults = {("value", "h"): lambda a: a * np.float32(0.9), ("gradient", "z"): twice}
    assert blamed(played(NETWORK, network(), faults)) == {Suspect("forward", 2), Suspect("vjp", 2, 0)}


FAN_OUT = "a = square(x)\nb = sin(a)\nc = exp(a)\nloss = sum(b * c)"


def test_of_a_name_that_is_read_twice_the_copies_tell_which_use_is_wrong():
    x, wrong = {"x": np.linspace(0.1, 1, 4)}, {("use", "2.0"): twice}
    plain = judge_calls(played(FAN_OUT, x, wrong))
    [alarm] = plain.alarms
    assert alarm.suspects == {Suspect("vjp", 1, 0), Suspect("vjp", 2, 0), Suspect("sum", name="a")}
    assert plain.ambiguous
    [alarm] = judge_calls(played(FAN_OUT, x, wrong, told=lambda key: True)).alarms
    assert alarm.suspect == Suspect("vjp", 2, 0)


def test_contributions_that_are_right_and_added_up_wrongly_are_a_fault_of_adding_up():
    x, wrong = {"x": np.linspace(0.1, 1, 4)}, {("gradient", "a"): twice}
    [alarm] = judge_calls(played(FAN_OUT, x, wrong, told=lambda key: True)).alarms
    assert alarm.suspect == Suspect("sum", name="a")


SPLIT = "a, b = split(x, parts=2)\nloss = sum(a * a) + sum(b)"


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_call_with_several_outputs_has_one_place(name):
    trace = played(SPLIT, {"x": np.arange(1.0, 5)}, {("value", name): twice})
    assert blamed(trace) == {Suspect("forward", 0)}


def test_a_value_that_leads_nowhere_is_judged_too():
    text = "c = cos(x)\nloss = sum(sin(x))"
    assert blamed(played(text, {"x": np.ones(3)}, {("value", "c"): twice})) == {Suspect("forward", 0)}


# Few names


def only(*keys):
    return lambda key: key in keys


def test_calls_between_known_names_are_judged_as_one():
    keys = [("value", "h"), ("value", "p"), ("gradient", "U")]
    trace = played(NETWORK, network(), {("value", "z"): twice}, told=only(*keys))
    judged = judge_calls(trace)
    assert [alarm.key for alarm in judged.alarms] == [("value", "h")]
    assert diagnosis(trace, judged.alarms) == [{Suspect("forward", i) for i in (0, 1, 2)}]


def test_a_region_that_is_right_clears_its_calls():
    """The last layer's gradient is right, so that its vjps are; the first layer's is not."""
    keys = [("value", "h"), ("value", "p"), ("gradient", "U"), ("gradient", "W"), ("gradient", "x")]
    trace = played(NETWORK, network(), {("gradient", "z"): twice}, told=only(*keys))
    [found] = diagnosis(trace, judge_calls(trace).alarms)
    assert Suspect("vjp", 2, 0) in found
    assert Suspect("vjp", 4, 0) not in found


# Kinks


KINKS = [
    ("relu(x)", "x", {"x": [0.0, 1, -1]}, lambda g: [g[0], g[1], 0]),
    ("relu(x)", "x", {"x": [0.0, 1, -1]}, lambda g: [g[0] / 2, g[1], 0]),
    ("leaky_relu(x, slope=0.5)", "x", {"x": [0.0, 1, -1]}, lambda g: [g[0] * 0.75, g[1], g[2] / 2]),
    ("abs(x)", "x", {"x": [0.0, 1, -1]}, lambda g: [g[0], g[1], -g[2]]),
    ("maximum(x, 0)", "x", {"x": [0.0, 1, -1]}, lambda g: [g[0], g[1], 0]),
    ("norm(x, axis=0, keepdims=True)", "x", {"x": [0.0, 0, 0]}, lambda g: [0, g[0] * 0.6, g[0] * 0.8]),
    ("max(x, axis=0, keepdims=True)", "x", {"x": [1.0, 1, -1]}, lambda g: [g[0], 0, 0]),
    ("max(x, axis=0, keepdims=True)", "x", {"x": [1.0, 1, -1]}, lambda g: [g[0] / 4, g[0] * 0.75, 0]),
]


def at_kink(text, name, inputs, chosen, factor=1.0):
    program = f"y = {text}"
    size = 1 if "keepdims" in text else 3
    seed = np.array([0.5, -1.0, 2.0])[:size]
    fault = {("gradient", name): lambda _: factor * np.asarray(chosen(seed), dtype=np.float64)}
    return played(program, {n: np.array(a) for n, a in inputs.items()}, fault, seed=seed)


@pytest.mark.parametrize("kink", KINKS)
def test_at_a_kink_every_generalised_gradient_is_right_and_told(kink):
    judged = judge_calls(at_kink(*kink))
    assert judged.alarms == ()
    assert [alarm.key for alarm in judged.chosen] == [("gradient", "x")]


WRONG = [
    ("relu(x)", "x", {"x": [0.0, 1, -1]}, lambda g: [2 * g[0], g[1], 0]),
    ("relu(x)", "x", {"x": [0.0, 1, -1]}, lambda g: [g[0], g[1], g[2]]),
    ("relu(x)", "x", {"x": [0.0, 1, -1]}, lambda g: [np.nan, g[1], 0]),
    ("max(x, axis=0, keepdims=True)", "x", {"x": [1.0, 1, -1]}, lambda g: [g[0], g[0], 0]),
    ("max(x, axis=0, keepdims=True)", "x", {"x": [1.0, 1, -1]}, lambda g: [2 * g[0], -g[0], 0]),
    ("max(x, axis=0, keepdims=True)", "x", {"x": [1.0, 1, -1]}, lambda g: [g[0] / 2, 0, g[0] / 2]),
    ("norm(x, axis=0, keepdims=True)", "x", {"x": [0.0, 0, 0]}, lambda g: [0, g[0], g[0]]),
]


@pytest.mark.parametrize("kink", WRONG)
def test_outside_the_set_a_gradient_is_wrong(kink):
    judged = judge_calls(at_kink(*kink))
    assert [alarm.key for alarm in judged.alarms] == [("gradient", "x")]
    assert judged.chosen == ()


@pytest.mark.parametrize("op", ["maximum", "hypot"])
def test_what_is_no_number_is_no_gradient_of_either_input(op):
    """Nor is it anything that the other input's share could be the rest of."""
    zero = {"x": np.zeros(2), "y": np.zeros(2)}
    lost = {("gradient", name): lambda _: np.full(2, np.nan) for name in zero}
    judged = judge_calls(played(f"z = {op}(x, y)", zero, lost, seed=np.array([0.5, -1.0])))
    assert {alarm.key for alarm in judged.alarms} == {("gradient", "x"), ("gradient", "y")}


def test_where_a_broadcast_operand_meets_a_kink_each_place_chooses_for_itself():
    """Of cotangents with both signs the sum may be as large as that of the positive ones alone."""
    text = "y = maximum(x, b)"
    inputs = {"x": np.zeros(4), "b": np.zeros(1)}
    seed = np.array([1.0, -1.0, 2.0, -3.0])
    for total, right in ((3.0, True), (-4.0, True), (3.1, False)):
        trace = played(
            text, inputs, {("gradient", "b"): lambda a, total=total: np.full_like(a, total)}, seed=seed
        )
        alarms = {alarm.key for alarm in judge_calls(trace).alarms}
        assert (("gradient", "b") in alarms) is not right


def test_a_wrong_gradient_at_a_tie_inside_a_program_is_seen():
    """Ties between results of calls: the whole's tolerance says nothing there, the call's own numbers are exact."""
    text = "a = m * y\nb = max(a, axis=1)\nloss = sum(b * w)"
    inputs = {"m": np.full((3, 4), 2.0), "y": np.full((3, 4), 1.5), "w": np.array([27.0, 1, 3])}

    def whole_to_each(g):
        return np.repeat(inputs["w"][:, None], 4, axis=1)

    assert blamed(played(text, inputs, {("gradient", "a"): whole_to_each})) == {Suspect("vjp", 1, 0)}


# Exact cases


def test_where_nothing_rounds_one_unit_in_the_last_place_is_wrong():
    text, inputs = "y = x * 2\nloss = sum(y)", {"x": np.arange(1.0, 4)}
    fault = {("value", "y"): lambda a: np.nextafter(a, np.float32(9))}
    assert blamed(played(text, inputs, fault)) == set()
    assert blamed(played(text, inputs, fault, exact=True)) == {Suspect("forward", 0)}


def test_what_is_computed_from_a_wrong_number_of_an_exact_case_may_round():
    text = "y = x * 2\nz = y / 3\nloss = sum(z)"
    inputs = {"x": np.array([3.0, 6, 9])}
    trace = played(text, inputs, {("value", "y"): lambda a: a * np.float32(1.1)}, exact=True)
    assert blamed(trace) == {Suspect("forward", 0)}


# The whole once more


def answers(trace):
    return {("gradient", name): trace.answered["gradient", name] for name in ("W", "b", "U", "x")}


def test_with_a_wrong_result_taken_as_it_is_the_whole_agrees():
    trace = played(NETWORK, network(), {("gradient", "s"): twice})
    assert max(t.used for t in composed(trace, (), answers(trace))) > 1
    assert max(t.used for t in composed(trace, [("gradient", "s")], answers(trace))) <= 1


def test_a_second_fault_is_not_covered_by_taking_the_first_as_it_is():
    trace = played(NETWORK, network(), {("gradient", "s"): twice, ("gradient", "z"): twice})
    assert max(t.used for t in composed(trace, [("gradient", "s")], answers(trace))) > 1


def test_a_unit_that_rounding_flips_is_found():
    text = "z = a - b\nh = relu(z)\nloss = sum(h * h) + sum(h)"
    inputs = {"a": np.array([1.0, 2.0]), "b": np.array([1.0 - 2**-24, 1.0])}
    assert flips(played(text, inputs)).told == set()
    below = {("value", "z"): lambda a: a - np.float32(2**-23)}
    assert flips(played(text, inputs, below)).told == {("value", "h"), ("gradient", "z")}


def test_the_shares_of_an_error_add_up_to_it():
    trace = played(NETWORK, network(), {("gradient", "s"): lambda a: a * np.float32(1.01)})
    shares = budget(trace, ("gradient", "W"), (1, 2))
    assert sum(share for share, _ in shares) == pytest.approx(1)
    assert shares[0][1] == ("gradient", "s")
    assert shares[0][0] == pytest.approx(1, abs=0.01)


def cut(a):
    """Rounded towards zero, and never up."""
    near = a.astype(np.float32)
    return np.where(np.abs(near) > np.abs(a), np.nextafter(near, np.float32(0)), near)


def test_errors_that_are_small_in_every_call_and_add_up_are_named_by_their_op():
    """Each product is within its tolerance, the whole of 400 is not: their mean says so."""
    length = 400
    text = "\n".join([*(f"x{i + 1} = x{i} * c{i}" for i in range(length)), f"loss = sum(x{length})"])
    rng = np.random.default_rng(0)
    inputs = {"x0": rng.uniform(0.5, 1, 8)} | {f"c{i}": rng.uniform(0.9, 1.1, 8) for i in range(length)}
    inputs = {n: a.astype(np.float32).astype(np.float64) for n, a in inputs.items()}
    own, x = {}, inputs["x0"]
    for i in range(length):
        x = cut(x.astype(np.float64) * inputs[f"c{i}"]).astype(np.float32)
        own["value", f"x{i + 1}"] = x
    own["value", "loss"] = np.float32(np.sum(x.astype(np.float64)))
    plain = played(text, inputs)
    trace = Trace(plain.program, plain.inputs, {"loss": np.ones(())}, "float32", own)
    judged = judge_calls(trace)
    assert judged.alarms == ()
    assert max(t.used for t in composed(trace, (), own)) > 1
    [products, *_] = [row for row in pooled(trace) if (row.op, row.phase) == ("mul", "forward")]
    assert products.mean < -0.5
    assert products.drift > 20


def test_an_amplified_rounding_of_the_reference_s_own_is_seen_with_50_digits():
    """A sigmoid's p / (p (1 - p)) at a rounded p: what is told is right, and float64's own walk is off by thousands of tolerances."""
    text = 'p = sigmoid(z)\nloss = bce(p, t, reduction="sum")'
    z = np.array([2.0, 6, 14])
    trace = played(text, {"z": z, "t": np.zeros(3)}, dtype="float64")
    right = {("gradient", "z"): 1 / (1 + np.exp(-z))}
    assert max(t.used for t in composed(trace, (), right)) > 1000
    found = precisely(trace, (), right)
    assert max(t.used for t in found.compared(right)) <= 1
    assert (found.off > 1000, found.unsure) == (True, 0)


# Wrong gradients at ties inside programs: the whole sees them, and so does their call


M, Y = np.full((3, 4), 2.0), np.full((3, 4), 1.5)
W3, W34 = np.array([27.0, 1, 3]), np.linspace(1, 2, 12).reshape(3, 4)


def wide(g):
    """The whole cotangent of a row to each of its elements."""
    return np.repeat(g[:, None], 4, axis=1)


TIES = {
    "max, all of it to every tie": ("a = m * y\nb = max(a, axis=1)\nloss = sum(b * w)", "a", wide(W3)),
    "max, nothing to any": ("a = m * y\nb = max(a, axis=1)\nloss = sum(b * w)", "a", 0 * wide(W3)),
    "max, half of it lost": ("a = m * y\nb = max(a, axis=1)\nloss = sum(b * w)", "a", wide(W3) / 8),
    "max, more than all to one": (
        "a = m * y\nb = max(a, axis=1)\nloss = sum(b * w)",
        "a",
        wide(W3) * np.array([2.0, -1, 0, 0]),
    ),
    "maximum, all of it to the left twice": (
        "a = m * y\nb = y * m\nc = maximum(a, b)\nloss = sum(c * v)",
        "a",
        2 * W34,
    ),
    "maximum, against the cotangent": (
        "a = m * y\nb = y * m\nc = maximum(a, b)\nloss = sum(c * v)",
        "a",
        -W34,
    ),
    "relu at 0, twice": ("a = m * y - t\nb = relu(a)\nloss = sum(b * v)", "a", 2 * W34),
    "relu at 0, negative": ("a = m * y - t\nb = relu(a)\nloss = sum(b * v)", "a", -0.5 * W34),
    "abs at 0, twice": ("a = m * y - t\nb = abs(a)\nloss = sum(b * v)", "a", 2 * W34),
    "leaky_relu at 0, nothing": (
        "a = m * y - t\nb = leaky_relu(a, slope=0.25)\nloss = sum(b * v)",
        "a",
        0 * W34,
    ),
    "norm at 0, twice as long": (
        "a = m * y - t\nb = norm(a, axis=1)\nloss = sum(b * w)",
        "a",
        wide(W3),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tie", TIES)
def test_a_wrong_gradient_at_a_tie_never_agrees(tie, dtype):
    text, name, wrong = TIES[tie]
    inputs = {"m": M, "y": Y, "w": W3, "v": W34, "t": M * Y}
    needed = {n: a for n, a in inputs.items() if f"{n})" in text or f"{n} " in text or f" {n}" in text}
    trace = played(text, needed, {("gradient", name): lambda _: np.asarray(wrong)}, dtype=dtype)
    answer = {key: trace.answered[key] for key in (("gradient", "m"), ("gradient", "y"))}
    assert len(blamed(trace)) == 1
    whole = composed(trace, (), answer)
    assert max(t.used for t in whole) > 1 or all(t.verdict is Verdict.INCONCLUSIVE for t in whole)


TIE = {"a": np.array([1.0, 2, 3]), "b": np.array([1.0, 2, 1])}


@pytest.mark.parametrize(
    ("a", "b", "right"),
    [
        ([1, 1, 1], [0, 0, 0], True),
        ([0.25, 0.5, 1], [0.75, 0.5, 0], True),
        ([0, 0, 1], [0, 0, 0], False),
        ([1, 1, 1], [1, 1, 0], False),
    ],
)
def test_of_two_that_are_equal_the_shares_add_up(a, b, right):
    """Each of them alone is between the derivatives of both sides; lost or given twice they are no gradient."""
    faults = {("gradient", n): lambda _, g=g: np.array(g, float) for n, g in (("a", a), ("b", b))}
    trace = played("y = maximum(a, b)\nloss = sum(y)", TIE, faults)
    assert (judge_calls(trace).alarms == ()) is right


@pytest.mark.parametrize(
    ("text", "a", "b", "right"),
    [
        ("loss = sum(relu(a - b))", [1, 1, 1], [-1, -1, -1], True),
        ("loss = sum(relu(a - b))", [1, 1, 1], [0, 0, -1], False),
        ("loss = sum(maximum(a, b))", [1, 1, 1], [0, 0, 0], True),
        ("loss = sum(maximum(a, b))", [1, 1, 1], [1, 1, 0], False),
        ("loss = sum(maximum(a, b))", [0, 0, 1], [0, 0, 0], False),
        ("loss = sum(abs(a - b))", [1, 1, 1], [-1, -1, -1], True),
    ],
)
def test_between_names_that_nobody_told_one_convention_has_to_explain_all(text, a, b, right):
    keys = [("value", "loss"), ("gradient", "a"), ("gradient", "b")]
    faults = {("gradient", n): lambda _, g=g: np.array(g, float) for n, g in (("a", a), ("b", b))}
    trace = played(text, TIE, faults, told=only(*keys))
    judged = judge_calls(trace)
    assert (judged.alarms == ()) is right
    if not right and "maximum" in text:
        assert any(s.call == 0 for found in diagnosis(trace, judged.alarms) for s in found)


LARGEST = (
    "max(x, axis=1)",
    "min(x, axis=1)",
    "norm(x, p=inf, axis=1)",
    "max_pool1d(reshape(x, shape=(1, 3, 4)), size=2)",
)


@pytest.mark.parametrize("largest", LARGEST)
@pytest.mark.parametrize("factor", [1.0, 2.0, 0.0, -1.0])
def test_a_largest_element_without_a_tie_is_no_kink_that_excuses_a_gradient(largest, factor):
    """None of its elements is beside the largest: that would be no number, of which nothing is wrong."""
    x = np.arange(12.0).reshape(3, 4) ** 1.5
    keys = [("value", "loss"), ("gradient", "x")]
    faults = {("gradient", "x"): lambda a: a * factor}
    trace = played(f"loss = sum(x * x) + sum({largest})", {"x": x}, faults, told=only(*keys))
    assert (judge_calls(trace).alarms == ()) is (factor == 1.0)


@pytest.mark.parametrize(
    ("gradient", "right"), [([1, 1, 1, 1], True), ([1, -1, 1, 1], True), ([1, 1, 2, 1], False)]
)
def test_beside_a_kink_a_largest_element_is_what_it_is(gradient, right):
    faults = {("gradient", "x"): lambda _: np.array(gradient, float)}
    keys = [("value", "loss"), ("gradient", "x")]
    trace = played(
        "loss = sum(abs(x - v)) + max(x) * 0",
        {"x": np.array([1.0, 2, 3, 4]), "v": np.array([0.0, 2, 1, 1])},
        faults,
        told=only(*keys),
    )
    assert (judge_calls(trace).alarms == ()) is right


def test_behind_places_that_nobody_told_a_wrong_gradient_is_looked_into():
    """What a vjp depends on is seen by giving it others: of places those that there are."""
    inputs = {"x": np.array([[1.0, 3.0], [2.0, 0.5], [0.0, 1.0]]), "w": np.array([0.5, 2.0, -1.0])}
    faults = {("gradient", "x"): lambda a: a * 3}
    for text in (
        "loss = sum(take(w, argmax(x, axis=0)) * x[0])",
        "loss = sum(one_hot(argmax(x, axis=0), classes=3) * x.T)",
    ):
        text = text.replace("x.T", "transpose(x, axes=(1, 0))")
        trace = played(
            text, inputs, faults, told=only(("value", "loss"), ("gradient", "x"), ("gradient", "w"))
        )
        assert [alarm.key for alarm in judge_calls(trace).alarms] == [("gradient", "x")]


def test_equal_infinities_are_a_tie_too():
    inputs = {"x": np.array([1.0, -np.inf]), "v": np.array([0.0, -np.inf])}
    for x, v in (([1, 1], [0, 0]), ([1, 0.5], [0, 0.5])):
        faults = {("gradient", n): lambda _, g=g: np.array(g, float) for n, g in (("x", x), ("v", v))}
        trace = played(
            "y = maximum(x, v)\nloss = sum(where(c, y, 0))", inputs | {"c": np.array([True, True])}, faults
        )
        assert judge_calls(trace).alarms == ()


def test_in_an_exact_case_a_gradient_from_a_wrong_output_may_round():
    """The proof is about the right output: the gradient that follows from another is no second fault."""
    fault = {("value", "y"): lambda a: a * np.float32(1.1)}
    trace = played("y = sqrt(x)", {"x": np.array([1.0, 4, 9])}, fault, seed=np.array([1.0, 3, 1]), exact=True)
    assert blamed(trace) == {Suspect("forward", 0)}


def test_in_an_exact_case_another_convention_has_to_hold_exactly():
    keys = [("value", "loss"), ("gradient", "a"), ("gradient", "b")]
    for near, right in ((1.0, True), (np.nextafter(1.0, 2.0, dtype=np.float32), False)):
        faults = {
            ("gradient", n): lambda _, g=g: np.array(g)
            for n, g in (("a", [near, 1, 1]), ("b", [-1.0, -1, -1]))
        }
        trace = played("loss = sum(relu(a - b))", TIE, faults, told=only(*keys), exact=True)
        assert (judge_calls(trace).alarms == ()) is right


def test_of_a_training_the_worst_step_the_first_wrong_one_and_others_are_looked_into():
    used = {step: 0.5 if step < 7 else 2.0 + step % 90 for step in range(200)}
    steps = chosen_steps(used)
    assert steps[:2] == [89, 7]
    assert len(steps) == len(set(steps)) == MOST_STEPS
    assert all(used[step] > 1 for step in steps)
    assert chosen_steps({0: 0.1, 1: 3.0, 2: 2.0}) == [1, 2]
    assert chosen_steps({None: 0.1}) == [None]
