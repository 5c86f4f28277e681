"""`check`: somebody's gradients, judged where they are: no file, no worker, no pytest.

The forward pass becomes a program, whose reference and tolerances are those of any case. What came back is judged as
the matrix judges hand-written code, in the dtype of the inputs.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...reference.names import nearest
from ...reference.ops.shapes import text as shape_text
from ..case.variant import Variant
from ..frameworks.found import Framework, shipped_adapters
from ..judging.examining import examine
from ..judging.judge import judge
from ..judging.settling import looked_into, settled, undecided
from ..ledger.entries import Ledger
from ..plan import Cell
from ..reading.elements import Array
from ..reading.text import shown
from ..references.variant import VariantReference
from ..roles import Answered
from ..run.lines import CellLine
from ..verdict import Verdict
from ..workers.answer import Answer
from .answers import (
    Answers,
    answers_in,
    as_arrays,
    backward_answers,
    gradients_in,
    in_names,
    meanings,
    output_in,
)
from .cases import Own, variant_of, with_asked
from .checked import Checked
from .errors import OwnError
from .held import put_back
from .inputs import Inputs
from .traced.rendering import Text
from .tracing import named, trace
from .writing import own_of

MODE = "eager"
YOURS = Framework("yours", shipped_adapters(), (MODE,), frozenset({MODE}), shipped_adapters(), strict=False)
"""The column of the code that is checked: hand-written, so that what it tells may be worked out again."""


def check(
    forward: Callable[..., Any] | str,
    inputs: Mapping[str, Any],
    answers: Callable[..., Any] | Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    parameters: Sequence[str] | None = None,
    output: str | None = None,
    cotangent: Any = None,
) -> Checked:
    """Judge gradients that were worked out by hand.

    `forward` is a function of `inputs` by name that returns (loss, gradients) or (values, gradients), the latter by name
    or in the order of its parameters; or a forward pass alone, with its backward pass, or its gradients, as `answers`; or
    a program in the notation of cases, with its gradients by name. `parameters` says whose gradients a list has,
    `output` which of the values is differentiated, `cotangent` is that of an output that is no scalar: it is drawn where
    a backward pass takes it. Raises HarnessError for what can't be judged.
    """
    own_inputs = Inputs.of(inputs, None if isinstance(forward, str) else forward)
    given = None if cotangent is None else np.asarray(cotangent, np.float64)
    if isinstance(forward, str):
        for name, a in own_inputs.settings.items():
            raise OwnError(f"input {name} is {shown(a)}, but must be an array: a program has no other inputs")
        own = Own("checked", _lines(forward), own_inputs.arrays, own_inputs.floats, output, given)
        dtype = own_inputs.dtype(own.differentiated)
        variant = variant_of(own.document(dtypes=[dtype]))
        if not isinstance(answers, Mapping):
            raise OwnError("the gradients of a program are given by name: check(program, inputs, {'W': dW})")
        told, notes = Answers(values or {}, answers), list[str]()
    else:
        own, variant, told, notes = _of_function(forward, own_inputs, answers, parameters, output, given)
        told = Answers({**told.values, **(values or {})}, told.gradients)
        dtype = own_inputs.dtype(own.differentiated)
    return _judged(own, variant, told, dtype, tuple(notes))


def _lines(program: str) -> str:
    return inspect.cleandoc(program) + "\n"


def _of_function(
    forward: Callable[..., Any],
    inputs: Inputs,
    answers: Any,
    parameters: Sequence[str] | None,
    output: str | None,
    cotangent: Array | None,
) -> tuple[Own, Variant, Answers, list[str]]:
    """The function's own forward pass as a program, and what it, or its backward pass, says of the gradients."""
    arrays = inputs.arrays
    wide = inputs.with_arrays({name: arrays[name].astype(np.float64) for name in inputs.floats})
    text = trace(forward, wide, partial(output_in, output=output))
    own = replace(own_of(forward, text, inputs), cotangent=cotangent)
    dtype = inputs.dtype(own.differentiated)
    variant = variant_of(own.document(dtypes=[dtype]))
    shape, notes = variant.specs[text.output].shape, list[str]()
    if cotangent is None and shape and math.prod(shape) == 1:
        own = replace(own, cotangent=np.ones(shape))
        variant = variant_of(own.document(dtypes=[dtype]))
        notes.append(f"{text.output} has shape {shape_text(shape)}: the one number in it is differentiated")
    copies: dict[str, Array] = {}
    names = list(parameters or _differentiated(forward, inputs))
    seed = variant.cotangents(dtype)[text.output] if variant.upstream else None
    seed = None if seed is None else seed.astype(dtype)
    with put_back(forward, *[answers] * callable(answers)):
        told = inputs.call(
            forward,
            lambda name, a: copies.setdefault(name, np.array(a)),
            lambda returned: _told(answers, inputs, returned, text.output, names, seed),
        )
    if not callable(answers) and variant.upstream and own.cotangent is None:
        raise OwnError(
            f"{named(forward)} returns {text.output} of shape {shape_text(shape)}: gradients are those of one number. Say of which"
            " sum, cotangent=array, or give the backward pass, which takes it: check(forward, inputs, backward)"
        )
    gradients = inputs.flat(told.gradients, meanings)
    _check_meant(named(forward), gradients, inputs, text, variant)
    given = ((n, a) for n, a in copies.items() if n not in inputs.held)
    changed = [n for n, a in given if not np.array_equal(a, arrays[n], equal_nan=True)]
    if changed:
        notes.append(f"changes its inputs in place: {', '.join(changed)}; work on copies (W = W.copy())")
    notes += [f"holds near these inputs alone: {what} ({name})" for name, what in text.branches.items()]
    return own, variant, Answers(told.values, gradients), notes


def _told(
    answers: Any, inputs: Inputs, returned: Any, output: str, names: Sequence[str], seed: Array | None
) -> Answers:
    """Values and gradients as they came back: with the loss, from a backward pass, or given."""
    if answers is None:
        return answers_in(returned, output, names)
    if callable(answers):
        found = backward_answers(answers, inputs, returned, seed, names)
    else:
        found = gradients_in(answers, names)
    return Answers(_values_in(returned, output), found)


def _check_meant(
    function: str, gradients: Iterable[str], inputs: Inputs, text: Text, variant: Variant
) -> None:
    """Raises OwnError for a gradient of what the function doesn't read, or of a name that it gives to several values."""
    for name in gradients:
        unread = {*meanings(name)} & {*inputs.floats}
        if unread and not {*meanings(name)} & {*variant.specs}:
            raise OwnError(
                f"a gradient of {name} came back, but nothing that {function} returns is computed from"
                f" {unread.pop()} by NumPy: if it is 0, leave it out"
            )
        if (meant := {*meanings(name)} & text.several) and not {*meanings(name)} & {*inputs.arrays}:
            raise OwnError(
                f"a gradient of {name} came back, but {function} calls several values {meant.pop()}: give each a name"
            )


def _differentiated(function: Callable[..., Any], inputs: Inputs) -> list[str]:
    """The parameters that have a gradient, in the order of the function."""
    given = {*inputs.floats, *inputs.groups} - {*inputs.held}
    order = [name for name in inspect.signature(function).parameters if name in given]
    return order or [name for name in inputs.parameters if name in given]


def _values_in(returned: Any, output: str) -> dict[str, Any]:
    first = returned[0] if isinstance(returned, tuple | list) and len(returned) > 1 else returned
    return dict(first) if isinstance(first, Mapping) else {output: first}


def _judged(own: Own, variant: Variant, told: Answers, dtype: str, notes: tuple[str, ...]) -> Checked:
    """The verdict on what came back: of that alone, which is told."""
    assigned = [name for name in variant.specs if name not in own.arrays and "." not in name]
    names = [*own.differentiated, *assigned]
    gradients = as_arrays(in_names(told.gradients, names), dtype, "gradient")
    values = as_arrays(_of_program(told.values, variant), dtype, "value")
    if not gradients:
        raise OwnError("no gradient came back: there is nothing to judge")
    asked = with_asked(variant, values, gradients)
    line = _line(asked, dtype, _keyed("value", values) | _keyed("gradient", gradients))
    document = own.document(own.differentiated, values, [dtype])
    return Checked(line, document, tuple(name for name in own.differentiated if name not in gradients), notes)


def _of_program(values: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """The values that the program has; others, such as an accuracy, are somebody's own business."""
    known = [name for name in variant.specs if name not in variant.sources]
    found = {name: a for name, a in values.items() if name in known}
    if values and not found:
        name = next(iter(values))
        raise OwnError(f"no value {name}; the program has {', '.join(known)}{nearest(name, known)}")
    return found


def _keyed(role: str, arrays: Mapping[str, Array]) -> dict[tuple[str, str, int | None], Array]:
    return {(role, name, None): a for name, a in arrays.items()}


def _line(variant: Variant, dtype: str, arrays: Answered) -> CellLine:
    """The line that a run file would have of it."""
    cell, wanted, ledger = Cell(variant, dtype, YOURS, MODE), VariantReference(variant), Ledger(YOURS.name)
    answer = Answer(None, arrays=arrays)
    judgement, line = judge(wanted, dtype, arrays, strict=YOURS.strict), undecided(cell, answer)
    if not (judgement.wrong_numbers or judgement.verdict is Verdict.INCONCLUSIVE):
        return settled(line, judgement, ledger, "")
    found = examine(cell, wanted, answer, judgement, lambda _uses: answer)
    return looked_into(cell, line, judgement, found, ledger, "")
