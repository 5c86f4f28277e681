"""The run file: what became of every cell, so written that an interrupted run can't pass for a complete one.

JSON Lines, one object a line, each with its `kind`: a header, an `about` for each framework when its worker
has told its versions, a `cell` each, a footer with the totals. A line is written as soon as it is known, so
that a killed run keeps what it had; the footer comes last, and only when every planned cell is there.

JSON has no infinity, and encoders turn it into null without a word. Here an infinite *distance* (`error`,
`used`, `relative`, `ratio`, `ulp`, `width`: a NaN where a number should be) is written as the largest double,
1.7976931348623157e308; any other number that isn't finite is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import HarnessError
from ..verdict import Apart, Verdict

FORMAT = 3
"""Version of the run file's format: what is written."""

READ = (1, 2, 3)
"""Versions that are read. A cell of version 1 tells of its tensors alone: which calls are wrong, nobody looked.

Before version 3 neither what verdicts stand on nor kept arrays are named by their content.
"""

LARGEST = 1.7976931348623157e308
"""The largest double: how an infinite distance is written."""

DISTANCES = frozenset({"composed", "error", "used", "relative", "ratio", "ulp", "width"})
"""Fields that are never negative and may be infinite."""


Count = Annotated[int, Meta(ge=0, le=2**53)]
Index = Annotated[list[Count], Meta(max_length=64)]
"""Of an element: NumPy has arrays of no more axes."""
Distance = Annotated[float, Meta(ge=0)]
LONGEST_TIME = 1e9
Seconds = Annotated[float, Meta(ge=0, le=LONGEST_TIME)]
Text = Annotated[str, Meta(max_length=1_000_000)]
PathText = Annotated[str, Meta(max_length=4_096, pattern=r"^[^\x00]*$")]
Word = Annotated[str, Meta(pattern=r"^\w{1,255}(?!\n)$")]
"""A framework or a mode, as ids have it."""


def number(value: float | None, digits: int = 3) -> str:
    """A distance as people read it."""
    if value is None:
        return "-"
    if value >= LARGEST:
        return "∞"
    return f"{value:.0f}" if 100 <= value < 1e6 else f"{value:.{digits}g}"


class RunError(HarnessError):
    """A run file that can't be written or can't be believed."""


class NotARun(RunError):
    """Not lines of the run format: another file, another version of the format, or lines out of order."""


class EmptyRun(RunError):
    """A run of no cells: it shows nothing, so it isn't a result."""


class TruncatedRun(RunError):
    """No footer, or half a line: the run was interrupted."""


class DuplicateCell(RunError):
    """One cell twice: at most one of its two results is that of this run."""


class TotalsDoNotAddUp(RunError):
    """The cells counted aren't the cells planned, or aren't those that the footer tells of."""


class NotFinite(RunError):
    """A NaN or an infinity where the run file has only finite numbers."""


class AboutChanged(RunError):
    """A framework told two different things of itself in one run."""


class InputsChanged(RunError):
    """Two cells of one variant with different programs or inputs."""


class NotOurs(RunError):
    """A file in the run file's place that is none."""


class UnwritableRun(RunError):
    """The file can't be opened for writing, or can't be written any further."""


class BusyRun(RunError):
    """Another process is writing the file."""


class NotResumable(RunError):
    """An interrupted run that can't be continued here: its cells would stand beside cells of another kind."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Line(_Strict, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    pass


class Machine(_Strict, frozen=True, kw_only=True):
    """The host's processor, its cores and its operating system."""

    cpu: Text
    cores: Count
    os: Text


STRICT = "--strict-subjects"
"""The name of a content of a run: `no` where what a subject does not show isn't held against it."""


class Header(_Line, frozen=True, kw_only=True):
    """All that is known before the first cell."""

    format: int
    """Stays as it was where a run is read, merged or judged again: what version 1 didn't look for, it doesn't have."""
    harness: Text
    """The harness's version."""
    rules: Text
    """Version of the rules from which tolerances are derived."""
    K: Annotated[float, Meta(gt=0)]
    started: Text
    """UTC, ISO 8601."""
    machine: Machine
    python: Text
    commit: Text | None
    """Of the harness; with `+dirty` if files differ from it, None outside a repository."""
    roots: Annotated[list[PathText], Meta(max_length=1_000)]
    """The case roots."""
    command: list[Text]
    carried: list[Text] = []
    """Those words of the command without which one of its cells can't be repeated."""
    frameworks: Annotated[list[Word], Meta(max_length=1_000)]
    """The columns planned, present or not."""
    contents: dict[str, str] = {}
    """What verdicts stand on beside cases and frameworks, by name and content: `adapter torch` and `9f86d081884c`."""


class About(_Line, frozen=True, kw_only=True):
    """What a framework's worker told of itself: versions and settings."""

    framework: Word
    about: dict[str, Any]


GROUNDS = frozenset(
    {"framework", "version", "python", "numpy", "libraries", "files", "device", "blas", "mkldnn", "onednn"}
    | {"features", "cpu_capability", "threads", "matmul_precision", "xla_flags"}
)
"""Of what a worker tells of itself, that on which its numbers rest: cells of one run have it in common.

The rest, such as a node or a process's number, is noted and may differ.
"""


def changed_grounds(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The grounds that are not the same in two abouts, in the order in which they are told."""
    told = dict.fromkeys([*before, *after])
    return [key for key in told if key in GROUNDS and before.get(key) != after.get(key)]


def grounds_apart(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The same in words; empty where there are none."""
    changed = changed_grounds(before, after)
    return "; ".join(f"{key} {before.get(key)} and {after.get(key)}" for key in changed)


def noted(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both in one: of what is not the same, each that was told."""
    both = {**other, **one}
    for key in both:
        if key in one and key in other and one[key] != other[key]:
            told = [text for about in (one, other) for text in str(about[key]).split(" + ")]
            both[key] = " + ".join(dict.fromkeys(told))
    return both


class Compared(_Strict, frozen=True, kw_only=True):
    """One compared tensor, by its element with the largest `used`."""

    role: Text
    """value, gradient or parameter."""
    name: Text
    step: Count | None = None
    error: Distance
    """|got - want|"""
    tolerance: Distance
    """K sigma of the element."""
    used: Distance
    """error / tolerance"""
    ratio: Distance
    """The largest error / sigma, of all steps: enough to judge again with another K."""
    width: Distance | None = None
    """The largest median tolerance / largest element of all steps: above 1/100 a tensor is inconclusive."""
    ulp: Distance | None
    """error in units of the last place of `want`, in the tested dtype."""
    relative: Distance
    """The largest error / the tensor's scale."""
    unjudged: Count = 0
    """Elements whose tolerance is more than 1/100 of the tensor's largest: being within it says nothing of them."""
    where: Index | None
    """Index of the element."""
    got: Text
    want: Text
    """Numbers as Python's repr, so that digits, nan and inf survive."""
    verdict: Verdict
    problem: Text = ""
    """What kept the elements from being compared: a wrong shape, a tensor that did not come back."""
    unshown: Count = 0
    """The steps in which it was not shown, one without training: so far nobody knows whether it is right."""


class CallLine(_Strict, frozen=True, kw_only=True):
    """One result of an op call that is wrong at the subject's own numbers, by its element with the largest `used`."""

    step: Count | None = None
    line: Count
    """Of the case file; that of the first call where several may be to blame."""
    op: Text
    """The optimizer where `phase` is update; empty where several calls may be to blame, or the gradient of an update that isn't shown."""
    phase: Text
    """forward, vjp, update; sum: the adding up of a name's cotangents; seed: the backward pass's own."""
    towards: Text = ""
    """Of a vjp the input, by the name that the op's row has for it."""
    place: Text
    """All of it in words."""
    name: Text
    """The result: `value h`, `gradient of W`, or what a use contributes to a cotangent."""
    used: Distance
    tolerance: Distance = 0.0
    """K sigma of the element at the subject's own numbers."""
    relative: Distance
    """The largest error / the result's largest element."""
    where: Index | None
    got: Text
    want: Text
    wrong: Count
    """Elements outside their tolerances, of `elements`."""
    elements: Count
    entry: Text = ""
    """The ledger's entry that excuses it."""
    note: Text = ""
    """What is known of it, and why that does not hold."""
    likely: Text = ""
    """What was done instead, if that explains every element: the likely cause."""


class Share(_Strict, frozen=True, kw_only=True):
    """What one result adds to the error of the worst element; all shares add up to 1."""

    share: float
    place: Text


class Kept(_Strict, frozen=True, kw_only=True):
    """A file of kept arrays by its content: another's are not these."""

    bytes: Count
    sha256: Text


class CellLine(_Line, frozen=True, kw_only=True, tag="cell"):
    """One cell: what was run and what became of it.

    `used` is the largest of its tensors', None where nothing was judged; infinite, it is written as the
    largest double, 1.7976931348623157e308, since JSON has no infinity. `relative` likewise.
    """

    cell: Text
    case: Text
    variant: Text
    dtype: Text
    framework: Word
    mode: Word
    verdict: Verdict
    used: Distance | None
    relative: Distance | None
    tensors: list[Compared]
    seconds: Seconds
    """What the worker took."""
    compiling: Seconds = 0.0
    """As much of it as its framework spent compiling."""
    message: Text = ""
    first_difference: Text | None = None
    """The first of `calls` in words, or why there is none."""
    calls: list[CallLine] = []
    """Every result that is wrong by itself."""
    conventions: list[Text] = []
    """Gradients that are others than the reference's and as right: what was chosen at kinks."""
    composed: Distance | None = None
    """The largest error / tolerance of what is compared, if what `calls` and `conventions` tell of is taken as it is."""
    budget: list[Share] = []
    """The largest shares of the worst element's error."""
    changed: list[Text] = []
    """Inputs that were changed in place."""
    notes: list[Text] = []
    """What is to be said of the subject, whether or not it is right: names that the case does not have, a wider dtype."""
    content: Text | None = None
    """Digest of the program and the inputs: the same for whatever must give the same answer."""
    arrays: PathText | None = None
    """The file of the arrays that were answered, from the run file's folder; None where none are kept."""
    kept: Kept | None = None
    """What is in that file."""

    @property
    def agrees_by_convention(self) -> bool:
        """Whether it agrees since another gradient is as right at a kink, and not within the whole's tolerance."""
        return self.verdict is Verdict.AGREE and bool(self.conventions)

    @property
    def agrees_in_part(self) -> bool:
        """Whether it agrees in what was shown, and something was not."""
        return self.verdict is Verdict.AGREE and any(t.unshown for t in self.tensors)

    @property
    def headroom(self) -> float | None:
        """`used` as it is compared with others': of a cell that agrees call by call, what is left of it then."""
        by_calls = self.verdict is Verdict.AGREE and self.used is not None and self.used > 1
        return self.composed if by_calls else self.used


def apart(cells: Iterable[CellLine]) -> Apart:
    """Of the cells that agree, how many do so by a convention, or in what was shown."""
    found = list(cells)
    return Apart(sum(c.agrees_by_convention for c in found), sum(c.agrees_in_part for c in found))


class Part(_Strict, frozen=True, kw_only=True):
    """What a shard knows of the run that it is a part of: enough to miss another shard."""

    index: Annotated[int, Meta(ge=1, le=10_000)]
    """From 1."""
    sizes: Annotated[list[Count], Meta(max_length=10_000)]
    """How many cells each shard has."""
    whole: Text
    """Digest of the ids of all cells of all shards."""


class Footer(_Line, frozen=True, kw_only=True, omit_defaults=True):
    """Written only when every planned cell is in the file."""

    totals: dict[Verdict, Count]
    """All ten verdicts, those with 0 too."""
    cells: Count
    seconds: Seconds
    part: Part | None = None
    """None where the run is no shard."""


Line = Header | About | CellLine | Footer


@dataclass(frozen=True)
class Run:
    """A complete run: its cells are those planned, each once."""

    header: Header
    abouts: dict[str, dict[str, Any]]
    cells: tuple[CellLine, ...]
    footer: Footer

    @property
    def tells_calls(self) -> bool:
        """Whether wrong calls were looked for, so that a cell without any has none."""
        return self.header.format > 1
