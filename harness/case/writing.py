"""A case as a file: TOML as people write it, from which the same case is loaded again.

Written by hand, since libraries don't write it so: tomli-w puts every element of a list on a line of its own and a
tensor in a table of its own, and tomlkit's texts of several lines begin with an empty one, and lose a carriage return.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...reference.formats import DTYPES
from .document import Document

BARE = re.compile(r"[A-Za-z0-9_-]+")
ESCAPES = {"\\": "\\\\", "\b": "\\b", "\t": "\\t", "\f": "\\f", "\r": "\\r"}


def write(document: Document | Mapping[str, Any]) -> str:
    """The text of a case, from its document or the data that a file of it would hold."""
    data = document if isinstance(document, Mapping) else plain(document)
    order = Document.__struct_fields__
    keys = sorted(data, key=order.index)
    tables = [key for key in keys if isinstance(data[key], Mapping) or key == "expect"]
    lines = [f"{key} = {_text(data[key])}" for key in keys if key not in tables]
    for key in tables:
        for table in data[key] if key == "expect" else [data[key]]:
            header = f"[[{key}]]" if key == "expect" else f"[{key}]"
            lines += ["", header, *(f"{_key(name)} = {_value(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def plain(document: Document) -> dict[str, Any]:
    """The data that a file of the document holds, without what it need not say."""
    data: dict[str, Any] = msgspec.to_builtins(document)
    if document.dtypes == list(DTYPES):
        del data["dtypes"]
    return data


def _text(value: Any) -> str:
    """A value that stands at the top of the file: a text of several lines has them there too."""
    if not isinstance(value, str) or "\n" not in value:
        return _value(value)
    text = re.sub(r'"(?=""|\Z)', r'\\"', _escaped(value))
    return f'"""\n{text}"""'


def _value(value: Any) -> str:
    """A value on one line."""
    match value:
        case str():
            escaped = _escaped(value).replace("\n", "\\n").replace('"', '\\"')
            return f'"{escaped}"'
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case Mapping():
            shape_first = sorted(value.items(), key=lambda entry: entry[0] != "shape")
            inner = ", ".join(f"{_key(name)} = {_value(entry)}" for name, entry in shape_first)
            return f"{{ {inner} }}" if inner else "{}"
    return repr(value)


def _key(name: str) -> str:
    return name if BARE.fullmatch(name) else _value(name)


def _escaped(text: str) -> str:
    """The text but for its quotes and line ends as a string has it."""
    return re.sub(r"[\\\x00-\x09\x0b-\x1f\x7f]", lambda m: ESCAPES.get(m[0], f"\\u{ord(m[0]):04x}"), text)
