"""`harness check`, `harness schema` and `harness workflow`: what people need for cases of their own."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import ROOT
from ..case.document import case_schema
from ..case.library import case_files
from ..case.loading import load
from ..case.variant import Variant
from ..errors import HarnessError
from ..references.variant import VariantReference
from ..report.json import report_schema
from .common import command, path

NAMED = 3
"""Variants that a warning names."""


def add(commands: Any) -> None:
    made = command(commands, "check", check, "validate case files without running anything")
    made.add_argument("paths", nargs="*", type=path, metavar="PATH", help="files or folders (default: cases)")
    made.add_argument("--root", type=path, help="the case root (default: each PATH that is a folder)")
    made = command(
        commands, "schema", schema, "print the JSON Schema of case files, for editors, or of JSON reports"
    )
    made.add_argument("of", nargs="?", choices=("case", "report"), default="case")
    text = "print a GitHub workflow for a repository of your own: a job a framework, one report of all"
    command(commands, "workflow", workflow, text)


def check(arguments: argparse.Namespace) -> int:
    """Load every case file and tell all mistakes, one line each."""
    mistakes = count = cells = 0
    for file, root in case_files(arguments.paths or [Path("cases")], arguments.root):
        count += 1
        try:
            variants = load(file, root).variants
            cells += sum(len(variant.dtypes) for variant in variants)
            for name, found in silent(variants).items():
                print(
                    f"{file}: warning: no gradient of {name} carries information in {found}: all are exactly 0"
                )
        except HarnessError as error:
            mistakes += 1
            print(error, file=sys.stderr)
    if not count:
        raise HarnessError(f"no case file (*.toml) in {', '.join(map(str, arguments.paths)) or 'cases'}")
    print(f"{count} case files, {cells} cells a framework, {mistakes} files with mistakes")
    return 1 if mistakes else 0


def silent(variants: Iterable[Variant]) -> dict[str, str]:
    """The names whose gradient is exactly 0 everywhere, units being dead or saturated, and the variants in which it is."""
    found: dict[str, list[str]] = {}
    for variant in variants:
        useful = variant.program.ancestors([variant.output])
        reference = VariantReference(variant)
        for name, g in reference.gradients_at(reference.inputs_at(0, {}), variant.gradients).items():
            if name in useful and g.size and not g.any():
                found.setdefault(name, []).append(variant.id or "its one variant")
    return {name: ", ".join(ids[:NAMED]) + ", ..." * (len(ids) > NAMED) for name, ids in found.items()}


def schema(arguments: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    print(json.dumps(report_schema() if arguments.of == "report" else case_schema(), indent=2))
    return 0


def workflow(_arguments: argparse.Namespace) -> int:
    """Print the workflow."""
    print((ROOT / ".ci" / "foreign.yml").read_text(encoding="utf-8"), end="")
    return 0
