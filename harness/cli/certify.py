"""`harness certify`: the reference held to mpmath."""

import argparse
from pathlib import Path
from typing import Any

from ...reference.names import nearest
from ...reference.ops import OPS
from ..case.loading import load
from ..errors import HarnessError
from .common import case_files, command, console


def add(commands: Any) -> None:
    text = "hold the reference to mpmath with 50 digits: every row of the op table, optimizers, and whole programs"
    made = command(commands, "certify", certify, text)
    text = "case files or folders (default: all rows, and cases)"
    made.add_argument("cases", nargs="*", type=Path, metavar="CASE", help=text)
    made.add_argument("--op", action="append", default=[], metavar="NAME", help="only this row of the table")
    text = "only this optimizer"
    made.add_argument("--optimizer", action="append", default=[], metavar="NAME", help=text)


def certify(arguments: argparse.Namespace) -> int:
    """All rows, optimizers and small shipped programs; or those that are named."""
    try:
        from ..truth.certificate import report  # noqa: PLC0415 (mpmath is optional)
        from ..truth.programs import is_small  # noqa: PLC0415 (mpmath is optional)
        from ..truth.steps import NAMES  # noqa: PLC0415 (mpmath is optional)
    except ModuleNotFoundError as error:
        if error.name != "mpmath":
            raise
        raise HarnessError("mpmath is missing: pip install 'gradient-conformance-harness[certify]'") from None
    for name in arguments.op:
        if name not in OPS:
            raise HarnessError(f'no op "{name}"{nearest(name, OPS)}; `harness ops` lists all')
    for name in arguments.optimizer:
        if name not in NAMES:
            raise HarnessError(f'no optimizer "{name}"{nearest(name, NAMES)}')
    everything = not (arguments.op or arguments.optimizer or arguments.cases)
    paths = arguments.cases or ([Path("cases")] if everything and Path("cases").is_dir() else [])
    variants = [v for path, root in case_files(paths, None) for v in load(path, root).variants]
    if everything:
        variants = [variant for variant in variants if is_small(variant)]
    rows, optimizers = (OPS, NAMES) if everything else (arguments.op, arguments.optimizer)
    if not rows and not optimizers and not variants:
        raise HarnessError(f"no case file (*.toml) in {', '.join(map(str, paths))}")
    return 0 if report(list(rows), list(optimizers), variants, console()) else 1
