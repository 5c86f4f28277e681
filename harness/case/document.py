"""The structure of a case file, as types: the loader and the JSON Schema for editors are both made from these.

Structure is what can be said of the file without knowing what its program means: keys, kinds of values, which keys
exclude each other. Everything here is data; nothing is drawn, opened or evaluated.
"""

import inspect
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...reference.language import MAX_NAME
from ...reference.ops.shapes import MAX_DIMENSIONS
from ...reference.optimizers import OPTIMIZERS
from ...reference.rounding import DTYPE_SCALE
from ..reading.locate import Path
from ..text import SHOWN, allowed_names, shortened, shown

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


class Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
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


class Tensor(Generated, frozen=True, kw_only=True):
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
    parameters = inspect.signature(OPTIMIZERS[optimizer]).parameters.values()
    fields = [
        (p.name, float) if p.default is p.empty else (p.name, float, p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    ]
    return msgspec.defstruct(optimizer, fields, bases=(Table,), frozen=True, kw_only=True)


OPTIONS = {name: _options(name) for name in OPTIMIZERS}


class OneOptimizer(Table, frozen=True):
    """`{ sgd = { lr = 0.1 } }`."""

    def __post_init__(self) -> None:
        self.exactly_one(tuple(OPTIMIZERS), "optimizer")


Optimizer: Any = msgspec.defstruct(
    "Optimizer",
    [(name, options | UnsetType, UNSET) for name, options in OPTIONS.items()],
    bases=(OneOptimizer,),
    frozen=True,
    kw_only=True,
)


def _one_of(names: tuple[str, ...]) -> dict[str, Any]:
    return {"oneOf": [{"required": [name]} for name in names]}


class Training(Table, frozen=True, kw_only=True):
    """Steps of an optimizer."""

    optimizer: Annotated[Optimizer, Meta(extra_json_schema=_one_of(tuple(OPTIMIZERS)))]
    parameters: Annotated[list[str], Meta(min_length=1)]
    steps: Annotated[int, Meta(ge=1, le=MAX_STEPS)]


SUBJECTS = ("value", "gradient", "parameter")


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
        self.exactly_one(SUBJECTS, "subject")
        _check_nested(self.printed, (str,), "a string or a list of such")

    @property
    def what(self) -> str:
        """Its subject's kind: value, gradient or parameter."""
        return self.given(SUBJECTS)[0]


class Document(Table, frozen=True, kw_only=True):
    """A whole case file."""

    title: Annotated[str, Meta(min_length=1)]
    source: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    program: str
    output: str | UnsetType = UNSET
    values: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    gradients: Annotated[list[str], Meta(min_length=1)] | UnsetType = UNSET
    dtypes: Annotated[list[Literal[tuple(DTYPE_SCALE)]], Meta(min_length=1)] = msgspec.field(  # type: ignore[valid-type]
        default_factory=lambda: list(DTYPE_SCALE)
    )
    exact: bool = False
    seed: Annotated[int, Meta(ge=0, le=MAX_SIZE)] = 0
    sizes: dict[Name, Annotated[int, Meta(ge=0, le=MAX_SIZE)]] = {}
    sweep: dict[Name, Annotated[list[SweepValue], Meta(min_length=1)]] = {}
    tensors: Annotated[
        dict[
            Name,
            Annotated[
                Tensor,
                Meta(
                    extra_json_schema={
                        **_one_of(GENERATORS),
                        "anyOf": [{"required": ["values"]}, {"required": ["shape"]}],
                    }
                ),
            ],
        ],
        Meta(min_length=1),
    ]
    cotangents: dict[str, Annotated[Generated, Meta(extra_json_schema=_one_of(GENERATORS))]] = {}
    training: Training | UnsetType = UNSET
    expect: list[Annotated[Expect, Meta(extra_json_schema=_one_of(SUBJECTS))]] = []


ALONE = {
    name: msgspec.defstruct(name, [(name, kind)])
    for name, kind in get_type_hints(Document, include_extras=True).items()
}
"""A document of one key alone: which entry of a large table is wrong is found without reading all the rest again."""


class Mistake(ValueError):
    """A mistake in a case file; `path` leads to it.

    `on_key` if it is the key itself and not its value; `within` is line and column inside of a string value.
    """

    def __init__(
        self, message: str, path: Path, on_key: bool = False, within: tuple[int, int] | None = None
    ) -> None:
        super().__init__(f"{'.'.join(map(str, path))}: {message}" if path else message)
        self.message, self.path, self.on_key, self.within = message, path, on_key, within


def structure(document: Mapping[str, Any]) -> Document:
    """The document as types. Raises Mistake with the path of the first mistake."""
    for key in document:
        if key not in Document.__struct_fields__:
            raise _error(f"Object contains unknown field `{key}`", (), on_key=True)
    try:
        return msgspec.convert(document, Document)
    except msgspec.ValidationError as error:
        message, path = _split(str(error))
        raise _error(message, *_resolve(document, path)) from None


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


# msgspec's messages end with a path in which dictionary keys are "...": the document tells which key it was. Only
# those about the document's own keys have none, and a key may be made to look like one: `structure` takes them first.

STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]")


def _split(text: str) -> tuple[str, str]:
    message, separator, path = text.rpartition(" - at ")
    return (message, path) if separator else (text, "")


def _resolve(document: Mapping[str, Any], path: str) -> tuple[Path, bool]:
    """The path with real keys, and whether the mistake is the key itself."""
    on_key = path.startswith("`key` in ")
    steps = [name or at for name, at in STEP.findall(path)] + ["..."] * on_key
    found: list[str | int] = []
    for step in steps:
        if step == "...":
            found.append(_culprit(document, found, path))
        else:
            found.append(int(step) if step.isdigit() else step)
    return tuple(found), on_key


def _culprit(document: Mapping[str, Any], found: list[str | int], path: str) -> str:
    """Which key of the dictionary at `found` leads to the mistake: the one that is wrong on its own."""
    field = str(found[0])
    table: Mapping[str, Any] = document[field]
    for key, value in table.items():
        try:
            msgspec.convert({field: {key: value}}, ALONE[field])
        except msgspec.ValidationError as error:
            if _split(str(error))[1] == path:
                return key
    return next(iter(table))


def _error(message: str, path: Path, on_key: bool) -> Mistake:
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        path, on_key = (*path, unknown[1]), True
    return Mistake(_worded(message, path), path, on_key)


def _worded(message: str, path: Path) -> str:
    """The message of msgspec in the file's own words."""
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return f'unknown key "{unknown[1]}"; {allowed_names(unknown[1], keys_of(path[:-1]))}'
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f'the key "{missing[1]}" is missing'
    subject = _subject(path)
    if pattern := re.fullmatch(r"Expected `str` matching regex '(.*)'", message, re.DOTALL):
        return f"{subject} is not allowed: {PHRASES[_unescaped(pattern[1])]}"
    if wrong := re.fullmatch(r"Expected `(.*?)`, got `(.*)`", message):
        return f"{subject} is {_kind(wrong[2])}, but must be {_kinds(wrong[1])}"
    if enum := re.fullmatch(r"Invalid enum value (.*)", message, re.DOTALL):
        return f'{subject} is "{enum[1][1:-1]}"; {allowed_names(enum[1][1:-1], _choices(path))}'
    if bound := re.fullmatch(r"Expected `(.*?)` (?:of length )?(.*)", message):
        return f"{subject} must be {_kinds(bound[1])} {'of length ' * ('length' in message)}{bound[2]}"
    return f"{subject} {message}"


def _unescaped(pattern: str) -> str:
    return pattern if pattern in PHRASES else pattern.encode().decode("unicode_escape")


def _subject(path: Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    place = "".join(f"[{part}]" for part in path if isinstance(part, int))
    return (".".join(names) + place) if names else "the file"


KINDS = {
    "int": "an integer", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list",
    "object": "a table", "null": "nothing", "datetime": "a date and time", "date": "a date", "time": "a time",
}  # fmt: skip


def _kind(name: str) -> str:
    return KINDS.get(name, name)


def _kinds(names: str) -> str:
    return " or ".join(_kind(name) for name in names.split(" | "))


def _choices(path: Path) -> tuple[str, ...]:
    return {"dtype": ("int64", "bool"), "each": ("step",)}.get(str(path[-1]), tuple(DTYPE_SCALE))


def keys_of(path: Path) -> tuple[str, ...]:
    """The keys that the table at `path` may have."""
    kinds: dict[str, type[msgspec.Struct]] = {
        "tensors": Tensor, "cotangents": Generated, "training": Training, "expect": Expect,
    }  # fmt: skip
    if path[:2] == ("training", "optimizer"):
        kind = OPTIONS[str(path[2])] if len(path) > 2 else Optimizer
    else:
        kind = kinds[str(path[0])] if path else Document
    return tuple(kind.__struct_encode_fields__)


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
