"""`harness certify`, `power` and `cache`: what the reference is held to, what its tolerances catch, and what is kept of it."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...reference.names import nearest
from ...reference.ops import OPS
from ...reference.optimizers import OPTIMIZERS
from ...reference.spellings import unknown_op
from .. import ROOT
from ..case.library import case_files
from ..case.loading import load
from ..errors import HarnessError
from ..power.faults import load_faults
from ..power.figures import Power, power_markdown, power_text
from ..power.layer_figures import LayerPower, layers_markdown, layers_text
from ..power.layers import layer_cases, load_layers, measure_layers
from ..power.measuring import measure_all, side_by_side
from ..power.specimens import specimens
from ..reading.files import real
from ..references import cache
from .common import command, console, path

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
WHAT = {cache.REFERENCES: "references with their tolerances", cache.COMPILED: "what frameworks have compiled"}


def add(commands: Any) -> None:
    _add_certify(commands)
    _add_power(commands)
    _add_cache(commands)


def _add_certify(commands: Any) -> None:
    text = "hold the reference to mpmath with 50 digits: every row of the op table, optimizers, and whole programs"
    made = command(commands, "certify", certify, text)
    text = "case files or folders (default: all rows, and cases)"
    made.add_argument("cases", nargs="*", type=path, metavar="CASE", help=text)
    made.add_argument("--op", action="append", default=[], metavar="NAME", help="only this row of the table")
    text = "only this optimizer"
    made.add_argument("--optimizer", action="append", default=[], metavar="NAME", help=text)


def _add_power(commands: Any) -> None:
    text = "measure how many faults the tolerances catch, and how often they call correct code wrong"
    made = command(commands, "power", power, text)
    text = "implementation: faults of one in NumPy, in networks (default); layers: of layers and optimizers, in shipped cases"
    made.add_argument("--of", choices=("implementation", "layers"), default="implementation", help=text)
    made.add_argument("--networks", type=int, default=120, metavar="N", help="random networks (120)")
    made.add_argument("--seed", type=int, default=0, metavar="S", help="number of the first network (0)")
    text = "whole: by the tolerances of what is compared (default); calls: each op call by itself too, which takes longer"
    made.add_argument("--judge", choices=("whole", "calls"), default="whole", help=text)
    made.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    faults = ROOT / "tests" / "faults"
    made.add_argument("--faults", type=path, default=faults, metavar="DIR", help="tests/faults of a checkout")


def _add_cache(commands: Any) -> None:
    text = "show where references of earlier runs are kept, how many and how large; or remove them"
    made = command(commands, "cache", show_cache, text)
    made.add_argument("--clear", action="store_true", help="remove everything that the harness keeps there")


def certify(arguments: argparse.Namespace) -> int:
    """All rows, optimizers and small shipped programs; or those that are named."""
    try:
        from ..truth.certificate import report  # noqa: PLC0415 (mpmath is optional)
        from ..truth.programs import is_small  # noqa: PLC0415 (mpmath is optional)
    except ModuleNotFoundError as error:
        if error.name != "mpmath":
            raise
        raise HarnessError("mpmath is missing: pip install mpmath") from None
    for name in arguments.op:
        if name not in OPS:
            raise HarnessError(f"{unknown_op(name)}; `harness ops` lists all")
    for name in arguments.optimizer:
        if name not in OPTIMIZERS:
            raise HarnessError(f'no optimizer "{name}"{nearest(name, OPTIMIZERS)}')
    everything = not (arguments.op or arguments.optimizer or arguments.cases)
    paths = arguments.cases or ([Path("cases")] if everything and Path("cases").is_dir() else [])
    variants = [v for path, root in case_files(paths, None) for v in load(path, root).variants]
    if everything:
        variants = [variant for variant in variants if is_small(variant)]
    rows, optimizers = (OPS, OPTIMIZERS) if everything else (arguments.op, arguments.optimizer)
    if not rows and not optimizers and not variants:
        raise HarnessError(f"no case file (*.toml) in {', '.join(map(str, paths))}")
    return 0 if report(list(rows), list(optimizers), variants, console()) else 1


def power(arguments: argparse.Namespace) -> int:
    """Faults against tolerances: the figures, or everything as JSON, or the page docs/power.md."""
    if arguments.networks < 0:
        raise HarnessError(f"--networks {arguments.networks}: must be a number, 0 or more")
    folder = real(arguments.faults)
    if arguments.of == "layers":
        return power_of_layers(folder, arguments.format)
    implementation = load_faults(folder)
    faults, by_calls = implementation.FAULTS, arguments.judge == "calls"
    what = specimens(arguments.networks, arguments.seed, ROOT / "cases", implementation.FORWARD)
    found = Power(measure_all(what, folder, by_calls=by_calls), faults, by_calls)
    if arguments.format == "json":
        print(json.dumps(found.as_json(), indent=1))
    elif arguments.format == "markdown":
        judged = " --judge calls" if by_calls else ""
        line = (
            f"harness power --networks {arguments.networks} --seed {arguments.seed}{judged} --format markdown"
        )
        print(power_markdown(found, line), end="")
    else:
        print(power_text(found))
    return 0


def power_of_layers(folder: Path, form: str) -> int:
    """The same of faults of layers and optimizers; the page is docs/power_of_layers.md."""
    root = ROOT / "cases"
    faults = load_layers(folder)
    tasks = {name: (measure_layers, name, root, folder) for name in layer_cases(root)}
    found = LayerPower(side_by_side(tasks), faults)
    if form == "json":
        print(json.dumps(found.as_json(), indent=1))
    elif form == "markdown":
        print(layers_markdown(found, "harness power --of layers --format markdown"), end="")
    else:
        print(layers_text(found))
    return 0


def show_cache(arguments: argparse.Namespace) -> int:
    """Show the cache, or clear it."""
    root = cache.folder()
    if root is None:
        print(f"the cache is off: {cache.FOLDER} is empty or off")
        return 0
    try:
        print(cleared(root) if arguments.clear else shown(root))
    except OSError as error:
        raise HarnessError(f"the cache at {root} can't be used: {error}") from None
    return 0


def cleared(root: Path) -> str:
    """Clear the cache and say what was removed."""
    removed = cache.clear(root)
    return f"{root}: removed {len(removed)} files, {size_of(removed)}"


def shown(root: Path) -> str:
    """The cache's place, and a line on each of its subfolders."""
    lines = [str(root)]
    for name, what in WHAT.items():
        found = list(cache.files(root / name))
        taken = f"{size_of(found)} of at most {size(cache.bound())}"
        lines.append(f"  {name}: {what}: {len(found)} files, {taken}{_ages(found)}")
    return "\n".join(lines)


def _ages(found: Sequence[cache.File]) -> str:
    if not found:
        return ""
    oldest, newest = (f(file.used for file in found) for f in (min, max))
    return f", last used between {_moment(oldest)} and {_moment(newest)}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def size_of(found: Sequence[cache.File]) -> str:
    """What the files take on disk."""
    return size(sum(file.size for file in found))


def size(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in UNITS[:-1]:
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} {UNITS[-1]}"
