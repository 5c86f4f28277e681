"""Mutations that know what they mutate: a value within a document, a token within a program, a header before its data.

A mutated text alone rarely gets past the TOML or JSON parser; what lies behind it is found by mutating the tree that
the parser gives, and writing it out again.
"""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from gradient_conformance.reference.ops import OPS

Mutation = Callable[[bytes, Random], bytes]

NUMBERS = (
    0, 1, -1, 2, 3, 16, 17, 64, 1000, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 1 << 20_000,
    0.5, -0.0, 1e-5, 1e308, 1e-320, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
TEXTS = (
    "", "x", "loss", "y.1", "k", "{k}", "{activation}", "2 * k", "k // 0", "k - 9", "9" * 201, "1/0", "1/3", "1e999", "-.5e-1", "5" * 61,
    "float32", "float64", "int64", "bool", "object", "step", "none", "sum", "x.npy", "../../x.npy", "/dev/zero", "a\nb", "\x1b[31m",
    "\u202e", "\ud7ff", "é", "a" * 300, "a - at `$.x[...]`", "*", "[", "[!a]*", "notebooks/two_branches::k:3-float32-torch-eager",
    ">=1,<2", "==1.*", "2026-01-31", "https://x", "agree", "disagree", "unsupported", "header", "cell", "footer", "done", "raised",
)  # fmt: skip
KEYS = (
    "title", "source", "program", "output", "values", "gradients", "dtypes", "exact", "seed", "sizes", "sweep", "tensors", "cotangents",
    "training", "expect", "shape", "dtype", "each", "uniform", "normal", "linspace", "arange", "full", "choice", "one_hot", "labels", "tril",
    "file", "optimizer", "parameters", "steps", "sgd", "lr", "value", "gradient", "parameter", "at", "after_step", "variant", "is",
    "deviation", "cell", "version", "used", "reason", "evidence", "framework", "mode", "phase", "link", "case", "since", "kind", "format",
    "verdict", "totals", "cells", "seconds", "message", "about", "arrays", "id", "type", "role", "name", "step", "op", "error", "names",
)  # fmt: skip
TOKENS = (
    *OPS, "inf", "nan", "pi", "None", "True", "False", "...", "::", ":", "-", "+", "*", "/", "@", "**", "//", "%", "<", "and", "not", "lambda:",
    "(", ")", "[", "]", "{", "}", ",", "=", "\n", ".T", ".__class__", "x", "W", "b", "y", "loss", "k", "axis=", "axis=0", "axis=-1", "axis=(0, 1)",
    "keepdims=True", "reduction='sum'", "reduction='none'", "axes=(1, 0)", "shape=(2, 3)", "index=", "parts=3", "slope=0.1", "weights='in_out'",
    "0", "1", "-1", "2", "0.5", "1e400", "9007199254740993", "'a'", "f'{x}'", "[0]", "[None]", "[::2]", "[..., 0]", "[1:]", "{k}", "{activation}", "if", "else",
    "for", "in", "yield", "await", ":=", "import os", "@x", "# ", "\\", "\0", "\x0c", "\t", ";", "a, b = b, a",
)  # fmt: skip
BYTES = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\r", b'"', b'"""', b"'''", b"[[", b"]]", b"{", b"}", b"#", b"=", b".", b"\\u", b"NaN",
    b"Infinity", b"1e999", b"-0", b"null", b"true", b"0x" + b"f" * 5000, b"9" * 5000, b"[" * 2000, b"a." * 200, b"\xed\xa0\x80", b"\\ud800",
    b"GCH1", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"descr", b"'|O'", b"'<f8'", b"(", b")", b"L", b"\xff\xff\xff\xff",
)  # fmt: skip


def nodes(tree: Any) -> list[tuple[Any, Any]]:
    """Every container and key within it."""
    found, stack = [], [tree]
    while stack:
        container = stack.pop()
        items = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
        found += [(container, key) for key, _ in items]
        stack += [value for _, value in items if isinstance(value, dict | list)]
    return found


def odd(random: Random) -> Any:
    """A value that nobody asked for."""
    kind = random.randrange(8)
    if kind < 3:
        return random.choice(NUMBERS)
    if kind < 6:
        return random.choice(TEXTS)
    if kind == 6:
        return random.choice([True, False, [], {}, [1, 2], [[1], [2, 3]], ["x"], [-1, 1], [[]]])
    return [odd(random) for _ in range(random.randrange(4))]


def change_tree(tree: Any, random: Random) -> None:
    """One change of a value, a key or the order, in place."""
    places = nodes(tree)
    if not places:
        return
    container, key = random.choice(places)
    value = container[key]
    match random.randrange(8):
        case 0 | 1:
            container[key] = odd(random)
        case 2:
            container[key] = near(value, random)
        case 3:
            del container[key]
        case 4 if isinstance(container, list):
            container.insert(random.randrange(len(container) + 1), value)
        case 4 | 5 if isinstance(container, dict):
            container[random.choice(KEYS)] = value
        case 6:
            other, place = random.choice(places)
            if not inside(other[place], container):
                container[key] = other[place]
        case _:
            container[key] = [value] if random.random() < 0.5 else near(value, random)


def inside(tree: Any, container: Any) -> bool:
    """Whether putting `tree` into `container` would close a circle."""
    return isinstance(tree, dict | list) and (
        tree is container or any(c[k] is container for c, k in nodes(tree))
    )


def near(value: Any, random: Random) -> Any:
    """A value that is almost the one that stood there."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return random.choice(
            [
                value + 1,
                value - 1,
                -value,
                value * 2,
                float(value) if abs(value) < 2**1000 else 0,
                str(value)[:50],
            ]
        )
    if isinstance(value, str):
        return (
            change_program(value, random)
            if "\n" in value or random.random() < 0.5
            else value + random.choice(TEXTS)
        )
    if isinstance(value, list) and value:
        return random.choice(
            [value[::-1], value[1:], value + value, value * 20 if len(value) < 20 else value]
        )
    return odd(random)


def change_program(text: str, random: Random) -> str:
    """A token replaced, dropped, put in, or a line repeated."""
    tokens = re.findall(r"\w+|\s|[^\w\s]", text)
    if not tokens:
        return random.choice(TOKENS)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        at = random.randrange(len(tokens))
        match random.randrange(6):
            case 0:
                tokens[at] = random.choice(TOKENS)
            case 1:
                tokens.insert(at, random.choice(TOKENS))
            case 2 if len(tokens) > 1:
                del tokens[at]
            case 3:
                tokens[at] = random.choice(tokens)
            case 4:
                end = min(len(tokens), at + random.randrange(1, 12))
                tokens[at:at] = tokens[at:end] * random.choice([1, 1, 2, 40])
            case _:
                tokens.insert(at, random.choice(["(", ")", " ", "-", "\n"]) * random.choice([1, 1, 3, 150]))
    return "".join(tokens)[:20_000]


def toml(tree: Any) -> str:
    """A document as TOML: a line for each key, tables within a value inline."""
    return "".join(f"{json.dumps(key)} = {toml_value(value)}\n" for key, value in tree.items())


def toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return hex(value) if isinstance(value, int) and value > 10**100 else str(value)


def splice(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """Bytes of the dictionary, of another place, or of another input, put in anywhere."""
    for _ in range(random.choice([1, 1, 2, 4])):
        at = random.randrange(len(data) + 1)
        length = random.choice([0, 0, 1, 2, 8, 64])
        source = other or data
        start = random.randrange(len(source) + 1)
        piece = random.choice(
            [
                random.choice(BYTES),
                source[start : start + 32],
                random.choice(TEXTS).encode(errors="replace"),
                random.randbytes(2),
            ]
        )
        data = data[:at] + piece + data[at + length :]
    return data
