"""What one pytest session runs, and with what: made from its options, once in every process."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest

from .. import __version__
from ..case.library import SHIPPED, Library, root_named
from ..case.variant import Case
from ..engine import Engine
from ..errors import HarnessError
from ..frameworks import interpreters
from ..frameworks.found import DEVIATIONS, Framework, frameworks, shipped_adapters, subject
from ..ledger.entries import Ledger
from ..ledger.reading import load as load_ledger
from ..ledger.reading import load_given
from ..plan import Cell, Selection, cells, check_columns
from ..references import cache
from ..roles import Answered
from ..run import arrays
from ..run.lines import STRICT, CellLine, Header, Kept
from ..run.provenance import header as record_header
from ..run.provenance import own_contents
from ..run.reading import Unfinished
from ..workers.sharing.limits import cores
from ..workers.waiting import Say
from ..workers.worker import CELL_TIMEOUT, START_TIMEOUT
from . import cluster, files, shards
from .cluster import Cluster, Work
from .files import arrays_folder, record_path
from .options import Option, carried, check_given, count, seconds, several
from .resume import resumed
from .shards import SHARDING, Sharding, given_shard

MATRIX = pytest.StashKey["Matrix"]()
ROOTS = pytest.StashKey[list[Path]]()
RECORDER = "gradient_conformance_recorder"

LEDGER = "ledger-"
"""How the names of items begin that hold a ledger against all cells."""

CELL, ABOUT = "gradient_conformance_cell", "gradient_conformance_about"
"""Properties of a test's report: a cell's line, and what its framework told of itself."""


OPTIONS = (
    Option(
        "--framework", "only these frameworks (repeat, or separate by commas)", several("NAME"), selects=True
    ),
    Option("--dtype", "only these dtypes", several("NAME"), selects=True),
    Option(
        "--mode",
        "these modes instead of each framework's default; all: every mode",
        several("NAME"),
        carried=True,
    ),
    Option("--require", "frameworks that must not be absent; all: every one", several("NAME")),
    Option(
        "--subject",
        "your own code as a column",
        several("FILE.py|FILE.ipynb"),
        path=True,
        carried=True,
        selects=True,
    ),
    Option(
        STRICT,
        "ask your own code for everything that is compared, as frameworks are",
        {"action": "store_true"},
        carried=True,
    ),
    Option(
        "--deviations",
        "known deviations of your own, for any framework",
        several("FILE"),
        path=True,
        carried=True,
    ),
    Option(
        "--cases",
        f"one more case root; {SHIPPED}: the cases that come with the harness",
        several("DIR"),
        path=True,
        carried=True,
    ),
    Option("--adapters", "one more folder of adapters", several("DIR"), path=True, carried=True),
    Option("--interpreter", "a framework's interpreter", several("NAME=COMMAND"), carried=True),
    Option(
        "--cell-timeout",
        "most a cell may take",
        {"type": seconds, "default": CELL_TIMEOUT, "metavar": "SECONDS"},
        carried=True,
    ),
    Option(
        "--start-timeout",
        "most an interpreter with its framework may take to start",
        {"type": seconds, "default": START_TIMEOUT, "metavar": "SECONDS"},
        carried=True,
    ),
    Option(
        "--workers",
        "how many workers may be at work at once (default: the cores that there are for this process)",
        {"type": count, "metavar": "N"},
    ),
    Option(
        "--judge",
        "whole: op calls are judged by themselves where a cell does not agree; calls: in every cell",
        {"choices": ("whole", "calls"), "default": "whole"},
        carried=True,
    ),
    Option(
        "--no-cache",
        "compute every reference anew, and keep none (see `harness cache`)",
        {"action": "store_true"},
    ),
    *files.OPTIONS,
    *shards.OPTIONS,
    *cluster.OPTIONS,
)


def split(values: Sequence[str]) -> tuple[str, ...]:
    """`--framework torch,jax --framework mxnet`: both ways to give several."""
    return tuple(word for value in values for word in value.split(",") if word)


class Matrix:
    """What one pytest session runs: frameworks, interpreters, ledgers, the engine and the run file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        option = config.option
        check_given(config, OPTIONS)
        self.library = Library(case_roots(config))
        folders = [
            shipped_adapters(),
            *config.getini("harness_adapters"),
            *(config.invocation_params.dir / path for path in option.adapters),
        ]
        self.frameworks = frameworks(folders)
        for path in option.subject:
            file = config.invocation_params.dir / path
            self.frameworks.append(subject(file, self.frameworks, strict=option.strict_subjects))
        self.selection = Selection(split(option.framework), split(option.dtype), split(option.mode))
        self.selection.check(self.frameworks)
        if option.resume and option.record and not self._is_one_file(option.resume, option.record):
            raise HarnessError("--resume goes on with its own run file: leave --record out")
        if mine := given_shard(config):
            config.pluginmanager.register(Sharding(mine), SHARDING)
        self.required = split([*option.require, os.environ.get("HARNESS_REQUIRE", "")])
        check_columns("--require", self.required, self.frameworks, "all")
        paths = [config.invocation_params.dir / path for path in option.deviations]
        self.deviations = load_given(paths, [f.name for f in self.frameworks])
        self.ledgers = {f.name: self._ledger(f).joined(self.deviations) for f in self.frameworks}
        self.named_interpreters = dict(
            interpreters.assignment(line) for line in config.getini("harness_interpreters")
        )
        self.given_interpreters = dict(interpreters.assignment(text) for text in option.interpreter)
        check_columns("--interpreter", self.given_interpreters, self.frameworks)
        check_columns("harness_interpreters", self.named_interpreters, self.frameworks)
        self.interpreter = partial(
            interpreters.interpreter_of,
            given=self.given_interpreters,
            ini=self.named_interpreters,
            root=config.rootpath,
        )
        if option.dask and getattr(option, "dist", "no") != "no":
            raise HarnessError("--dask: spreads the cells itself; leave -n out")
        self.cache = None if option.no_cache else cache.given()
        self.engine: Engine | Cluster | None = None
        self.sent: set[str] = set()

    def _is_one_file(self, *given: str) -> bool:
        """What an ini file or tox always says may be said again."""
        return len({os.path.realpath(self.config.invocation_params.dir / path) for path in given}) == 1

    @cached_property
    def carried(self) -> list[str]:
        """Those words of the command that repeat a cell."""
        return carried(self.config.invocation_params.args, OPTIONS, self.config.invocation_params.dir)

    def header(self) -> Header:
        """The header of this session's run."""
        return record_header(
            harness=__version__,
            roots=[str(root) for root in self.library.roots],
            command=["pytest", *self.config.invocation_params.args],
            carried=self.carried,
            frameworks=[f.name for f in self.selection.of(self.frameworks)],
            contents=self._contents(),
        )

    def _contents(self) -> dict[str, str]:
        """What verdicts stand on in this session, by content: what cases are stands in each cell."""
        columns = self.selection.of(self.frameworks)
        adapters = {f"adapter {framework.name}": framework.content for framework in columns}
        ledgers = {f"ledger {framework.name}": self.ledgers[framework.name].content for framework in columns}
        subjects = [framework for framework in columns if framework.subject is not None]
        asked = (
            {STRICT: "yes" if all(framework.strict for framework in subjects) else "no"} if subjects else {}
        )
        return {**adapters, **ledgers, "--judge": self.config.option.judge, **asked}

    @cached_property
    def done(self) -> Unfinished | None:
        """What stands of the run that is resumed; None where none is."""
        if self.config.option.resume is None:
            return None
        return resumed(record_path(self.config), self.header(), self.library)

    @cached_property
    def recorded(self) -> dict[str, CellLine]:
        """The cells that the resumed run has, by id."""
        return {} if self.done is None else {cell.cell: cell for cell in self.done.cells}

    def cells(self, case: Case) -> Iterator[Cell]:
        return cells(case.variants, self.frameworks, self.selection)

    def engine_for(self, cell: Cell, selected: Callable[[], Iterator[Cell]]) -> Engine | Cluster:
        """The engine, with the cell on its way among those that are `selected`.

        The first cell sends every selected one. Under xdist the selection is spread over processes by framework,
        so the first cell of a framework sends that framework's.
        """
        if self.engine is None:
            self.engine = Engine(
                self.interpreter,
                self.ledgers,
                self.config.option.cell_timeout,
                self._keep_arrays(),
                self.cache,
                every_call=self.config.option.judge == "calls",
                start_timeout=self.config.option.start_timeout,
                say=self._say(),
                abouts={} if self.done is None else self.done.abouts,
                hear=_show,
                workers=workers_of(self.config),
            )
        name = cell.framework.name
        if name not in self.sent:
            left = [found for found in selected() if found.id not in self.recorded]
            if is_xdist_worker(self.config):
                left = [found for found in left if found.framework.name == name]
            self.sent.update(found.framework.name for found in left)
            self.engine.submit(left)
        return self.engine

    def _say(self) -> Say | None:
        """Who tells what is waited for; under xdist nobody: its processes have no terminal."""
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        return None if reporter is None or is_xdist_worker(self.config) else reporter.write_line

    def requires(self, framework: str) -> bool:
        return "all" in self.required or framework in self.required

    def unmatched(self, framework: Framework) -> tuple[list[str], str]:
        """Messages of ledger entries that match no cell of any case, selected or not; and why others weren't asked.

        The ledgers shipped here speak of the cases shipped here: without those they are not asked. Those that the
        user gives always are. A case that can't be loaded may have the cells of an entry that matches no other.
        """
        ledger, shipped = self.ledgers[framework.name], shipped_adapters()
        if framework.folder.parent == shipped and shipped.with_name("cases") not in self.library.roots:
            ledger = Ledger(framework.name).joined(self.deviations)
        if not ledger.entries:
            return [], ""
        every, found = Selection(modes=("all",)), list[str]()
        loaded, broken = self.library.all()
        for case in loaded:
            found += [cell.id for cell in cells(case.variants, [framework], every)]
        stale = ledger.unmatched(found)
        certain = ledger.besides(broken).unmatched(found) if broken else stale
        if len(stale) == len(certain):
            return stale, ""
        files = "; ".join(error.lines[0] for error in broken.values())
        return certain, f"{len(stale) - len(certain)} ledger entries can't be held against all cells: {files}"

    def _keep_arrays(self) -> Callable[[str, Answered], tuple[str, Kept]] | None:
        """Writes a cell's arrays and gives their file as the run file names it; None where none are kept."""
        folder, file = arrays_folder(self.config), record_path(self.config)
        if folder is None:
            return None

        def keep(cell_id: str, found: Answered) -> tuple[str, Kept]:
            path, kept = arrays.keep(folder, cell_id, found)
            return arrays.relative(path, file), kept

        return keep

    def _ledger(self, framework: Framework) -> Ledger:
        return load_ledger(framework.folder / DEVIATIONS, framework.name)

    def cluster(self) -> Cluster | None:
        """The Dask cluster on which cells are run, if one is given. Raises ClusterError."""
        option = self.config.option
        if option.dask is None:
            return None
        work = Work(
            own_contents(),
            self.interpreter,
            self.ledgers,
            option.cell_timeout,
            option.start_timeout,
            every_call=option.judge == "calls",
            cached=self.cache is not None,
            kept=arrays_folder(self.config) is not None,
            abouts={} if self.done is None else self.done.abouts,
        )
        tally = cache.Tally() if self.cache is None else self.cache.tally
        return Cluster(option.dask, work, self._keep_arrays(), tally, self._say(), _show)


def _show(text: str) -> None:
    """Print what a subject printed: pytest shows it with -s and where a cell fails."""
    sys.stdout.write(f"{text}\n")


def matrix_of(config: pytest.Config) -> Matrix:
    """The session's matrix, made when the first case file is met. Raises UsageError for wrong options."""
    if MATRIX not in config.stash:
        try:
            config.stash[MATRIX] = Matrix(config)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[MATRIX]


def case_roots(config: pytest.Config) -> list[Path]:
    """Where case files are looked for: the ini file's folders and those given by `--cases`."""
    if ROOTS not in config.stash:
        named = [os.path.realpath(root) for root in config.getini("harness_cases")]
        config.stash[ROOTS] = [*map(Path, named), *given_roots(config)]
    return config.stash[ROOTS]


def given_roots(config: pytest.Config) -> list[Path]:
    """The folders that `--cases` names."""
    here = config.invocation_params.dir
    return [Path(os.path.realpath(here / root_named(given))) for given in config.option.cases]


def workers_of(config: pytest.Config) -> int:
    """How many workers may be at work at once; under xdist its processes share them."""
    processes: int = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    return max(1, (config.option.workers or cores()) // processes)


def is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
