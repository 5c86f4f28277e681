"""Every case below a root through the engine and into a run file: a run without pytest, as a process of its own.

Arguments: the case root, then the frameworks.
"""

import sys
from contextlib import closing
from pathlib import Path

from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.plan import Selection, cells

from .. import running
from ..measuring import known_frameworks


def main() -> None:
    root, columns = Path(sys.argv[1]), tuple(sys.argv[2:])
    variants = [variant for path in sorted(root.rglob("*.toml")) for variant in load(path, root).variants]
    chosen = list(cells(variants, list(known_frameworks().values()), Selection(columns)))
    with closing(running.engine()) as engine:
        running.run(engine, chosen, root.parent / "reports" / "run.jsonl")


if __name__ == "__main__":
    main()
