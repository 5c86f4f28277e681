"""The structure of a case file, as types: the loader and the JSON Schema for editors are both made from these.

Structure is what can be said of the file without knowing what its program means: keys, kinds of values, which keys
exclude each other. Everything here is data; nothing is drawn, opened or evaluated.
"""

import re
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...reference.formats import DTYPES
from ...reference.language import MAX_NAME
from ...reference.ops.shapes import MAX_DIMENSIONS
from ...reference.optimizers import OPTIMIZERS
from ..reading.text import SHOWN, shortened, shown
from ..roles import ROLES

MAX_STEPS = 10_000
MAX_SIZE = 2**53

END = r"$(?!\n)"  # Python's $ also matches before a last newline
NAME = f"^[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}{END}"
WORD = f"^[A-Za-z0-9_]{{1,{MAX_NAME}}}{END}"
PLACEHOLDER = rf"^\{{[A-Za-z_][A-Za-z0-9_]*\}}{END}"
SIZE = f"^[A-Za-z0-9_+*/() -]+{END}"
DIGITS = rf"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?{END}|^[+-]?[0-9]+/[1-9][0-9]*{END}"

PHRASES = {
    NAME: f"a name is at most {MAX_NAME} letters, digits and _, and does not start with a digit",
    WORD: f"a word is at most {MAX_NAME} letters, digits and _",
    PLACEHOLDER: 'a shape is a list such as [2, "k"], or a placeholder such as "{bias_shape}"',
    SIZE: 'a dimension is an integer or made of sizes with + - * //, such as "2 * k"',
    DIGITS: 'a number as it is printed, such as "0.511301270", or a fraction such as "1/5"',
}

Name = Annotated[str, Meta(pattern=NAME)]
Number = bool | int | float
Dimension = Annotated[int, Meta(ge=0, le=MAX_SIZE)] | Annotated[str, Meta(pattern=SIZE)]
Shape = list[Dimension] | Annotated[str, Meta(pattern=PLACEHOLDER)]
SweepValue = (
    bool
    | Annotated[int, Meta(ge=-MAX_SIZE, le=MAX_SIZE)]
    | float
    | Annotated[str, Meta(pattern=WORD)]
    | Annotated[list[Annotated[int, Meta(ge=0, le=MAX_SIZE)]], Meta(max_length=MAX_DIMENSIONS)]
)
Nested = Annotated[Any, Meta(extra_json_schema={"$ref": "#/$defs/Numbers"})]
Printed = Annotated[Any, Meta(extra_json_schema={"$ref": "#/$defs/Printed"})]

NESTED: dict[str, dict[str, Any]] = {
    "Numbers": {
        "anyOf": [{"type": ["number", "boolean"]}, {"type": "array", "items": {"$ref": "#/$defs/Numbers"}}]
    },
    "Printed": {
        "anyOf": [
            {"type": "string", "pattern": DIGITS},
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Printed"}},
        ]
    },
}
"""Types that contain themselves: msgspec knows none without a struct, so their schema stands here."""


class Table(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, frozen=True):
    """A table of the file: an unknown key in it is a mistake."""

    def given(self, names: tuple[str, ...]) -> list[str]:
        """Which of the named keys the file gives."""
        return [name for name in names if getattr(self, name) is not UNSET]

    def exactly_one(self, names: tuple[str, ...], what: str) -> None:
        found = self.given(names)
        if len(found) != 1:
            counted = f"has {' and '.join(found)}" if found else f"has no {what}"
            raise ValueError(f"{counted}, but must have exactly one of {', '.join(names)}")


class Generated(Table, frozen=True, kw_only=True, dict=True):
    """How the elements of a tensor come about."""

    values: Nested | UnsetType = UNSET
    uniform: tuple[float, float] | UnsetType = UNSET
    normal: tuple[float, float] | UnsetType = UNSET
    linspace: tuple[float, float] | UnsetType = UNSET
    arange: tuple[float, float] | UnsetType = UNSET
    full: Number | UnsetType = UNSET
    choice: Annotated[list[Number], Meta(min_length=1)] | UnsetType = UNSET
    one_hot: int | UnsetType = UNSET
    labels: Annotated[int, Meta(ge=1, le=MAX_SIZE)] | Annotated[str, Meta(pattern=SIZE)] | UnsetType = UNSET
    tril: Number | UnsetType = UNSET
    file: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        self.exactly_one(GENERATORS, "generator")
        if self.values is not UNSET:
            _check_nested(self.values, (bool, int, float), "a number, true, false or a list of such")

    @cached_property
    def generator(self) -> str:
        """The name of the one generator that is given."""
        return self.given(GENERATORS)[0]


GENERATORS = Generated.__struct_fields__


class Input(Generated, frozen=True, kw_only=True):
    """An input of the program."""

    shape: Shape | UnsetType = UNSET
    dtype: Literal["int64", "bool"] | UnsetType = UNSET
    each: Literal["step"] | UnsetType = UNSET

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.values is UNSET and self.shape is UNSET:
            raise ValueError(f"has no shape, which {self.generator} needs")

    @property
    def drawn_dtype(self) -> str:
        """The one that is given, or that its generator gives: "float", "int64" or "bool"."""
        if self.dtype is not UNSET:
            return self.dtype
        return "float" if self.labels is UNSET else "int64"


def _options(optimizer: str) -> type[msgspec.Struct]:
    """The keys that an optimizer takes: the keyword arguments of its row."""
    fields = [
        (p.name, p.annotation) if p.default is p.empty else (p.name, p.annotation, p.default)
        for p in OPTIMIZERS[optimizer].options.values()
    ]
    return msgspec.defstruct(optimizer, fields, bases=(Table,), frozen=True, kw_only=True)


OPTIONS = {name: _options(name) for name in OPTIMIZERS}


class Optimizers(Table, frozen=True):
    """`{ sgd = { lr = 0.1 } }`; of several, each is a variant."""

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError(f"has no optimizer, but must have one or more of {', '.join(OPTIMIZERS)}")

    @property
    def names(self) -> list[str]:
        return self.given(tuple(OPTIMIZERS))


Optimizer: Any = msgspec.defstruct(
    "Optimizer",
    [(name, options | UnsetType, UNSET) for name, options in OPTIONS.items()],
    bases=(Optimizers,),
    frozen=True,
    kw_only=True,
)


def _one_of(names: tuple[str, ...]) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}


Positive = Annotated[float, Meta(gt=0)]


class Clip(Table, frozen=True, kw_only=True):
    """`{ value = 0.5 }`, or `{ norm = 1 }` of all parameters together."""

    value: Positive | UnsetType = UNSET
    norm: Positive | UnsetType = UNSET
    epsilon: Annotated[float, Meta(ge=0)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        self.exactly_one(("value", "norm"), "way")
        if self.value is not UNSET and self.epsilon is not UNSET:
            raise ValueError("has an epsilon, which is added to a norm only")


ONE_CLIP = {"oneOf": [{"required": ["value"], "not": {"required": ["epsilon"]}}, {"required": ["norm"]}]}


class Training(Table, frozen=True, kw_only=True):
    """Steps of an optimizer."""

    optimizer: Annotated[Optimizer, Meta(extra_json_schema={"minProperties": 1})]
    parameters: Annotated[list[str], Meta(min_length=1)]
    steps: Annotated[int, Meta(ge=1, le=MAX_STEPS)]
    clip: Annotated[Clip, Meta(extra_json_schema=ONE_CLIP)] | UnsetType = UNSET


class Expect(Table, frozen=True, kw_only=True):
    """A number printed elsewhere, which the reference must give."""

    value: str | UnsetType = UNSET
    gradient: str | UnsetType = UNSET
    parameter: str | UnsetType = UNSET
    at: list[Annotated[int, Meta(ge=0, le=MAX_SIZE)]] | UnsetType = UNSET
    after_step: Annotated[int, Meta(ge=0, le=MAX_STEPS)] = 0
    variant: str | UnsetType = UNSET
    printed: Printed = msgspec.field(name="is")

    def __post_init__(self) -> None:
        self.exactly_one(ROLES, "role")
        _check_nested(self.printed, (str,), "a string or a list of such")

    @property
    def what(self) -> str:
        """Its subject's kind: value, gradient or parameter."""
        return self.given(ROLES)[0]


ONE_INPUT = {**_one_of(GENERATORS), "anyOf": [{"required": ["values"]}, {"required": ["shape"]}]}
Inputs = dict[Name, Annotated[Input, Meta(extra_json_schema=ONE_INPUT)]]


class Document(Table, frozen=True, kw_only=True):
    """A whole case file."""

    title: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    program: str
    output: str | Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    values: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    gradients: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    dtypes: Annotated[list[Literal[DTYPES]], Meta(min_length=1)] = msgspec.field(  # type: ignore[valid-type]
        default_factory=lambda: list(DTYPES)
    )
    exact: bool = False
    seed: Annotated[int, Meta(ge=0, le=MAX_SIZE)] = 0
    sizes: dict[Name, Annotated[int, Meta(ge=0, le=MAX_SIZE)]] = {}
    sweep: dict[Name, Annotated[list[SweepValue], Meta(min_length=1)]] = {}
    tensors: Annotated[Inputs, Meta(min_length=1)]
    constants: Inputs = {}
    cotangents: dict[str, Annotated[Generated, Meta(extra_json_schema=_one_of(GENERATORS))]] = {}
    training: Training | UnsetType = UNSET
    state: dict[Name, str] = {}
    """Tensors that a step hands to the next one: what each is called when it comes in, and where it is assigned."""
    expect: list[Annotated[Expect, Meta(extra_json_schema=_one_of(ROLES))]] = []

    @property
    def inputs(self) -> dict[str, Input]:
        """Whatever the program may read without assigning it."""
        return {**self.tensors, **self.constants}

    def place_of(self, name: str) -> tuple[str, str]:
        """The path of an input's entry."""
        return "tensors" if name in self.tensors else "constants", name

    @property
    def outputs(self) -> list[str]:
        """Those that `output` names, as it names them; none where it isn't given."""
        if self.output is UNSET:
            return []
        return [self.output] if isinstance(self.output, str) else self.output


def _check_nested(value: Any, kinds: tuple[type, ...], allowed: str) -> None:
    """Every leaf of a nested list is of the kinds given; printed numbers look like numbers."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            if not item and kinds == (str,):
                raise ValueError(f"has an empty list, but must have {allowed}")
            stack += item
        elif type(item) not in kinds:
            raise ValueError(f"has {shown(item)}, but must have {allowed}")
        elif isinstance(item, str) and not re.search(DIGITS, item):
            raise ValueError(f'has "{shortened(item, SHOWN)}", but must have {PHRASES[DIGITS]}')


def case_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of what a case file may contain.

    It says what can be said of a file's structure. Whether shapes fit or names exist is for `harness check`.
    """
    schema = msgspec.json.schema(Document)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A case of the gradient conformance harness",
        **schema,
        "$defs": {**schema["$defs"], **NESTED},
    }
