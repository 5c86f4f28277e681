"""pytest's side of shards: which items stay, what is told of those that don't, and when an empty shard is no error."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from ..errors import HarnessError
from ..reading.text import count_of
from ..run.lines import Part
from ..run.shard import Shard, digest, parse
from .options import Option

SHARDING = "gradient_conformance_sharding"
OUTPUT = "gradient_conformance_part"
"""What a worker of xdist calls its part when it hands it over: the controller collects nothing itself."""


OPTIONS = (
    Option("--shard", "only this part of the matrix; `harness merge` joins the parts", {"metavar": "3/8"}),
    Option(
        "--shard-seconds",
        "balance the shards by the seconds of this earlier run (the same file for every shard)",
        {"metavar": "RUN.jsonl"},
        path=True,
    ),
)


class Sharding:
    """Leaves the items of other shards out. An item without a `unit` is none of ours and is in every shard."""

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.part: Part | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Last, so that what is counted is what -k left; --lf comes later still and makes the run a lesser one."""
        index, placed = self.shard.index, [(item, self._shard_of(item)) for item in items]
        cells = {item.cell.id: where for item, where in placed if hasattr(item, "cell")}
        sizes = Counter(cells.values())
        self.part = Part(
            index=index,
            sizes=[sizes[i + 1] for i in range(self.shard.count)],
            whole=digest(cells),
        )
        config.hook.pytest_deselected(items=[item for item, where in placed if where != index])
        items[:] = [item for item, where in placed if where == index]

    def _shard_of(self, item: pytest.Item) -> int:
        unit = getattr(item, "unit", None)
        return self.shard.index if unit is None else self.shard.of(unit)

    @property
    def is_empty(self) -> bool:
        """Whether there are cells and this shard has none of them."""
        return self.part is not None and any(self.part.sizes) and not self.part.sizes[self.part.index - 1]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """More shards than cells are no error; a selection of nothing is one, in every shard."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[OUTPUT] = msgspec.to_builtins(self.part)
        elif self.is_empty and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """The controller of xdist takes the part from its workers, which all collect the same."""
        if part := getattr(node, "workeroutput", {}).get(OUTPUT):
            self.part = msgspec.convert(part, Part)

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        if self.is_empty and self.part is not None:
            of_all = f"none of the {count_of(sum(self.part.sizes), 'cell')}"
            name = f"{self.part.index}/{self.shard.count}"
            terminalreporter.write_line(f"shard {name} has {of_all}: there is no run file of it")


def part_of(config: pytest.Config) -> Part | None:
    """What this session's shard knows of the whole; None without --shard."""
    sharding: Sharding | None = config.pluginmanager.get_plugin(SHARDING)
    return None if sharding is None else sharding.part


def given_shard(config: pytest.Config) -> Shard | None:
    """The shard that was asked for. Raises HarnessError for one that there is none of."""
    text, seconds = config.option.shard, config.option.shard_seconds
    if text is None and seconds is not None:
        raise HarnessError("--shard-seconds: balances shards; say which to run, such as --shard=3/8")
    if text is None:
        return None
    return parse(text, seconds and config.invocation_params.dir / seconds)
