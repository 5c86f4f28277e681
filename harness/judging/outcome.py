"""What becomes of a cell that was looked into: its verdict, every cause, and what else there is to say.

A cell agrees if its whole is within tolerance, or if every call is right and the whole is too once the branches that
rounding took, and the gradients that were chosen at kinks, are taken as they are. It is a known deviation if the
ledger covers every call that is wrong, and the whole agrees with these taken as they are.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from ...reference.optimizers import OPTIMIZERS
from ...reference.program import Node
from ...reference.told import Result
from ..ledger.entries import Ledger
from ..plan import Cell
from ..reading.text import display
from ..roles import in_words as tensor_in_words
from ..run.lines import LARGEST, CallLine, CellLine, Compared, Share
from ..verdict import Verdict
from .blame import FORWARD, SEED, SUM, UPDATE, Suspect
from .comparing import is_number, line_of, short, times
from .composition import budget, composed, each_anew, pooled
from .examining import Examination, Examined, Found, findings, wrong_call
from .judge import Judgement, Update
from .likely.trying import likely
from .likely.updates import likely_update
from .precise import precisely
from .trace import Trace, argument_name

NAMED = 3
"""So many calls are named where several explain a difference, so many results that share an error."""
SPREAD = 2.0
"""Pooled over all its calls a correct op's errors are below 1 sigma in the root mean square; above this it is told."""
DRIFT = 8.0
"""And so it is where their mean is more than so many times what chance lets it be."""


@dataclass(frozen=True)
class Outcome:
    """The verdict of a cell that was looked into, and what the run file keeps of it."""

    verdict: Verdict
    notes: tuple[str, ...] = ()
    """Lines for a person."""
    calls: tuple[CallLine, ...] = ()
    conventions: tuple[str, ...] = ()
    composed: float | None = None
    budget: tuple[Share, ...] = ()

    @property
    def first_difference(self) -> str | None:
        return self.calls[0].place if self.calls else None


def outcome(
    cell: Cell, judgement: Judgement, examination: Examination, ledger: Ledger, version: str
) -> Outcome:
    """What becomes of the cell."""
    if examination.problem:
        return Outcome(judgement.verdict, (f"first difference not found: {examination.problem}",))
    found = findings(cell, examination)
    if found:
        return _with_causes(cell, judgement, examination, found, ledger, version)
    return _without(cell, judgement, examination)


def with_k(cell: CellLine, whole: Verdict, factor: float) -> Outcome | None:
    """The outcome where every tolerance is divided by `factor`, of a cell that was looked into; None of another.

    `whole` is the verdict of the whole then. Calls that are wrong only now were never told of: those are left to the whole.
    """
    if cell.composed is None and not cell.calls:
        return None
    calls = tuple(replace(c, used=min(c.used * factor, LARGEST)) for c in cell.calls if c.used * factor > 1)
    composed = None if cell.composed is None else min(cell.composed * factor, LARGEST)
    excused = (composed is None or composed <= 1) and all(call.entry for call in calls)
    excused = excused and (composed is not None or bool(calls)) and cell.verdict is not Verdict.INCONCLUSIVE
    verdict = (Verdict.KNOWN_DEVIATION if calls else Verdict.AGREE) if excused else whole
    notes = tuple(_told(calls)) if calls else ()
    return Outcome(verdict, notes, calls, tuple(cell.conventions), composed, tuple(cell.budget))


def _with_causes(
    cell: Cell,
    judgement: Judgement,
    examination: Examination,
    found: Sequence[Found],
    ledger: Ledger,
    version: str,
) -> Outcome:
    """Of a cell in which something is wrong by itself."""
    lines, excused = [], True
    for one in found:
        cause, notes = (None, []) if one.call is None else ledger.cause_of(one.call, version)
        excused = excused and cause is not None
        note = cause.reason if cause else "; ".join(notes)
        lines.append(call_line(cell, one, cause.place if cause else "", note))
    for same in by_cause(lines):
        i = telling(lines, same)
        if not lines[i].entry:
            lines[i] = replace(lines[i], likely=_likely(cell, found[i]))
    told = (*_told(lines), *_whose_lines(cell))
    if not excused or _broken(judgement):
        return Outcome(Verdict.DISAGREE, (*told, *_follows(judgement, lines)), tuple(lines))
    worst = _composed(examination, lambda step: {a.key for a in step.judged.alarms} | step.chosen)
    if worst is not None and worst.used > 1:
        spoken = _composed(
            examination,
            lambda step: (
                {a.key for a in step.judged.alarms} | step.chosen | _spoken(cell, step, ledger, version)
            ),
        )
        worst = min((worst, spoken), key=lambda t: t.used if t else 0.0)
    used = None if worst is None else worst.used
    if worst is None or worst.used <= 1:
        return Outcome(Verdict.KNOWN_DEVIATION, told, tuple(lines), composed=used)
    more = f"and something else, with these taken as they are: {line_of(worst)}"
    return Outcome(Verdict.DISAGREE, (*told, more), tuple(lines), composed=used)


def _likely(cell: Cell, found: Found) -> str:
    """The likely cause in words, with its place where that is one among several; empty where none explains it."""
    training = cell.variant.training
    options = training.options if training else {}
    if not isinstance(found.of, Examined):
        assert training is not None
        shapes = {name: cell.variant.specs[name].shape for name in cell.variant.sources}
        return likely_update(found.of, OPTIMIZERS[training.optimizer], options, cell.dtype, shapes)
    made = likely(found.of.trace, found.suspects, found.of.judged.alarms, options)
    if made is None:
        return ""
    if made.places == found.suspects or not all(p.call >= 0 for p in made.places) or not made.places:
        return made.words
    if len({p.call for p in made.places}) == 1:
        where = place({min(made.places)}, found.trace, cell.variant.program_line).partition(":")[0]
        return f"{made.words} ({where})"
    nodes = found.of.trace.program.nodes
    lines = sorted({cell.variant.program_line + nodes[p.call].line - 1 for p in made.places})
    where = (
        f"each of lines {', '.join(map(str, lines))}"
        if len(lines) > 1
        else f"every such call of line {lines[0]}"
    )
    return f"{made.words} (in {where})"


def _broken(judgement: Judgement) -> bool:
    """Whether a tensor did not come back as it should, whatever its numbers."""
    return any(t.problem and t.verdict is Verdict.DISAGREE for t in judgement.tensors)


def _spoken(cell: Cell, step: Examined, ledger: Ledger, version: str) -> set[Result]:
    """Results of all calls that entries speak of: a cause may be at work just inside many calls' tolerances."""
    found = set()
    for alarm in step.every():
        call = wrong_call(cell, step.trace, alarm)
        if call is not None and ledger.speaks_of(call, version):
            found.add(alarm.key)
    return found


def _composed(examination: Examination, excused: Callable[[Examined], Collection[Result]]) -> Compared | None:
    """The worst of what is compared in all steps, given what is excused; None where nothing is left to compare."""
    return max(_given(examination, excused), key=lambda t: t.used, default=None)


def _given(examination: Examination, excused: Callable[[Examined], Collection[Result]]) -> list[Compared]:
    """What is compared in all steps, given what is excused."""
    return [t for step in examination.steps for t in composed(step.trace, excused(step), step.answer)]


def _without(cell: Cell, judgement: Judgement, examination: Examination) -> Outcome:
    """Of a cell in which no call is wrong by itself."""
    if _broken(judgement):
        return Outcome(Verdict.DISAGREE)
    if judgement.verdict is Verdict.NOT_SHOWN:
        return Outcome(Verdict.NOT_SHOWN)
    problems = [t for t in judgement.tensors if t.problem and t.verdict is not Verdict.NOT_SHOWN]
    if problems:  # what kept the whole from being judged holds
        return Outcome(Verdict.INCONCLUSIVE, ("every op call is right at its own numbers",))
    given = _given(examination, lambda step: step.chosen)
    worst = max(given, key=lambda t: t.used, default=None)
    chosen = tuple(dict.fromkeys(_conventions(cell, examination)))
    if worst is None or worst.used <= 1:
        used = None if worst is None else worst.used
        doubtful = (t for t in (*judgement.tensors, *given) if t.verdict is Verdict.INCONCLUSIVE)
        wide = list(dict.fromkeys((t.role, t.name) for t in doubtful))
        sure = not wide or _judged_by_calls(examination, wide)
        verdict = Verdict.AGREE if sure else Verdict.INCONCLUSIVE
        names = ", ".join(map(tensor_in_words, wide))
        notes = [f"too wide as a whole: {names}; every op call is right by itself"] if wide and sure else []
        notes += _of_terms(examination, wide) if sure else []
        return Outcome(verdict, (*notes, *_flips(examination)), conventions=chosen, composed=used)
    step = next(step for step in examination.steps if step.trace.step == worst.step)
    found = precisely(step.trace, step.chosen, step.answer)
    if found is not None and found.off > 1:
        now = max(found.compared(step.answer), key=lambda t: t.used)
        if now.used <= 1 + found.unsure:
            return _imprecise(chosen, worst, now, found.off)
        worst = now
    if _vanishes(step):
        told = "it vanishes when it is looked at: with a probe at every value the same program agrees"
        if judgement.verdict is Verdict.INCONCLUSIVE:  # the whole allows what another run rounds
            return Outcome(Verdict.INCONCLUSIVE, (told,), conventions=chosen, composed=worst.used)
        if _is_of_fusing(step):
            more = "a compiler that evaluates a name anew for each use, rounded otherwise, may take another branch"
            return Outcome(Verdict.INCONCLUSIVE, (told, more), conventions=chosen, composed=worst.used)
        return Outcome(Verdict.DISAGREE, (told,), conventions=chosen, composed=worst.used)
    key = (worst.role, worst.name)
    shares = _budget(step.trace, worst) if key in step.trace.own else ()
    notes = [f"no op call is wrong by itself: {line_of(worst)}"]
    if shares:
        told = ", ".join(f"{share.share:.0%} {share.place}" for share in shares)
        notes.append(f"of the error of {tensor_in_words(key, worst.where, worst.step)}: {told}")
    notes += [
        f"{row.op} {row.phase}: errors are {row.rms:.2g} sigma, on average {row.mean:+.2g}, over {row.count} elements"
        for row in pooled(step.trace)[:NAMED]
        if row.rms > SPREAD or row.drift > DRIFT
    ]
    return Outcome(Verdict.DISAGREE, tuple(notes), conventions=chosen, composed=worst.used, budget=shares)


def _imprecise(chosen: tuple[str, ...], worst: Compared, now: Compared, off: float) -> Outcome:
    """Of a cell in which the reference's own rounding is amplified beyond the tolerance: nobody is accused by that."""
    name = tensor_in_words((worst.role, worst.name), worst.where, worst.step)
    if now.used <= 1:
        told = f"{name}: float64's own rounding is off by {off:.3g} tolerances; with more digits they agree"
        return Outcome(Verdict.AGREE, (told,), conventions=chosen, composed=now.used)
    told = f"the reference is off by {off:.3g} tolerances at {name}, and no op call is wrong by itself"
    return Outcome(Verdict.INCONCLUSIVE, (told,), conventions=chosen, composed=now.used)


def _judged_by_calls(examination: Examination, keys: Collection[Result]) -> bool:
    """Whether these results, too wide as a part of the whole, were judged at the subject's own numbers, each alone."""
    return examination.complete and not any(step.judged.wide.intersection(keys) for step in examination.steps)


def _of_terms(examination: Examination, keys: Collection[Result]) -> list[str]:
    """What is told of those that only their terms' size lets be judged."""
    cancelled = [key for key in keys if any(key in step.judged.cancelled for step in examination.steps)]
    names = ", ".join(map(tensor_in_words, cancelled))
    return (
        [f"terms cancel: {names} is held to their size, and a factor of it would not show"] if names else []
    )


def _vanishes(step: Examined) -> bool:
    """Whether the trace agrees though the cell does not: calls that are fused, or a buffer that is used again."""
    answered = {key: step.trace.answered[key] for key in step.answer if key in step.trace.answered}
    return len(answered) == len(step.answer) and all(
        t.used <= 1 for t in composed(step.trace, step.chosen, answered)
    )


def _is_of_fusing(step: Examined) -> bool:
    """Whether all is within tolerance of a compiled evaluation, in which each use of a name rounds anew and takes its own branch."""
    return step.trace.compiled and all(
        t.used <= 1 for t in composed(step.trace, step.chosen, step.answer, each_anew)
    )


def _budget(trace: Trace, worst: Compared) -> tuple[Share, ...]:
    shares = budget(trace, (worst.role, worst.name), tuple(worst.where or ()))
    return tuple(Share(share=share, place=_result(trace, key)) for share, key in shares[:NAMED])


def _conventions(cell: Cell, examination: Examination) -> Iterator[str]:
    """What was chosen at kinks."""
    for step in examination.steps:
        for alarm in step.judged.chosen:
            yield f"{place(alarm.suspects, step.trace, cell.variant.program_line)}: another of the admissible gradients"


def _flips(examination: Examination) -> list[str]:
    """Where rounding took another branch: a line, however many there are."""
    found = dict.fromkeys(
        _result(step.trace, key) for step in examination.steps for key in sorted(step.flips)
    )
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [f"rounding took another branch: {', '.join(list(found)[:NAMED])}{more}"] if found else []


def _result(trace: Trace, key: Result) -> str:
    """A result of the walk as messages name it."""
    role, name = key
    if role == "use":
        i, k = map(int, name.split("."))
        node = trace.program.nodes[i]
        return f"{_named(trace, 'gradient', str(node.args[k]))}, as {node.op} reads it"
    return _named(trace, role, name)


def _named(trace: Trace, role: str, name: str) -> str:
    """A tensor in words; one that has no name in the program by the call that gives it."""
    if "." not in name:
        return tensor_in_words((role, name))
    node = trace.program.nodes[trace.producer[name]]
    return f"{role} of {node.op} in {name.partition('.')[0]}"


def call_line(cell: Cell, found: Found, entry: str, note: str) -> CallLine:
    """What the run file keeps of one thing that is wrong by itself."""
    only = next(iter(found.suspects)) if len(found.suspects) == 1 else None
    trace, compared = found.trace, found.compared
    node = trace.program.nodes[only.call] if trace and only and only.call >= 0 else None
    first = cell.variant.program_line
    calls = [s.call for s in found.suspects if s.call >= 0]
    line = first + trace.program.nodes[min(calls)].line - 1 if trace and calls else first
    towards = argument_name(node, only.argument) if node and only and only.argument >= 0 else ""
    return CallLine(
        step=found.step,
        line=line,
        op=node.op if node else found.call.op if found.call else "",
        phase=only.phase if only else "",
        towards=towards,
        place=_where(found, first),
        name=_result(trace, found.key) if trace else tensor_in_words(found.key),
        used=compared.used,
        tolerance=compared.tolerance,
        relative=min(found.relative, compared.used),
        where=compared.where,
        got=compared.got,
        want=compared.want,
        wrong=found.wrong,
        elements=found.elements,
        entry=entry,
        note=note,
    )


def _where(found: Found, program_line: int) -> str:
    """What is to blame; of an update by a gradient that nobody told it may be that gradient."""
    told = place(found.suspects, found.trace, program_line)
    derived = isinstance(found.of, Update) and found.of.derived
    return f"the gradient of {found.key[1]}, which is not shown, or {told}" if derived else told


def place(suspects: Iterable[Suspect], trace: Trace | None, program_line: int) -> str:
    """`where towards h, line 7`: what is to blame in words, or what may be."""
    texts = list(dict.fromkeys(_place(s, trace, program_line) for s in sorted(suspects)))
    more = f", or {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    source = _source(suspects, trace) if len(texts) == 1 else ""
    return " or ".join(texts[:NAMED]) + more + f": {source}" * bool(source)


def _source(suspects: Iterable[Suspect], trace: Trace | None) -> str:
    """The statement of the one call that is to blame."""
    calls = [s.call for s in suspects if s.call >= 0]
    return trace.program.source(trace.program.nodes[calls[0]]) if trace and calls else ""


def _place(suspect: Suspect, trace: Trace | None, program_line: int) -> str:
    if suspect.phase == SEED:
        several = trace is not None and len(trace.seeds) > 1
        return "the seed of the backward pass" + f" at {suspect.name}" * several
    if suspect.phase == SUM:
        return f"adding up the cotangents of {suspect.name}"
    if suspect.phase == UPDATE or trace is None:
        return f"the optimizer's update of {suspect.name}"
    node = trace.program.nodes[suspect.call]
    line = f"line {program_line + node.line - 1}"
    if suspect.phase == FORWARD:
        return f"{node.op}, {line}"
    return f"backward of {node.op}{_towards(node, suspect.argument)}, {line}"


def _towards(node: Node, argument: int) -> str:
    """Towards which input a vjp is wrong, where there are several; one without a name is told by the row's."""
    if argument < 0 or len(node.inputs) == 1:
        return ""
    name = str(node.args[argument])
    own = f"its {argument_name(node, argument)}" if "." in name else name
    return f" towards {own}"


def by_cause(lines: Sequence[CallLine]) -> list[list[int]]:
    """Which lines tell of one cause, by their numbers, in the order in which the causes are told: of steps, of elements."""
    causes: dict[tuple[str, str], list[int]] = {}
    for i, line in enumerate(lines):
        causes.setdefault((line.place, line.entry), []).append(i)
    return list(causes.values())


def telling(lines: Sequence[CallLine], same: Sequence[int]) -> int:
    """Of lines that tell of one cause the worst; in a training that ended in what is no number, that of the first step."""
    first = [i for i in same if lines[i].step == lines[same[0]].step]
    of = same if all(is_number(lines[i].got) for i in same) else first
    return max(of, key=lambda i: lines[i].used)


def _told(lines: Sequence[CallLine]) -> Iterator[str]:
    """Each cause, its worst element and what is known of it; of steps that have the same cause, one."""
    causes = by_cause(lines)
    yield "wrong by itself:" if len(causes) == 1 else "wrong by themselves:"
    for same in causes:
        worst = lines[telling(lines, same)]
        where, entry = worst.place, worst.entry
        steps = len({lines[i].step for i in same})
        yield f"  {where}" + f" (in {steps} steps)" * (steps > 1)
        index = f"[{', '.join(map(str, worst.where))}]" if worst.where else ""
        share = f"{worst.wrong} of {worst.elements} element{'s' * (worst.elements != 1)}"
        due = f"{short(worst.want, worst.tolerance)} ± {worst.tolerance:.2g}"
        yield f"    {worst.name}{index} = {worst.got}, should be {due}   ({times(worst.used, worst.got)}, {share})"
        if worst.note:
            yield f"    known: {worst.note} ({_shown(entry)})" if entry else f"    {worst.note}"
        if likely_told := next((lines[i].likely for i in same if lines[i].likely), ""):
            yield f"    likely: {likely_told}"


def _whose_lines(cell: Cell) -> Iterator[str]:
    """Of somebody's own code: whose lines were told, which aren't those of its file; of a program in no file it is said with it."""
    if cell.framework.subject is not None and Path(cell.variant.file).suffix:
        yield f"  (lines are those of the case: {display(Path(cell.variant.file))})"


def _shown(place: str) -> str:
    """An entry's file and line, from the working directory where it lies below."""
    file, _, line = place.rpartition(":")
    return f"{display(Path(file))}:{line}"


def _follows(judgement: Judgement, lines: Sequence[CallLine]) -> Iterator[str]:
    """What is wrong only since something before it is."""
    wrong = {line.name for line in lines}
    names = dict.fromkeys(tensor_in_words((t.role, t.name)) for t in judgement.wrong_numbers)
    follows = [name for name in names if name not in wrong]
    if follows:
        yield f"follows: {', '.join(follows)}"
