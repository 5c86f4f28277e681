"""The arrays of a case: from which stream, in which shape, within which limits.

A case file comes from a stranger. So shapes are worked out and held to limits before anything is allocated, a `.npy`
file is read only inside the case root, never with pickles, and its header is compared with the shape before its data
are touched. Nothing is drawn while a case is loaded.

Every tensor has a stream of its own, derived from the case's seed and the tensor's name: adding a tensor to a case,
or a variant, changes no other.
"""

import ast
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from msgspec import UNSET

from ...reference.ops.shapes import MAX_DIMENSIONS
from ..reading.files import open_regular
from ..reading.npy import MAX_HEADER, NpyHeader, data_length, member, read_header
from ..reading.text import allowed_names, shown
from .document import MAX_SIZE, Generated, Input
from .mistakes import Mistake, below

Array = np.ndarray[Any, Any]
Bindings = Mapping[str, Any]

MAX_ELEMENTS = 50_000_000
MAX_EXPRESSION = 200


@dataclass(frozen=True, slots=True)
class Source:
    """Everything that one tensor of one variant is drawn from; `dtype` is "float", "int64" or "bool"."""

    name: str
    spec: Generated
    shape: tuple[int, ...]
    dtype: str
    seed: int
    role: str = "input"
    steps: int | None = None
    classes: int = 0
    folder: Path = Path()
    root: Path | None = None
    """Below which files may lie; None for a case that is a text alone."""

    @property
    def drawn_shape(self) -> tuple[int, ...]:
        """The shape in memory: with a leading axis of steps where it is drawn anew each step."""
        return self.shape if self.steps is None else (self.steps, *self.shape)

    @property
    def size(self) -> int:
        """Elements in memory, those of all steps."""
        return elements(self.drawn_shape)

    def draw(self, dtype: str | None = None) -> Array:
        """The array, float64, int64 or bool: floats rounded to `dtype`, or as written (None).

        One drawn anew each step has a leading axis of steps. What is beyond the dtype's range is infinite there, as
        it would be in a framework: NumPy warns of it. Raises Mistake where a file is not what it should be.
        """
        generator = self.spec.generator
        array = RANDOM[generator](self, self.random()) if generator in RANDOM else FIXED[generator](self)
        if self.dtype != "float":
            return array.astype(self.dtype)
        return (array if dtype is None else array.astype(dtype)).astype(np.float64)

    def random(self) -> "np.random.Generator":
        """The tensor's own stream. Its seed is given as words: as the integer they make it takes NumPy longer."""
        key = f"{self.seed}/{self.role}/{self.name}".encode()
        words = np.frombuffer(hashlib.sha256(key).digest(), "<u4").astype(np.uint32)
        return np.random.Generator(np.random.PCG64(words))


def _uniform(source: Source, random: "np.random.Generator") -> Array:
    low, high = _pair(source.spec.uniform)
    return low + (high - low) * random.random(source.drawn_shape)


def _normal(source: Source, random: "np.random.Generator") -> Array:
    mean, deviation = _pair(source.spec.normal)
    return mean + deviation * random.standard_normal(source.drawn_shape)


def _choice(source: Source, random: "np.random.Generator") -> Array:
    allowed = np.array(source.spec.choice)
    return allowed[random.integers(0, len(allowed), source.drawn_shape)]


def _one_hot(source: Source, random: "np.random.Generator") -> Array:
    shape = source.drawn_shape
    axis = int(source.spec.one_hot) % len(source.shape) + len(shape) - len(source.shape)  # type: ignore[arg-type]
    places = random.integers(0, shape[axis], (*shape[:axis], 1, *shape[axis + 1 :]))
    classes = np.arange(shape[axis]).reshape(-1, *[1] * (len(shape) - axis - 1))
    array: Array = (places == classes).astype(np.float64)
    return array


def _linspace(source: Source) -> Array:
    return np.linspace(*_pair(source.spec.linspace), math.prod(source.shape)).reshape(source.shape)


def _arange(source: Source) -> Array:
    start, step = _pair(source.spec.arange)
    return (start + step * np.arange(math.prod(source.shape))).reshape(source.shape)


RANDOM: dict[str, "Callable[[Source, np.random.Generator], Array]"] = {
    "uniform": _uniform,
    "normal": _normal,
    "choice": _choice,
    "one_hot": _one_hot,
    "labels": lambda source, random: random.integers(0, source.classes, source.drawn_shape),
}
FIXED: dict[str, Callable[[Source], Array]] = {
    "values": lambda source: np.array(source.spec.values, dtype=np.float64).reshape(source.shape),
    "linspace": _linspace,
    "arange": _arange,
    "full": lambda source: np.full(source.shape, source.spec.full),
    "tril": lambda source: np.tril(np.full(source.shape, source.spec.tril)),
    "file": lambda source: read_npy(source),  # noqa: PLW0108  (it stands below)
}


def _pair(value: Any) -> tuple[float, float]:
    low, high = value
    return low, high


# Shapes


@lru_cache(maxsize=4096)
def elements(shape: tuple[int, ...]) -> int:
    """Elements of a shape; an axis of none counts as one, since NumPy refuses the others when their product is huge."""
    return math.prod(max(1, size) for size in shape)


def dimension(size: int | str, bindings: Bindings) -> int:
    """A dimension: an integer, or `+ - * //` of sizes. Raises Mistake with the column within the text."""
    if isinstance(size, int):
        return size
    value = _evaluate(_parsed(size), bindings)
    if not 0 <= value <= MAX_SIZE:
        message = f'"{size}" is {shown(value)}, but a dimension must be 0 or more, and at most 2**53'
        raise Mistake(message, (), within=(1, 1))
    return value


def sizes_in(size: int | str) -> set[str]:
    """The names of sizes that a dimension uses."""
    if isinstance(size, int):
        return set()
    return {node.id for node in ast.walk(_parsed(size)) if isinstance(node, ast.Name)}


@lru_cache(maxsize=1024)
def _parsed(text: str) -> ast.expr:
    if len(text) > MAX_EXPRESSION:
        raise Mistake(f"a dimension has at most {MAX_EXPRESSION} characters, not {len(text)}", ())
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Mistake(f'the dimension "{text}" cannot be read', (), within=(1, 1)) from None


ARITHMETIC: dict[type, Callable[[int, int], int]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.FloorDiv: lambda x, y: x // y,
}


def _evaluate(node: ast.expr, bindings: Bindings) -> int:
    within = (1, node.col_offset + 1)
    match node:
        case ast.Name(name):
            return _size(name, bindings, within)
        case ast.Constant(int() as value) if not isinstance(value, bool):
            return value
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
            x, y = _evaluate(left, bindings), _evaluate(right, bindings)
            if isinstance(op, ast.FloorDiv) and y == 0:
                raise Mistake("this dimension divides by 0", (), within=within)
            return ARITHMETIC[type(op)](x, y)
    raise Mistake("a dimension is made of integers and sizes with + - * // alone", (), within=within)


def _size(name: str, bindings: Bindings, within: tuple[int, int]) -> int:
    size = bindings.get(name)
    if type(size) is not int:
        sizes = [known for known, value in bindings.items() if type(value) is int]
        unknown = "" if name in bindings else name
        raise Mistake(f'unknown size "{name}"; {allowed_names(name, sizes)}', (), False, within, unknown)
    return size


def nested_shape(values: Any) -> tuple[int, ...]:
    """The shape of a nested list. Raises Mistake where its rows differ in length."""
    shape: list[int] = []
    level = [values]
    while level and isinstance(level[0], list):
        lengths = {len(item) if isinstance(item, list) else -1 for item in level}
        if len(lengths) != 1 or len(shape) == MAX_DIMENSIONS:
            raise Mistake("the rows of this list differ in length or depth", ())
        shape.append(len(level[0]))
        level = [element for item in level for element in item]
    if any(isinstance(item, list) for item in level):
        raise Mistake("the rows of this list differ in length or depth", ())
    return tuple(shape)


def leaves(values: Any) -> Iterator[Any]:
    """The elements of a nested list, in order."""
    stack = [iter([values])]
    while stack:
        for item in stack[-1]:
            if isinstance(item, list):
                stack.append(iter(item))
                break
            yield item
        else:
            stack.pop()


def shape_of(tensor: Input, bindings: Bindings) -> tuple[int, ...]:
    """A tensor's shape in one variant. Raises Mistake, its path below the tensor's."""
    if tensor.shape is UNSET:
        return nested_shape(tensor.values)
    if isinstance(tensor.shape, str):
        return _swept_shape(tensor.shape, bindings)
    shape = []
    for i, size in enumerate(tensor.shape):
        shape.append(below(("shape", i), dimension, size, bindings))
    return tuple(shape)


def _swept_shape(placeholder: str, bindings: Bindings) -> tuple[int, ...]:
    name = placeholder[1:-1]
    shapes = [known for known, value in bindings.items() if isinstance(value, tuple)]
    if name not in shapes:
        message = f'"{name}" is no list of integers in [sweep]; {allowed_names(name, shapes)}'
        raise Mistake(message, ("shape",), unknown="" if name in bindings else name)
    return tuple(bindings[name])


# What can be said of a tensor before it is drawn


def check(source: Source) -> None:
    """Whether shape, generator and dtype go together. Raises Mistake, its path below the tensor's."""
    if len(source.shape) > MAX_DIMENSIONS:
        raise Mistake(f"{len(source.shape)} dimensions, but at most {MAX_DIMENSIONS} are allowed", ("shape",))
    if source.size > MAX_ELEMENTS:
        raise Mistake(f"{source.size} elements, but at most {MAX_ELEMENTS} are allowed", ("shape",))
    generator = source.spec.generator
    if source.steps is not None and generator not in RANDOM:
        raise Mistake(
            f'each = "step" needs a random generator ({", ".join(RANDOM)}), not {generator}', ("each",)
        )
    CHECKS.get(generator, _check_elements)(source)


def _check_random(source: Source) -> None:
    generator = source.spec.generator
    if source.dtype != "float":
        raise Mistake(f"{generator} gives floats, but the tensor is {source.dtype}", (generator,))
    low, high = _pair(getattr(source.spec, generator))
    if not (math.isfinite(low) and math.isfinite(high) and math.isfinite(high - low)):
        raise Mistake(f"{generator} needs two finite numbers, not {low} and {high}", (generator,))
    if (generator == "uniform" and low > high) or (generator == "normal" and high < 0):
        wanted = (
            "low and high, in this order" if generator == "uniform" else "mean and a deviation of 0 or more"
        )
        raise Mistake(f"{generator} needs {wanted}, not {low} and {high}", (generator,))


def _check_values(source: Source) -> None:
    found = nested_shape(source.spec.values)
    if found != source.shape:
        raise Mistake(f"values have shape {found}, but the tensor has shape {source.shape}", ("values",))
    _check_elements(source)


def _check_elements(source: Source) -> None:
    """Numbers that are written out must be of the tensor's dtype."""
    generator = source.spec.generator
    for element in leaves(getattr(source.spec, generator)):
        _check_element(element, source.dtype, (generator,))


def _check_element(element: Any, dtype: str, path: tuple[str]) -> None:
    if isinstance(element, int) and abs(element) > MAX_SIZE:
        raise Mistake("this integer is beyond 2**53", path)
    if dtype == "bool" and element not in (0, 1):
        raise Mistake(f"{element!r} is no element of a bool tensor; allowed are true and false", path)
    if dtype != "bool" and isinstance(element, bool):
        raise Mistake(f'{str(element).lower()} needs dtype = "bool"', path)
    if dtype == "int64" and element != math.floor(element if math.isfinite(element) else 0.5):
        raise Mistake(f"{element!r} is no integer, but the tensor is int64", path)


def _check_arange(source: Source) -> None:
    start, step = _pair(source.spec.arange)
    for number in (start, step):
        _check_element(number, source.dtype, ("arange",))
        if not math.isfinite(number):
            raise Mistake(f"arange needs finite numbers, not {number}", ("arange",))
    if source.dtype == "int64" and abs(start) + abs(step) * source.size > MAX_SIZE:
        raise Mistake(f"arange from {start} by {step} leaves the integers up to 2**53", ("arange",))


def _check_one_hot(source: Source) -> None:
    axis, rank = source.spec.one_hot, len(source.shape)
    if axis is UNSET or not -rank <= axis < rank:
        raise Mistake(f"one_hot's axis {axis} is outside shape {source.shape}", ("one_hot",))
    if source.shape[axis] == 0:
        raise Mistake(f"one_hot's axis {axis} of shape {source.shape} is empty", ("one_hot",))


def _check_labels(source: Source) -> None:
    if source.dtype != "int64":
        raise Mistake(f"labels are int64, but the tensor is {source.dtype}", ("labels",))
    if source.classes < 1:
        raise Mistake(f"labels need at least 1 class, not {source.classes}", ("labels",))


def _check_tril(source: Source) -> None:
    if len(source.shape) < 2:
        raise Mistake(f"tril needs two dimensions or more, not shape {source.shape}", ("tril",))
    _check_elements(source)


CHECKS: dict[str, Callable[[Source], None]] = {
    "values": _check_values,
    "uniform": _check_random,
    "normal": _check_random,
    "linspace": _check_random,
    "arange": _check_arange,
    "one_hot": _check_one_hot,
    "labels": _check_labels,
    "tril": _check_tril,
    "file": lambda source: check_npy(source),  # noqa: PLW0108  (it stands below)
}


# Files

WIDEST = 8
"""Bytes of the widest element of `FILE_DTYPES`."""
FILE_DTYPES = {
    "float": ("f2", "f4", "f8"),
    "int64": ("i1", "i2", "i4", "i8", "u1", "u2", "u4"),
    "bool": ("b1",),
}


def check_npy(source: Source) -> None:
    """Whether the file is what the case says, its data unread. Raises Mistake."""
    with _opened(source) as stream:
        _checked_header(source, stream)


def read_npy(source: Source) -> Array:
    """The array of a `.npy` file. Raises Mistake where the file is not what the case says."""
    with _opened(source) as stream:
        header = _checked_header(source, stream)
        try:
            data = stream.read(header.nbytes)
        except OSError as error:
            raise Mistake(f'"{source.spec.file}" cannot be read: {error.strerror}', ("file",)) from None
    if len(data) != header.nbytes:
        raise Mistake(f'"{source.spec.file}" was changed while it was read', ("file",))
    return header.array(data)


def _opened(source: Source) -> IO[bytes]:
    """The file of an array; of an `.npz` file the array that is called like the tensor."""
    path, name = _inside(source), source.spec.file
    try:
        stream = open_regular(path)
        if path.suffix == ".npy":
            return stream
        with stream:
            return member(stream, source.name, elements(source.shape) * WIDEST + 2 * MAX_HEADER)
    except OSError as error:
        raise Mistake(f'"{name}" cannot be opened: {error.strerror}', ("file",)) from None
    except KeyError:
        raise Mistake(f'"{name}" has no array "{source.name}"', ("file",)) from None
    except ValueError as error:
        raise Mistake(f'"{name}", array "{source.name}": {error}', ("file",)) from None


def _inside(source: Source) -> Path:
    """The file's real path; it must lie below the case root, symbolic links followed."""
    name = str(source.spec.file)
    if source.root is None:
        raise Mistake(
            f'"{name}": a case that is a text alone has no files beside it; name its root', ("file",)
        )
    try:
        path = (source.folder / name).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise Mistake(f'there is no file "{name}" beside the case', ("file",)) from None
    if not path.is_relative_to(source.root.resolve()):
        raise Mistake(f'"{name}" lies outside the case root', ("file",))
    if path.suffix not in (".npy", ".npz") or not path.is_file():
        raise Mistake(f'"{name}" is no .npy or .npz file', ("file",))
    return path


def _checked_header(source: Source, stream: IO[bytes]) -> NpyHeader:
    """The header, when dtype, shape and length are right; the stream then stands at the data."""
    name = source.spec.file
    try:
        header = read_header(stream)
    except ValueError:
        raise Mistake(f'"{name}" has no readable .npy header', ("file",)) from None
    shape, dtype = header.shape, header.dtype
    if dtype.str[1:] not in FILE_DTYPES[source.dtype]:
        allowed = ", ".join(np.dtype(kind).name for kind in FILE_DTYPES[source.dtype])
        raise Mistake(
            f'"{name}" holds {dtype}, but the tensor is {source.dtype}: allowed are {allowed}', ("file",)
        )
    if shape != source.shape:
        raise Mistake(f'"{name}" has shape {shape}, but the tensor has shape {source.shape}', ("file",))
    found = data_length(stream)
    if found != header.nbytes:
        raise Mistake(
            f'"{name}" has {found} bytes of data, but shape {shape} needs {header.nbytes}', ("file",)
        )
    return header
