"""What all doors of `harness import` have in common: somebody's function, a table of rules, the words and names of programs.

It is sent to a framework's own interpreter before the adapter's modules, and needs no framework.
"""

import importlib.util
import inspect
import keyword
import math
import operator
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

RULES: dict[str, Callable[..., Any]] = {}
"""By the framework's name of a call what makes an expression of it."""


class Cannot(Exception):
    """Programs have no word for this."""


def no_rule(*_: Any, **__: Any) -> str:
    raise Cannot


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(names, function))
        return function

    return add


# Somebody's file


def loaded(file: Path) -> ModuleType:
    """The file as a module, with what lies beside it."""
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[file.stem] = own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    return own


def given_by(own: ModuleType, function: str, sizes: dict[str, int]) -> Any:
    """What a function of the file gives, called with sizes. Raises SystemExit with a sentence where it can't be called so."""
    make = getattr(own, function, None)
    if not callable(make):
        raise SystemExit(f"{own.__name__}.py has no function {function}")
    try:
        inspect.signature(make).bind(**sizes)
    except TypeError as error:
        how = f"with {', '.join(sizes)}" if sizes else "without arguments, which --sizes gives"
        raise SystemExit(f"{function}() can't be called {how}: {error}") from None
    return make(**sizes)


# Words


def literal(value: Any) -> str:
    """A number, a word, or a tuple of such, as a program has it; numbers may be NumPy's."""
    if isinstance(value, (list, tuple)):
        return f"({''.join(f'{literal(a)}, ' for a in value).rstrip(' ' if len(value) == 1 else ', ')})"
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value) if isinstance(value, bool) or value is None else repr(operator.index(value))


def called(op: str, *args: str, **kw: Any) -> str:
    """A call; attributes that are None are left out."""
    named = [f"{key}={literal(value)}" for key, value in kw.items() if value is not None]
    return f"{op}({', '.join([*args, *named])})"


class Names:
    """Names of programs, each given once."""

    def __init__(self) -> None:
        self.taken: set[str] = {"inf", "nan", "pi", *keyword.kwlist}

    def name(self, wanted: str) -> str:
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII).strip("_") or "t"
        base = f"t{base}" if base[0].isdigit() else base
        found, n = base, 1
        while found in self.taken:
            n += 1
            found = f"{base}_{n}"
        self.taken.add(found)
        return found
