"""Where a session's run file and arrays go."""

from pathlib import Path

import pytest

from .options import Option

DEFAULT_RECORD = "reports/run.jsonl"

OPTIONS = (
    Option(
        "--record", f"where the run file goes (default: {DEFAULT_RECORD})", {"metavar": "FILE"}, path=True
    ),
    Option("--resume", "go on with an interrupted run: its run file", {"metavar": "RUN"}, path=True),
    Option(
        "--keep-arrays",
        "keep what frameworks answer, for `harness rejudge` by other rules",
        {"metavar": "DIR"},
        path=True,
    ),
)


def record_path(config: pytest.Config) -> Path:
    """Where the run file goes; the same in every process of xdist."""
    option = config.option
    given = option.record if option.resume is None else option.resume
    return config.rootpath / DEFAULT_RECORD if given is None else config.invocation_params.dir / given


def arrays_folder(config: pytest.Config) -> Path | None:
    """Where arrays are kept; None where none are."""
    given = config.option.keep_arrays
    return None if given is None else config.invocation_params.dir / given
