"""The cases of a report as their files have them now."""

from collections.abc import Iterable, Mapping

import msgspec

from ..case.library import Library
from ..errors import HarnessError
from ..reading.text import display
from ..run.lines import Run

CHANGED = "has changed since the run, so its text isn't that of these results"


class _Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class CaseFacts(_Facts, frozen=True, kw_only=True):
    """What a case file says; empty with a `problem` where it can't be read."""

    name: str
    file: str
    title: str
    source: str
    program: str
    problem: str
    changed: bool = False
    """Whether the file is there, and isn't what was run: another program, other inputs."""


def _cases(run: Run, library: Library) -> dict[str, CaseFacts]:
    ran: dict[str, dict[str, str]] = {}
    for cell in run.cells:
        own = ran.setdefault(cell.case, {})
        if cell.content is not None:
            own[cell.variant] = cell.content
    return {name: case_facts(name, library, own) for name, own in ran.items()}


def ops(library: Library, cases: Iterable[CaseFacts]) -> dict[tuple[str, str], frozenset[str]]:
    """The ops and the optimizer of each variant, by case and variant, of the cases that can be shown."""
    return {
        (case.name, id): frozenset(variant.ops)
        for case in cases
        if not case.problem
        for id, variant in library.variants(case.name).items()
    }


def case_facts(name: str, library: Library, ran: Mapping[str, str]) -> CaseFacts:
    """What the case file says, read as every case is. `ran`: the digests of the variants that were judged."""
    found, roots = library.find(name), library.roots
    if found is None:
        shown = f"{roots[0].name}/{name}.toml" if roots else f"{name}.toml"
        problem = f"{shown} isn't here any more; --cases DIR says where the cases are"
        return _without_text(name, shown, problem)
    file = display(found[0])
    try:
        case, changes = library.case(name), library.changes(name, ran)
    except HarnessError as error:
        mistakes = "; ".join(str(error).splitlines())
        problem = f"{file} {CHANGED}: {mistakes}" if ran else mistakes
        return _without_text(name, file, problem, changed=bool(ran))
    if changes:
        return _without_text(name, file, f"{file} {CHANGED}: {changes}", changed=True)
    title, source, program = (text.strip() for text in (case.title, case.source, case.program))
    return CaseFacts(name=name, file=file, title=title, source=source, program=program, problem="")


def _without_text(name: str, file: str, problem: str, *, changed: bool = False) -> CaseFacts:
    return CaseFacts(name=name, file=file, title="", source="", program="", problem=problem, changed=changed)
