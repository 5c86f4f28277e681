"""A traced function as a case file."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from ..case.document import Input
from ..case.limits import MAX_BYTES
from ..case.loading import parse
from ..case.writing import write
from ..errors import CaseError
from .answers import output_in
from .cases import Own, drawn, variant_of
from .errors import OwnError
from .inputs import Inputs
from .traced.rendering import Text
from .tracing import Pick, named, trace

MARK = re.compile(rb'^title = "', re.MULTILINE)
"""What a case of ours begins with: another file is not replaced."""


def case_text(function: Callable[..., Any], given: Mapping[str, Any], output: str | None = None) -> str:
    """The text of the case that a function is at these inputs. Raises OwnError."""
    inputs, pick = Inputs.of(given, function), partial(output_in, output=output)
    text = trace(function, inputs, pick)
    own = own_of(function, text, inputs)
    document = own.document(own.differentiated, tensors=_drawn(function, text, own, inputs, pick))
    written = write(msgspec.structs.replace(document, source=_source(text)))
    if len(written.encode()) > MAX_BYTES:
        raise OwnError(
            f"the case has {len(written.encode())} bytes; at most {MAX_BYTES} are allowed: trace fewer rows"
        )
    try:
        parse(written, "own")
    except CaseError as error:
        raise OwnError(f"{named(function)} makes no right case: {error}") from None
    return written


def own_of(function: Any, text: Text, inputs: Inputs) -> Own:
    """The program with its arrays: the inputs that it reads, and its constants."""
    arrays = {name: a for name, a in inputs.arrays.items() if name in text.read} | dict(text.constants)
    floats = tuple(name for name in inputs.arrays if name in text.read)
    return Own(f"{named(function)}, as it was traced", text.program, arrays, floats, text.output)


def _source(text: Text) -> str:
    if not text.branches:
        return "a NumPy function, traced"
    told = ", ".join(f"{name} ({what})" for name, what in text.branches.items())
    return f"a NumPy function, traced at these inputs, near which its branches are as they are here: {told}"


def _drawn(
    function: Callable[..., Any], text: Text, own: Own, inputs: Inputs, pick: Pick
) -> dict[str, Input]:
    """Draws in place of the elements of inputs: where no branch hangs on these, and the function gives the same program."""
    if text.branches:
        return {}
    tensors = {name: drawn(own.arrays[name]) for name in text.read}
    arrays = variant_of(own.document(own.differentiated, tensors=tensors)).draw()
    try:
        again = trace(function, inputs.with_arrays({name: arrays[name] for name in text.read}), pick)
    except OwnError:
        return {}
    return tensors if again.calls == text.calls else {}
