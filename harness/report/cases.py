"""The cases of a report as their files have them now."""

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from ..case.loading import load as load_case
from ..errors import HarnessError
from ..references.variant import Wanted
from ..run.lines import Run


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


def _cases(run: Run, roots: Sequence[Path]) -> dict[str, CaseFacts]:
    ran: dict[str, dict[str, str]] = {}
    for cell in run.cells:
        own = ran.setdefault(cell.case, {})
        if cell.content is not None:
            own[cell.variant] = cell.content
    return {name: case_facts(name, roots, own) for name, own in ran.items()}


def case_facts(name: str, roots: Sequence[Path], ran: Mapping[str, str]) -> CaseFacts:
    """What the case file says, from the first root that has it. `ran`: the digests of the variants that were judged."""
    root = next((root for root in roots if _has(root, name)), None)
    if root is None:
        shown = f"{roots[0].name}/{name}.toml" if roots else f"{name}.toml"
        problem = f"{shown} isn't here any more; --cases DIR says where the cases are"
        return _without_text(name, shown, problem)
    path = root / f"{name}.toml"
    file = _shown(path)
    try:
        if problem := _changed(path, root, ran):
            return _without_text(name, file, f"{file} {problem}", changed=True)
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        title, source, program = (str(data.get(key, "")).strip() for key in ("title", "source", "program"))
    except (OSError, ValueError) as error:
        return _without_text(name, file, f"{file}: {error}")
    return CaseFacts(name=name, file=file, title=title, source=source, program=program, problem="")


def _has(root: Path, name: str) -> bool:
    """Whether the case is there, and below its root; a name that no file can have is nowhere."""
    path = root / f"{name}.toml"
    with suppress(OSError, ValueError):
        return path.resolve().is_relative_to(root.resolve()) and path.is_file()
    return False


def _without_text(name: str, file: str, problem: str, *, changed: bool = False) -> CaseFacts:
    return CaseFacts(name=name, file=file, title="", source="", program="", problem=problem, changed=changed)


def _changed(path: Path, root: Path, ran: Mapping[str, str]) -> str:
    """How the case differs from what was run; empty where it doesn't, or where no variant was judged."""
    if not ran:
        return ""
    why = "has changed since the run, so its text isn't that of these results"
    try:
        now = {variant.id: variant for variant in load_case(path, root, proven=False).variants}
    except HarnessError as error:
        return f"{why}: {error}"
    gone = sum(variant not in now for variant in ran)
    other = sum(Wanted(now[name]).content != content for name, content in ran.items() if name in now)
    found = [f"{gone} gone"] * (gone > 0) + [f"{other} with another program or other inputs"] * (other > 0)
    return f"{why}: of {len(ran)} variants {' and '.join(found)}" if found else ""


def _shown(path: Path) -> str:
    """Relative to the working directory where it lies below: that is where commands are repeated."""
    here = Path.cwd().resolve()
    found = path.resolve()
    return str(found.relative_to(here) if found.is_relative_to(here) else found)
