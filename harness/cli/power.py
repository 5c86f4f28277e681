"""`harness power`: faults against tolerances."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..power.faults import load_faults
from ..power.figures import Power, power_markdown, power_text
from ..power.measuring import measure_all
from ..power.specimens import specimens
from .common import CHECKOUT, command


def add(commands: Any) -> None:
    text = "measure how many faults the tolerances catch, and how often they call correct code wrong"
    made = command(commands, "power", power, text)
    made.add_argument("--networks", type=int, default=120, metavar="N", help="random networks (120)")
    made.add_argument("--seed", type=int, default=0, metavar="S", help="number of the first network (0)")
    made.add_argument("--format", choices=("text", "json", "markdown"), default="text")
    faults = CHECKOUT / "tests" / "faults"
    made.add_argument("--faults", type=Path, default=faults, metavar="DIR", help="tests/faults of a checkout")


def power(arguments: argparse.Namespace) -> int:
    """Faults against tolerances: the figures, or everything as JSON, or the page docs/power.md."""
    folder = arguments.faults.resolve()
    faults = load_faults(folder).FAULTS
    found = Power(
        measure_all(specimens(arguments.networks, arguments.seed, CHECKOUT / "cases"), folder), faults
    )
    if arguments.format == "json":
        print(json.dumps(found.as_json(), indent=1))
    elif arguments.format == "markdown":
        line = f"harness power --networks {arguments.networks} --seed {arguments.seed} --format markdown"
        print(power_markdown(found, line), end="")
    else:
        print(power_text(found))
    return 0
