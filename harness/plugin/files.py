"""Where a session's run file and arrays go.

A run is a file of its own below `reports/runs`, of which the newest are kept, and `reports/latest.jsonl` leads to the
newest complete one, but for runs of cells that were named one by one, such as those that a `repeat:` line makes.
"""

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ..reading.text import display
from ..run.writing import check_run_file, remove
from .options import Option

RUNS = "reports/runs"
LATEST = "reports/latest.jsonl"
RECORD = pytest.StashKey[Path]()
INPUT = "gradient_conformance_record"
"""What a process of xdist finds the run file's path by."""

KEPT = 20
"""Runs that stay below `reports/runs`, besides the one that `reports/latest.jsonl` leads to."""

NAME = re.compile(r"\d{8}T\d{6}-\d{6}\.jsonl")
BEGUN = re.compile(rf"\.{NAME.pattern}\.new")
"""What a run that was killed before its first result leaves."""

NEWEST = "the newest"
"""What `--resume` without a file stands for; no file is called so."""

OPTIONS = (
    Option(
        "--record",
        f"where the run file goes (default: a new one in {RUNS}, where the newest {KEPT} are kept; {LATEST} is the newest)",
        {"metavar": "FILE"},
        path=True,
    ),
    Option(
        "--resume",
        f"go on with an interrupted run: its run file (without one: the newest in {RUNS})",
        {"metavar": "RUN", "nargs": "?", "const": NEWEST},
        path=True,
    ),
    Option(
        "--keep-arrays",
        "keep what frameworks answer, for `harness rejudge` by other rules",
        {"metavar": "DIR"},
        path=True,
    ),
)


def record_path(config: pytest.Config) -> Path:
    """Where the run file goes; the same in every process of xdist."""
    if RECORD not in config.stash:
        config.stash[RECORD] = _record_path(config)
    return config.stash[RECORD]


def _record_path(config: pytest.Config) -> Path:
    """Raises UsageError where there is no newest run, and where a kept one would be replaced."""
    resume, record = config.option.resume, config.option.record
    if resume == NEWEST:
        return _newest(config)
    here: Path = config.invocation_params.dir
    if resume is not None:
        return here / str(resume)
    if record is None:
        return _new(config)
    path = here / str(record)
    leads = Path(os.path.realpath(path))  # which raises nothing for links in a circle
    if path.is_symlink() and leads.parent == Path(os.path.realpath(config.rootpath / RUNS)):
        raise pytest.UsageError(
            f"--record: {display(path)} leads to {display(leads)}, a run that is kept and would be replaced; leave "
            f"--record out ({LATEST} leads to the new run then), or name another file"
        )
    return path


def _newest(config: pytest.Config) -> Path:
    """The newest kept run, interrupted or not."""
    told = getattr(config, "workerinput", {}).get(INPUT)
    if told:
        return Path(told)
    folder = config.rootpath / RUNS
    names = sorted(path for path in folder.glob("*.jsonl") if NAME.fullmatch(path.name))
    if not names:
        raise pytest.UsageError(
            f"--resume: there is no run in {display(folder)}; name a run file, --resume=RUN"
        )
    return names[-1]


def _new(config: pytest.Config) -> Path:
    """Called by the time, so that names are in the order of runs; two at once would have to begin in one microsecond."""
    told = getattr(config, "workerinput", {}).get(INPUT)
    return Path(told) if told else config.rootpath / RUNS / f"{datetime.now(UTC):%Y%m%dT%H%M%S-%f}.jsonl"


def latest_path(config: pytest.Config) -> Path:
    return config.rootpath / LATEST


def is_kept(config: pytest.Config) -> bool:
    """Whether the run file is one of those below `reports/runs`."""
    return record_path(config).parent == config.rootpath / RUNS


def kept(config: pytest.Config) -> str:
    """After a complete run: make it the latest, let go of the oldest; what is said of it. Raises NotOurs and OSError."""
    if not is_kept(config):
        return ""
    latest = latest_path(config)
    is_part = any("::" in text for text in config.args)
    if not is_part:
        _lead(latest, record_path(config))
    _leave_newest(record_path(config).parent, latest)
    name = display(latest)
    return f"; {name} leads {'elsewhere, since these cells were named one by one' if is_part else 'there'}"


def _lead(latest: Path, record: Path) -> None:
    """A link, so that arrays are found from where the run file is; a copy where a file system has no links."""
    check_run_file(latest)
    beside = latest.with_name(f".{latest.name}.{os.getpid()}")
    try:
        beside.symlink_to(os.path.relpath(record, latest.parent))
    except OSError:
        shutil.copyfile(record, beside)
    beside.replace(latest)


def _leave_newest(folder: Path, latest: Path) -> None:
    names = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
    begun = [path for path in folder.iterdir() if BEGUN.fullmatch(path.name)]
    for path in (*names[:-KEPT], *begun):
        if path.resolve() != latest.resolve():
            remove(path)


def arrays_folder(config: pytest.Config) -> Path | None:
    """Where arrays are kept; None where none are."""
    given = config.option.keep_arrays
    return None if given is None else config.invocation_params.dir / given
