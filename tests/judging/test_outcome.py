"""What becomes of a cell that was looked into: its verdict, and what a person is told."""

from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.judging import settling
from gradient_conformance.harness.judging.examining import examine
from gradient_conformance.harness.judging.judge import Judgement, judge
from gradient_conformance.harness.judging.outcome import outcome
from gradient_conformance.harness.judging.settling import settled, undecided
from gradient_conformance.harness.ledger.entries import Ledger
from gradient_conformance.harness.ledger.reading import load_given
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.run.writing import encode
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.harness.workers.answer import Answer
from played import played
from runs import cell, tensor

HEAD = 'title = "t"\nsource = "s"\n'
NETWORK = f"""{HEAD}
program = '''
z = W @ x
h = tanh(z)
s = U @ h
loss = sum(square(s - t))
'''
gradients = ["W", "U"]
[tensors]
W = {{ shape = [4, 3], uniform = [-1, 1] }}
x = {{ shape = [3, 2], uniform = [-1, 1] }}
U = {{ shape = [2, 4], uniform = [-1, 1] }}
t = {{ shape = [2, 2], uniform = [-1, 1] }}
"""
TANH = """
[[deviation]]
framework = "mine"
op = "tanh"
version = ">=1"
at_most = 0.2
case = "group/base"
reason = "tanh is off"
evidence = "it is a fake"
"""


def looked_into(variant, faults=None, dtype="float32", ledger=None, plain=None, tell=None):
    """What becomes of a cell whose framework is played; `plain` changes what it answered, but not its traces."""
    wanted = VariantReference(variant)
    cell = Cell(variant, dtype, Framework("mine", Path("adapter.py"), ("eager",)), "eager")
    trace = played(wanted.program, wanted.inputs, faults, dtype, wanted.cotangents, lambda key: True)
    told = {key: a for key, a in trace.answered.items() if tell is None or tell(key)}

    def ask(copies):
        uses = {f"{i}.{k}" for i, k in copies}
        arrays = {(r, n, None): a for (r, n), a in told.items() if r != "use"}
        arrays |= {
            ("gradient", f"use {n}", None): a for (r, n), a in told.items() if r == "use" and n in uses
        }
        return Answer(None, "", arrays)

    values = (*variant.values, *variant.discrete)
    asked = [*(("value", n) for n in values), *(("gradient", n) for n in variant.gradients)]
    answered = {(*key, None): trace.answered[key] for key in asked} | (plain or {})
    judgement = judge(wanted, dtype, answered)
    examination = examine(cell, wanted, Answer(None, "", answered), judgement, ask)
    return judgement, outcome(cell, judgement, examination, ledger or Ledger("mine"), "1.0")


@pytest.fixture
def ledger(tmp_path):
    (tmp_path / "own.toml").write_text(TANH)
    return Ledger("mine").joined(load_given([tmp_path / "own.toml"]))


def off(a):
    return a * np.float32(1.1)


def test_what_is_wrong_by_itself_is_told_and_what_only_follows_apart(case):
    [variant] = case(text=NETWORK).variants
    judgement, found = looked_into(variant, {("value", "h"): off, ("gradient", "h"): off})
    assert judgement.verdict is found.verdict is Verdict.DISAGREE
    assert [(c.op, c.phase, c.towards, c.name) for c in found.calls] == [
        ("tanh", "forward", "", "value h"),
        ("matmul", "vjp", "y", "gradient of h"),
    ]
    assert found.first_difference == "tanh, line 6: h = tanh(z)"
    assert found.notes[0] == "wrong by themselves:"
    assert found.notes[-1] == "follows: value loss, gradient of W, gradient of U"


def test_the_likely_cause_is_told_below_what_is_wrong_and_kept(case):
    [variant] = case(text=NETWORK).variants
    _, found = looked_into(variant, {("gradient", "h"): lambda a: 3 * a})
    assert [call.likely for call in found.calls] == ["all of it is 3 × what it should be"]
    assert "    likely: all of it is 3 × what it should be" in found.notes


def test_what_a_ledger_excuses_has_no_likely_cause(case, ledger):
    [variant] = case(text=NETWORK).variants
    _, found = looked_into(variant, {("value", "h"): lambda a: a * np.float32(0.9)}, ledger=ledger)
    assert found.calls[0].entry
    assert found.calls[0].likely == ""
    assert not any("likely" in note for note in found.notes)


def test_what_is_no_number_is_told_as_that(case):
    [variant] = case(text=NETWORK).variants
    judgement, found = looked_into(variant, {("gradient", "h"): lambda a: a * np.nan})
    told = "\n".join((judgement.message, *found.notes))
    assert "= nan, should be" in told
    assert "(NaN)" in judgement.message
    assert "(NaN, 8 of 8 elements)" in told
    assert "∞" not in told
    assert "e+308" not in told


def test_known_calls_excuse_a_cell_whose_whole_agrees_with_them(case, ledger):
    [variant] = case(text=NETWORK).variants
    _, found = looked_into(variant, {("value", "h"): off}, ledger=ledger)
    assert found.verdict is Verdict.KNOWN_DEVIATION
    assert found.composed <= 1
    assert found.calls[0].note == "tanh is off"


WHERE = """
[[deviation]]
framework = "mine"
op = "where"
phase = "vjp"
version = ">=1"
gives = { x = "g * (condition == 0)" }
case = "group/base"
reason = "the other branch"
evidence = "it is a fake"
"""


def test_a_ledger_is_asked_of_a_call_whose_condition_nobody_told(case, tmp_path):
    """What came of the condition forwards is right: it is not to blame, and the vjp alone is."""
    program = "h = W @ x\nkept = where(h >= t, h, 0)\nloss = sum(kept) + sum(h)"
    [variant] = case(
        text=NETWORK.replace(NETWORK.split("'''")[1], f"\n{program}\n")
        .replace('["W", "U"]', '["W"]')
        .replace("U = { shape = [2, 4], uniform = [-1, 1] }\n", "")
        .replace("t = { shape = [2, 2]", "t = { shape = [4, 2]")
    ).variants
    (tmp_path / "own.toml").write_text(WHERE)
    ledger = Ledger("mine").joined(load_given([tmp_path / "own.toml"]))
    truth = VariantReference(variant)
    h, t = truth.at(truth.inputs, ["h"], [], "float64")["value", "h"].value, truth.inputs["t"]
    other = {("use", "2.1"): lambda a: 1.0 * (h < t)}
    _, found = looked_into(
        variant, other, ledger=ledger, tell=lambda key: key[1] != "kept.1", dtype="float64"
    )
    assert [(c.op, c.towards, c.note) for c in found.calls] == [("where", "x", "the other branch")]
    assert found.verdict is Verdict.KNOWN_DEVIATION


def test_known_calls_do_not_excuse_what_is_wrong_besides(case, ledger):
    """The cell's own gradient is off by more than the known call explains, and no call of the trace is."""
    [variant] = case(text=NETWORK).variants
    plain = {("gradient", "U", None): np.ones((2, 4), np.float32)}
    _, found = looked_into(variant, {("value", "h"): off}, ledger=ledger, plain=plain)
    assert found.verdict is Verdict.DISAGREE
    assert found.composed > 1
    assert "and something else, with these taken as they are: gradient of U" in found.notes[-1]


def test_a_second_fault_beside_a_known_one_is_new(case, ledger):
    [variant] = case(text=NETWORK).variants
    _, found = looked_into(variant, {("value", "h"): off, ("gradient", "s"): off}, ledger=ledger)
    assert found.verdict is Verdict.DISAGREE
    assert [bool(call.entry) for call in found.calls] == [True, False]


FLIP = f"""{HEAD}
program = '''
z = (a * k) - b
h = relu(z)
loss = sum(h * w)
'''
gradients = ["a", "w"]
[tensors]
a = {{ values = [1.0, 2.0] }}
b = {{ values = [0.99999994, 1.0] }}
w = {{ values = [3.0, 1.0] }}
k = {{ values = [1.0, 1.0] }}
"""


def test_a_unit_that_rounding_turns_agrees_and_is_told(case):
    [variant] = case(text=FLIP).variants
    turned = {("value", "z.1"): lambda a: a - np.array([2**-23, 0], np.float32)}
    judgement, found = looked_into(variant, turned)
    assert judgement.verdict is Verdict.DISAGREE
    assert found.verdict is Verdict.AGREE
    assert "rounding took another branch" in found.notes[-1]
    assert found.conventions == ()


CONVENTION = f"""{HEAD}
program = "loss = sum(abs(x) * w)"
gradients = ["x"]
[tensors]
x = {{ values = [0.0, 2.0] }}
w = {{ values = [3.0, 1.0] }}
"""


def test_another_gradient_at_a_kink_agrees_by_a_convention(case):
    [variant] = case(text=CONVENTION).variants
    judgement, found = looked_into(variant, {("gradient", "x"): lambda a: np.array([3.0, 1.0])})
    assert judgement.verdict is Verdict.DISAGREE
    assert found.verdict is Verdict.AGREE
    assert "backward of abs" in found.conventions[0]


SATURATED = f"""{HEAD}
program = '''
p = sigmoid(z)
loss = bce(p, t, reduction="sum")
'''
gradients = ["z"]
[tensors]
z = {{ values = [2, 6, 14] }}
t = {{ values = [0, 0, 0] }}
"""


def test_more_digits_decide_before_anybody_is_accused(case):
    [variant] = case(text=SATURATED).variants
    z = np.array([2.0, 6, 14])
    right = {("gradient", "z", None): 1 / (1 + np.exp(-z))}
    judgement, found = looked_into(variant, dtype="float64", plain=right)
    assert judgement.verdict is Verdict.DISAGREE  # with float64's own walk, off by 43,000 tolerances
    assert found.verdict is Verdict.AGREE
    assert "float64's own rounding is off" in found.notes[0]


def test_more_digits_excuse_nobody_who_is_wrong(case):
    [variant] = case(text=SATURATED).variants
    wrong = {("gradient", "z", None): np.array([0.9, 0.9, 0.9])}
    _, found = looked_into(variant, dtype="float64", plain=wrong)
    assert found.verdict is Verdict.DISAGREE
    assert "vanishes" in found.notes[0]  # as its trace, which is right


CANCELLING = f"""{HEAD}
program = '''
c = exp(p) - exp(q)
z = x * m
loss = sum(abs(z) * c)
'''
gradients = ["x"]
[tensors]
p = {{ values = 5 }}
q = {{ values = 4.99999 }}
x = {{ values = [1.0, 2.0] }}
m = {{ values = [0.0, 1.0] }}
"""


def test_what_the_whole_allows_is_not_wrong_because_the_trace_was_rounded_otherwise(case):
    """What was chosen at a kink is taken from the trace, with its rounding, which `c` amplifies: another run has another."""
    [variant] = case(text=CANCELLING).variants
    chosen = {("gradient", "z"): lambda a: a[1] * np.ones(2)}
    c = np.float32(np.exp(5) - np.exp(np.float32(4.99999)))
    judgement, found = looked_into(
        variant, chosen, plain={("gradient", "x", None): c * np.float32([0, 1.02])}
    )
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert found.conventions
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "vanishes" in found.notes[0]
    _, found = looked_into(variant, chosen, plain={("gradient", "x", None): c * np.float32([0, 2])})
    assert found.verdict is Verdict.DISAGREE


NOTHING = f"""{HEAD}
program = "loss = sum(w * (exp(p) - exp(q)))"
gradients = ["w"]
[tensors]
p = {{ values = [5.0, 6.0] }}
q = {{ values = [5.0, 6.0] }}
w = {{ values = [1.0, 2.0] }}
"""


def test_of_zeros_that_rounding_makes_the_tolerance_is_said_to_be_too_wide(case):
    """Not that they need not be finite."""
    [variant] = case(text=NOTHING).variants
    judgement, _ = looked_into(variant)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "gradient of w[0]: the tolerance, " in judgement.message
    assert "at 0.0, is too wide to say anything" in judgement.message
    assert "finite" not in judgement.message


NORMALIZED = f"""{HEAD}
program = '''
z = linear(x, W, b, weights="out_in")
y = batch_norm(z, gamma, beta, axis=1, epsilon=1e-5)
loss = mean(square(y - t))
'''
gradients = ["W", "b"]
[tensors]
x = {{ shape = [8, 4], normal = [0, 1] }}
W = {{ shape = [3, 4], normal = [0, 1] }}
b = {{ shape = [3], normal = [0, 1] }}
gamma = {{ shape = [3], uniform = [0.5, 1.5] }}
beta = {{ shape = [3], normal = [0, 1] }}
t = {{ shape = [8, 3], normal = [0, 1] }}
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_whose_terms_cancel_is_held_to_their_size(case, dtype):
    """A bias in front of a batch normalization: its gradient is 0 but for rounding, and any number of rounding's size is right."""
    [variant] = case(text=NORMALIZED).variants
    judgement, found = looked_into(variant, {("gradient", "b"): lambda a: a + np.finfo(dtype).eps / 8}, dtype)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert found.verdict is Verdict.AGREE
    assert found.notes == (
        "too wide as a whole: gradient of b; every op call is right by itself",
        "terms cancel: gradient of b is held to their size, and a factor of it would not show",
    )


@pytest.mark.parametrize("lost", [0.2, 1e-3])
def test_what_is_lost_of_a_term_of_a_sum_that_cancels_shows(case, lost):
    [variant] = case(text=NORMALIZED).variants
    wanted = VariantReference(variant)
    largest = np.max(np.abs(wanted.gradients_at(wanted.inputs, ["z"])["z"]))
    judgement, found = looked_into(variant, {("gradient", "b"): lambda a: a + np.float32(lost * largest)})
    assert judgement.verdict is found.verdict is Verdict.DISAGREE
    assert [(call.op, call.phase, call.towards) for call in found.calls] == [("linear", "vjp", "b")]


ALONE = f"""{HEAD}
program = '''
y = softmax(x, axis=1)
loss = sum(y * t)
'''
gradients = ["x"]
[tensors]
x = {{ values = [[1.0], [2.0]] }}
t = {{ values = [[3.0], [4.0]] }}
"""


def test_what_cancels_within_a_call_that_is_no_sum_stays_inconclusive(case):
    """A softmax of one element: nobody knows how large the terms are of which its gradient is the rounding."""
    [variant] = case(text=ALONE).variants
    judgement, found = looked_into(variant, {("gradient", "x"): lambda a: a + np.float32(1e-8)})
    assert judgement.verdict is found.verdict is Verdict.INCONCLUSIVE


BESIDE = f"""{HEAD}
program = '''
p = sigmoid(z)
r = sum(w * w)
b = bce(p, t, reduction="sum")
loss = b + r
'''
gradients = ["z", "w"]
[tensors]
z = {{ values = [2, 6, 14] }}
t = {{ values = [0, 0, 0] }}
w = {{ values = [1.5, 2.5, -1.25] }}
"""
Z, V = np.array([2.0, 6, 14]), np.array([1.5, 2.5, -1.25])


def line_of(variant, arrays):
    """The line of hand-written code that told no more than these, in float64."""
    wanted, answer = VariantReference(variant), Answer(None, "", arrays)
    cell = Cell(variant, "float64", Framework("mine", Path("adapter.py"), ("eager",), strict=False), "eager")
    judgement = judge(wanted, "float64", arrays, strict=False)
    found = examine(cell, wanted, answer, judgement, lambda copies: answer)
    return settling.looked_into(cell, undecided(cell, answer), judgement, found, Ledger("mine"), "")


def test_nothing_right_is_accused_beside_a_fault_where_float64_is_amplified(case):
    [variant] = case(text=BESIDE).variants
    line = line_of(variant, {("gradient", "z", None): 1 / (1 + np.exp(-Z)), ("gradient", "w", None): V})
    assert line.verdict is Verdict.DISAGREE
    assert "gradient of w[" in line.message
    assert "gradient of z" not in line.message
    assert [call.name for call in line.calls] == ["gradient of w"]


def test_what_should_be_is_right_where_float64_is_amplified(case):
    [variant] = case(text=BESIDE).variants
    line = line_of(variant, {("gradient", "z", None): [1, 1, -1] / (1 + np.exp(-Z))})
    assert line.verdict is Verdict.DISAGREE
    [whole] = [t for t in line.tensors if t.name == "z"]
    for told in (whole, *line.calls):
        right = 1 / (1 + np.exp(-Z[told.where[0]]))
        assert abs(float(told.want) - right) <= told.tolerance
    assert len(line.calls) == 1


def test_of_a_training_too_nothing_right_is_accused(case):
    steps = '\n[training]\noptimizer = { sgd = { lr = 0.5 } }\nparameters = ["w"]\nsteps = 2\n'
    [variant] = case(text=BESIDE + steps).variants
    told = {}
    for step, w in enumerate((V, V / 2)):
        told |= {("gradient", "z", step): 1 / (1 + np.exp(-Z)), ("gradient", "w", step): w}
        told["parameter", "w", step] = w / 2
    line = line_of(variant, told)
    assert line.verdict is Verdict.DISAGREE
    assert "gradient of w" in line.message
    assert "gradient of z" not in line.message


PRODUCTS = 400


def test_small_errors_that_add_up_are_shared_out_and_named_by_their_op(case):
    lines = "\n".join([*(f"x{i + 1} = x{i} * c" for i in range(PRODUCTS)), f"loss = sum(x{PRODUCTS})"])
    text = f"{HEAD}program = '''\n{lines}\n'''\nvalues = [\"loss\"]\ngradients = [\"c\"]\n[tensors]\n"
    text += "x0 = { shape = [6], uniform = [0.5, 1] }\nc = { shape = [6], uniform = [0.99, 1.01] }\n"
    [variant] = case(text=text).variants
    low = {("value", f"x{i + 1}"): lambda a: np.nextafter(a, np.float32(0)) for i in range(PRODUCTS)}
    judgement, found = looked_into(variant, low)
    assert judgement.verdict is found.verdict is Verdict.DISAGREE
    assert found.calls == ()
    assert found.notes[0].startswith("no op call is wrong by itself: ")
    assert found.notes[1].startswith("of the error of ")
    assert any(note.startswith("mul forward: errors are") for note in found.notes)
    assert sum(share.share for share in found.budget) < 1.01


def test_where_the_trace_has_no_answer_the_whole_s_verdict_stands(case):
    [variant] = case(text=NETWORK).variants
    wanted = VariantReference(variant)
    cell = Cell(variant, "float32", Framework("mine", Path("adapter.py"), ("eager",)), "eager")
    arrays = {("gradient", n, None): np.ones(variant.specs[n].shape, np.float32) for n in variant.gradients}
    judgement = judge(wanted, "float32", arrays)
    crashed = Answer(Verdict.CRASHED, "died of signal 11")
    found = examine(cell, wanted, Answer(None, "", arrays), judgement, lambda copies: crashed)
    made = outcome(cell, judgement, found, Ledger("mine"), "1.0")
    assert made.verdict is Verdict.DISAGREE
    assert made.notes == ("first difference not found: the trace gave crashed (died of signal 11)",)


def test_a_message_is_never_longer_than_a_run_file_takes():
    """A program of thousands of calls may disagree in each."""
    tensors = tuple(tensor(f"w{i}", 3.0, verdict=Verdict.DISAGREE) for i in range(20_000))
    line = settled(
        cell("a", "", "torch", Verdict.AGREE), Judgement(Verdict.DISAGREE, tensors, ""), Ledger("torch"), "1"
    )
    assert line.verdict is Verdict.DISAGREE
    assert "characters more] " in line.message
    assert line.message.endswith("× tolerance)")
    assert encode(line)


SEVERAL = """title = "t"
program = '''
h, c = split(tanh(x), parts=2)
s = sum(h * c)
'''
output = ["c", "h", "s"]
gradients = ["x", "c", "s"]
[tensors]
x = { shape = [4], uniform = [-1, 1] }
"""


def test_a_seed_that_is_wrong_is_told_with_the_output_that_it_is_of(case):
    [variant] = case(text=SEVERAL).variants
    judgement, found = looked_into(variant)
    assert judgement.verdict is found.verdict is Verdict.AGREE
    judgement, found = looked_into(variant, {("gradient", "s"): np.ones_like})
    assert [(t.role, t.name) for t in judgement.wrong_numbers] == [
        ("gradient", "x"), ("gradient", "c"), ("gradient", "s")
    ]  # fmt: skip
    assert found.notes[:2] == ("wrong by itself:", "  the seed of the backward pass at s")


def test_adding_up_an_outputs_own_cotangent_and_what_comes_back_to_it_may_be_wrong(case):
    [variant] = case(text=SEVERAL).variants
    forgets = VariantReference(variant).cotangents["c"].astype(np.float32)
    _, found = looked_into(variant, {("gradient", "c"): lambda a: forgets})
    assert found.notes[:2] == ("wrong by itself:", "  adding up the cotangents of c")


CHOOSES = """title = "t"
program = '''
z = x @ W
best = argmax(z)
high = z > 0
y = where(high, z, 0) + embedding(best, W)
'''
values = ["y", "best", "high"]
gradients = ["x"]
[tensors]
x = {{ shape = [4, 3], uniform = [-1, 1] }}
W = {{ values = [{row}, {row}, {other}] }}
"""
APART = {"row": "[1.0, 0.5, -1.0]", "other": "[1.0, 0.25, 2.0]"}


def second(a):
    return np.where(a == 0, 1, a)


def test_integers_and_truth_values_are_judged_themselves_and_have_no_tolerance(case):
    [variant] = case(text=CHOOSES.format(**APART)).variants
    assert (variant.values, variant.discrete) == (("y",), ("best", "high"))
    judgement, found = looked_into(variant)
    assert judgement.verdict is found.verdict is Verdict.AGREE
    told = {t.name: (t.used, t.tolerance) for t in judgement.tensors if t.role == "value"}
    assert told.keys() == {"y", "best", "high"}
    assert told["best"] == told["high"] == (0, 0)


@pytest.mark.parametrize(
    ("name", "fault", "place", "words"),
    [
        ("best", lambda a: (a + 1) % 3, "argmax, line 4: best = argmax(z)", "value best[0] = "),
        ("high", np.logical_not, "greater, line 5: high = z > 0", "value high[0, 0] = "),
    ],
)
def test_a_choice_that_is_wrong_at_its_own_numbers_is_told(case, name, fault, place, words):
    [variant] = case(text=CHOOSES.format(**APART)).variants
    judgement, found = looked_into(variant, {("value", name): fault})
    assert judgement.verdict is found.verdict is Verdict.DISAGREE
    assert words in judgement.message
    assert found.notes[:2] == ("wrong by itself:", f"  {place}")


TIE = {"row": "[1.0, 1.0, -1.0]", "other": "[1.0, 1.0, -2.0]"}
"""Of every x, z has two equal elements, or the third far below or above them."""


def turned(a):
    """The second of two equal elements is greater by a rounding."""
    return np.stack((a[:, 0], np.nextafter(a[:, 0], np.float32(9)), a[:, 2]), axis=1)


def test_a_choice_at_a_tie_that_rounding_turned_is_right_for_its_own_numbers(case):
    [variant] = case(text=CHOOSES.format(**TIE)).variants
    judgement, found = looked_into(variant, {("value", "z"): turned})
    assert [t.name for t in judgement.wrong_numbers] == ["best"]
    assert found.verdict is Verdict.AGREE
    assert any("rounding took another branch: value best" in note for note in found.notes)


@pytest.mark.parametrize(("choice", "right"), [(second, True), (lambda a: np.full_like(a, 2), False)])
def test_of_a_choice_by_numbers_that_are_not_told_what_any_rounding_chooses_is_right(case, choice, right):
    [variant] = case(text=CHOOSES.format(**TIE)).variants
    hidden = {("value", "z"), ("gradient", "z")}
    judgement, found = looked_into(variant, {("value", "best"): choice}, tell=lambda key: key not in hidden)
    assert judgement.verdict is Verdict.DISAGREE
    assert (found.verdict is Verdict.AGREE) is right


def test_frameworks_have_to_give_the_dtype_and_own_code_whole_numbers(case):
    [variant] = case(text=CHOOSES.format(**APART)).variants
    wanted = VariantReference(variant)
    due = wanted.discrete_at(wanted.inputs)
    right = {(*key, None): a.astype("float32") for key, a in due.items()}
    strict = judge(wanted, "float32", right)
    assert "value best has dtype float32, should be int64" in strict.message
    own = judge(wanted, "float32", right, strict=False)
    assert own.verdict is not Verdict.DISAGREE
    half = {**right, ("value", "best", None): right["value", "best", None] + np.float32(0.5)}
    assert judge(wanted, "float32", half, strict=False).verdict is Verdict.DISAGREE
