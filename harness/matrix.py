"""What one pytest session runs, and with what: made from its options, once in every process."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pytest

from harness import __version__, arrays, cache, interpreters, record, shard
from harness.case import Case, load
from harness.deviations import Ledger, load_given
from harness.deviations import load as load_ledger
from harness.engine import Engine
from harness.errors import HarnessError
from harness.plan import (
    DEVIATIONS,
    REQUIREMENTS,
    Cell,
    Framework,
    Selection,
    cells,
    frameworks,
    shipped_adapters,
    subject,
)
from harness.resume import resumed
from harness.sharding import SHARDING, Sharding
from harness.wire import Answered

MATRIX = pytest.StashKey["Matrix"]()
ROOTS = pytest.StashKey[list[Path]]()
DEFAULT_RECORD = "reports/run.jsonl"
RECORDER = "gradient_conformance_recorder"
LEDGER = "ledger-"
"""How the names of items begin that hold a ledger against all cells."""

CELL, ABOUT = "gradient_conformance_cell", "gradient_conformance_about"
"""Properties of a test's report: a cell's line, and what its framework told of itself."""


def split(values: Sequence[str]) -> tuple[str, ...]:
    """`--framework torch,jax --framework mxnet`: both ways to give several."""
    return tuple(word for value in values for word in value.split(",") if word)


class Matrix:
    """What one pytest session runs: frameworks, interpreters, ledgers, the engine and the run file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        option = config.option
        self.roots = case_roots(config)
        folders = [shipped_adapters(), *config.getini("harness_adapters"), *map(Path, option.adapters)]
        self.frameworks = frameworks(folders)
        for path in option.subject:
            self.frameworks.append(subject(config.invocation_params.dir / path, self.frameworks))
        self.selection = Selection(split(option.framework), split(option.dtype), split(option.mode))
        self.selection.check(self.frameworks)
        if option.resume and option.record:
            raise HarnessError("--resume goes on with its own run file: leave --record out")
        if mine := given_shard(config):
            config.pluginmanager.register(Sharding(mine), SHARDING)
        self.required = split([*option.require, os.environ.get("HARNESS_REQUIRE", "")])
        paths = [config.invocation_params.dir / path for path in option.deviations]
        self.deviations = load_given(paths, [f.name for f in self.frameworks])
        self.ledgers = {f.name: self._ledger(f).joined(self.deviations) for f in self.frameworks}
        self.named_interpreters = dict(
            interpreters.assignment(line) for line in config.getini("harness_interpreters")
        )
        self.given_interpreters = dict(interpreters.assignment(text) for text in option.interpreter)
        self.cache = None if option.no_cache else cache.given()
        self.engine: Engine | None = None
        self.loaded: dict[tuple[Path, Path], Case] = {}
        self.sent: set[str] = set()

    def header(self) -> record.Header:
        """The header of this session's run."""
        return record.header(
            harness=__version__,
            roots=[str(root) for root in self.roots],
            command=["pytest", *self.config.invocation_params.args],
            frameworks=[f.name for f in self.selection.of(self.frameworks)],
        )

    @cached_property
    def done(self) -> record.Unfinished | None:
        """What stands of the run that is resumed; None where none is."""
        if self.config.option.resume is None:
            return None
        return resumed(record_path(self.config), self.header(), self.roots)

    @cached_property
    def recorded(self) -> dict[str, record.Cell]:
        """The cells that the resumed run has, by id."""
        return {} if self.done is None else {cell.cell: cell for cell in self.done.cells}

    def load(self, path: Path, root: Path) -> Case:
        """The case in a file below a case root, read once a session. Raises CaseError."""
        if (path, root) not in self.loaded:
            self.loaded[path, root] = load(path, root)
        return self.loaded[path, root]

    def cells(self, case: Case) -> Iterator[Cell]:
        return cells(case.variants, self.frameworks, self.selection)

    def engine_for(self, cell: Cell, selected: Callable[[], Iterator[Cell]]) -> Engine:
        """The engine, with the cell on its way among those that are `selected`.

        The first cell sends every selected one. Under xdist the selection is spread over processes by framework,
        so the first cell of a framework sends that framework's.
        """
        if self.engine is None:
            self.engine = Engine(
                self._interpreter,
                self.ledgers,
                self.config.option.cell_timeout,
                self._keep_arrays(),
                self.cache,
            )
        name = cell.framework.name
        if name not in self.sent:
            left = [found for found in selected() if found.id not in self.recorded]
            if is_xdist_worker(self.config):
                left = [found for found in left if found.framework.name == name]
            self.sent.update(found.framework.name for found in left)
            self.engine.submit(left)
        return self.engine

    def requires(self, framework: str) -> bool:
        return "all" in self.required or framework in self.required

    def unmatched(self, framework: Framework) -> list[str]:
        """Messages of ledger entries that match no cell of any case, selected or not.

        The ledgers shipped here speak of the cases shipped here: without those they are not asked. Those that the
        user gives always are.
        """
        ledger, shipped = self.ledgers[framework.name], shipped_adapters()
        if framework.folder.parent == shipped and shipped.with_name("cases") not in self.roots:
            ledger = Ledger(framework.name).joined(self.deviations)
        if not ledger.entries:
            return []
        every = Selection(modes=("all",))
        found = (self.load(path, root) for root in self.roots for path in sorted(root.rglob("*.toml")))
        return ledger.unmatched(c.id for case in found for c in cells(case.variants, [framework], every))

    def _keep_arrays(self) -> Callable[[str, Answered], str] | None:
        """Writes a cell's arrays and gives their file as the run file names it; None where none are kept."""
        folder = arrays_folder(self.config)
        if folder is None:
            return None
        file = record_path(self.config)
        return lambda cell_id, found: arrays.relative(arrays.keep(folder, cell_id, found), file)

    def _ledger(self, framework: Framework) -> Ledger:
        return load_ledger(framework.folder / DEVIATIONS, framework.name)

    def _interpreter(self, framework: Framework) -> interpreters.Interpreter | interpreters.Absent:
        if framework.subject is not None and framework.name not in self.given_interpreters:
            return interpreters.Interpreter((sys.executable,), "the running interpreter")
        return interpreters.find(
            framework.name,
            option=self.given_interpreters.get(framework.name),
            ini=self.named_interpreters,
            requirements=framework.folder / REQUIREMENTS,
            environ=os.environ,
            toxworkdir=Path(os.environ.get("TOX_WORK_DIR", self.config.rootpath / ".tox")),
            root=self.config.rootpath,
        )


def given_shard(config: pytest.Config) -> shard.Shard | None:
    """The shard that was asked for. Raises HarnessError for one that there is none of."""
    text, seconds = config.option.shard, config.option.shard_seconds
    if text is None and seconds is not None:
        raise HarnessError("--shard-seconds: balances shards; say which to run, such as --shard=3/8")
    if text is None:
        return None
    return shard.parse(text, seconds and config.invocation_params.dir / seconds)


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
        given = [config.invocation_params.dir / path for path in config.option.cases]
        config.stash[ROOTS] = [Path(path).resolve() for path in (*config.getini("harness_cases"), *given)]
    return config.stash[ROOTS]


def record_path(config: pytest.Config) -> Path:
    """Where the run file goes; the same in every process of xdist."""
    given = config.option.resume or config.option.record
    return config.invocation_params.dir / given if given else config.rootpath / DEFAULT_RECORD


def arrays_folder(config: pytest.Config) -> Path | None:
    """Where arrays are kept; None where none are."""
    given = config.option.keep_arrays
    return None if given is None else config.invocation_params.dir / given


def is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
