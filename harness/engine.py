"""Runs cells: each framework in lanes of its own, side by side, while the host computes what they must be.

A lane is a thread that keeps a window of cells in flight to its worker and never runs far ahead of what has been
judged; for cells that nobody asks for it does not wait. A lost worker costs one cell, the first whose answer is still
due: the cells behind it go to its successor. A framework has one lane, or several where that pays.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from .errors import CaseError
from .frameworks.found import Framework
from .frameworks.interpreters import Absent, Interpreter
from .judging.examining import Examination, examine
from .judging.judge import judge
from .judging.settling import looked_into, settled, undecided
from .ledger.entries import Ledger
from .plan import Cell
from .references.cache import Cache, for_compilers
from .references.variant import VariantReference
from .roles import Answered
from .run.lines import CellLine, Kept
from .verdict import Verdict
from .workers import requests
from .workers.answer import Answer
from .workers.sharing.lanes import Lanes
from .workers.sharing.shares import Shares
from .workers.waiting import Say, Seldom, answer_of
from .workers.window import Message, Request
from .workers.worker import CELL_TIMEOUT, START_TIMEOUT

KEPT_REFERENCES = 64


@dataclass(frozen=True)
class _Prepared:
    """What cells of one variant share."""

    wanted: VariantReference
    known: dict[requests.Whose, requests.Shared] = field(default_factory=dict)


class Engine:
    """Runs and judges cells. `submit` some, then `result` waits for each; `close` leaves no process behind."""

    def __init__(
        self,
        interpreter: Callable[[Framework], Interpreter | Absent],
        ledgers: Mapping[str, Ledger],
        cell_timeout: float = CELL_TIMEOUT,
        keep: Callable[[str, Answered], tuple[str, Kept]] | None = None,
        cache: Cache | None = None,
        *,
        every_call: bool = False,
        start_timeout: float = START_TIMEOUT,
        say: Say | None = None,
        abouts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        hear: Say | None = None,
        workers: int = 1,
    ) -> None:
        """`keep` puts a cell's arrays away and says what the run file calls them; `cache` knows references.

        With `every_call` agreeing cells are judged call by call too. `say` is told for what a result waits, where it
        waits long; `hear` is told what a subject printed. `abouts` is what frameworks told of themselves in the part of the run that is there already.
        So many `workers` are dealt out among the frameworks; each has one in any case.
        """
        self._shares = Shares(workers)
        self._start_timeout, self._abouts = start_timeout, abouts
        self._say, self._hear = say, hear
        self._keep, self._cache, self._every_call = keep, cache, every_call
        self._compiled = None if cache is None else for_compilers()
        self._interpreter, self._ledgers, self._cell_timeout = interpreter, ledgers, cell_timeout
        self._lock = threading.Lock()
        self._prepared_by_variant: OrderedDict[tuple[str, str], _Prepared] = OrderedDict()
        self._lanes: dict[str, Lanes] = {}
        self._requests: dict[str, Request] = {}

    def submit(self, cells: Iterable[Cell]) -> None:
        """Set cells on their way, in order, each framework in its lanes."""
        queues: dict[str, list[Request]] = {}
        for cell in cells:
            build = functools.partial(self._message, cell)
            self._requests[cell.id] = request = Request(build, cell.variant.family)
            queues.setdefault(self._lanes_of(cell.framework).framework.name, []).append(request)
        for name, queue in queues.items():
            self._lanes[name].submit(queue)

    def _lanes_of(self, framework: Framework) -> Lanes:
        if framework.name not in self._lanes:
            self._lanes[framework.name] = Lanes(
                framework,
                functools.partial(self._interpreter, framework),
                self._shares,
                self._cell_timeout,
                self._start_timeout,
                None if self._compiled is None else self._compiled / framework.name,
                self._abouts.get(framework.name),
            )
        return self._lanes[framework.name]

    def about(self, framework: str) -> Mapping[str, Any] | None:
        """What the framework's workers told of themselves, as of one; None while none has started."""
        return self._lanes[framework].abouts.joined

    def result(self, cell: Cell) -> CellLine:
        """Wait for a cell's answer and judge it; a cell that has not been submitted since its last result is run now."""
        return self.looked_into(cell)[0]

    def looked_into(self, cell: Cell) -> tuple[CellLine, Examination]:
        """The same, and what judging call by call gave where it was done."""
        if cell.id not in self._requests:
            self.submit([cell])
        lanes, request = self._lanes_of(cell.framework), self._requests.pop(cell.id)
        try:
            answer = answer_of(lanes, request, cell.id, self._say)
        finally:
            lanes.judged(request)
        if self._say and (scarcity := self._shares.scarcity()):
            self._say(scarcity)
        if answer.printed and self._hear:
            self._hear(answer.printed)
        line, found = undecided(cell, answer), Examination()
        if answer.verdict is Verdict.ABSENT:
            return line, found
        wanted = self._prepared(cell).wanted
        if answer.verdict is None:
            try:
                line, found = self._judged(cell, line, wanted, answer)
            except CaseError as error:
                line = msgspec.structs.replace(line, verdict=Verdict.ERRORED, message=str(error))
        arrays = {**answer.arrays, **found.kept}
        file, kept = self._keep(line.cell, arrays) if self._keep and arrays else (None, None)
        return msgspec.structs.replace(line, content=wanted.content, arrays=file, kept=kept), found

    def _judged(
        self, cell: Cell, line: CellLine, wanted: VariantReference, answer: Answer
    ) -> tuple[CellLine, Examination]:
        """The line of an answer, and what looking into it gave."""
        seldom = Seldom(self._say)
        judgement = judge(
            wanted,
            cell.dtype,
            answer.arrays,
            strict=cell.framework.strict,
            reached=lambda step, steps: seldom(f"judging {cell.id}: step {step} of {steps}"),
        )
        name = cell.framework.name
        version = str((self.about(name) or {}).get("version", ""))
        ledger = self._ledgers.get(name, Ledger(name))
        if not (self._every_call or judgement.wrong_numbers or judgement.verdict is Verdict.INCONCLUSIVE):
            return settled(line, judgement, ledger, version), Examination()
        found = examine(cell, wanted, answer, judgement, functools.partial(self._trace, cell))
        return looked_into(cell, line, judgement, found, ledger, version), found

    def close(self) -> None:
        """End every lane and its worker."""
        for lanes in self._lanes.values():
            lanes.close()

    def _prepared(self, cell: Cell) -> "_Prepared":
        key = (cell.case, cell.variant.id)
        with self._lock:
            if key not in self._prepared_by_variant:
                self._prepared_by_variant[key] = _Prepared(VariantReference(cell.variant, self._cache))
                if len(self._prepared_by_variant) > KEPT_REFERENCES:
                    self._prepared_by_variant.popitem(last=False)
            return self._prepared_by_variant[key]

    def _message(self, cell: Cell) -> Message:
        prepared = self._prepared(cell)
        return requests.whole(cell, prepared.wanted, prepared.known)

    def _trace(self, cell: Cell, copies: Collection[tuple[int, int]]) -> Answer:
        """What the subject answers with every value and cotangent asked for, and the contributions of these uses.

        Where it has no derivative towards something that the cell doesn't ask about, as the weights of classes, without that.
        """
        every = self._asked_at_once(cell, lambda wanted: requests.trace(cell, wanted, copies))
        if every.verdict is not Verdict.UNSUPPORTED:
            return every
        return self._asked_at_once(cell, lambda wanted: requests.trace(cell, wanted, copies, every=False))

    def _asked_at_once(self, cell: Cell, message: Callable[[VariantReference], Message]) -> Answer:
        wanted = self._prepared(cell).wanted
        lanes = self._lanes_of(cell.framework)
        request = Request(lambda: message(wanted), urgent=True)
        lanes.at_once(request)
        try:
            return answer_of(lanes, request, cell.id, self._say)
        finally:
            lanes.judged(request)
