"""A run that was interrupted goes on: nothing is lost, nothing is there twice, and nothing stale is kept."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gradient_conformance.harness.run.reading import read_run

FAKES = Path(__file__).parents[1] / "fakes" / "adapters"
CASE = """
title = "A tiny layer"
source = "A test of the harness"
program = '''
z = W @ x
a = sigmoid(z)
loss = sum(a * a)
'''
[tensors]
W = { shape = [3, "k"], uniform = [-1, 1] }
x = { shape = ["k"], uniform = [-1, 1] }
[sweep]
k = [1, 2, 4]
"""
MOMENTS = 20


@pytest.fixture
def here(tmp_path):
    """A folder with some cases, and a function that starts pytest on them there."""
    for i in range(4):
        case = tmp_path / "cases" / "tiny" / f"layer_{i}.toml"
        case.parent.mkdir(parents=True, exist_ok=True)
        case.write_text(f"seed = {i}\n{CASE}")
    (tmp_path / "pytest.ini").write_text("[pytest]\nharness_cases = cases\n")

    def command(*more, frameworks=("faultless", "negates")):
        named = [f"--framework={name}" for name in frameworks]
        interpreters = [f"--interpreter={name}={sys.executable}" for name in frameworks]
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--adapters={FAKES}", "cases"]
        return [*pytest, *named, *interpreters, *more]

    def run(*more, **kwargs):
        return subprocess.run(
            command(*more, **kwargs), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )

    run.command, run.path = command, tmp_path
    return run


def cells(file):
    """What a run file says of each cell, but for times; a cell that is there twice is refused by the reader."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted(
        json.dumps({k: v for k, v in line.items() if k not in ("seconds", "compiling")})
        for line in lines
        if line["kind"] == "cell"
    )


def test_a_run_killed_at_any_moment_goes_on_to_what_an_undisturbed_one_says(here):
    undisturbed = here.path / "undisturbed.jsonl"
    begun = time.monotonic()
    here(f"--record={undisturbed}")
    whole = time.monotonic() - begun
    read_run(undisturbed)
    random.seed(0)
    kept = []
    for moment in range(MOMENTS):
        file = here.path / f"killed_{moment}.jsonl"
        process = subprocess.Popen(
            here.command(f"--resume={file}"), cwd=here.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )  # fmt: skip
        time.sleep(random.uniform(0.3, 1.1) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept.append(sum(line.startswith('{"kind":"cell"') for line in _lines(file)))
        here(f"--resume={file}")
        read_run(file)
        assert cells(file) == cells(undisturbed), f"killed at moment {moment}, with {kept[-1]} cells done"
    assert len(set(kept)) > 1, "every run was killed at the same place: this shows nothing"


def _lines(file):
    return file.read_text().splitlines() if file.exists() else []


def interrupted(here, cells_done=5):
    """A run file with its first cells only."""
    file = here.path / "run.jsonl"
    here(f"--record={file}")
    lines = file.read_text().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if '"kind":"cell"' in line)
    kept = [line for line in lines if '"kind":"about"' in line or '"kind":"header"' in line]
    assert first < len(lines)
    file.write_text("".join(kept + [line for line in lines if '"kind":"cell"' in line][:cells_done]))
    return file


def test_what_is_done_is_not_run_again_and_fails_again_where_it_failed(here):
    file = interrupted(here, 10)
    before = file.read_text().splitlines()
    done = here(f"--resume={file}")
    assert f"{file}: the run goes on with 10 of 48 cells done" in done.stdout
    assert file.read_text().splitlines()[: len(before)] == before
    assert "24 failed, 24 passed" in done.stdout
    assert read_run(file).footer.cells == 48


def test_a_line_that_was_half_written_is_run_again(here):
    file = interrupted(here)
    whole = cells(file)
    file.write_text(file.read_text()[:-40])
    done = here(f"--resume={file}")
    assert "goes on with 4 of 48" in done.stdout
    assert set(whole) <= set(cells(file))


def test_a_cell_whose_case_has_changed_is_run_again(here):
    file = interrupted(here)
    case = here.path / "cases" / "tiny" / "layer_0.toml"
    case.write_text(case.read_text().replace("[-1, 1]", "[-2, 1]"))
    before = set(cells(file))
    stale = {line for line in before if "tiny/layer_0::" in line}
    assert stale
    done = here(f"--resume={file}")
    told = f"goes on with {len(before - stale)} of 48 cells done; {len(stale)} are run again"
    assert told in done.stdout
    assert before & set(cells(file)) == before - stale


def test_what_was_absent_is_looked_for_again(here):
    file = here.path / "run.jsonl"
    here(f"--record={file}", "--interpreter=negates=/nowhere/python")
    done = here(f"--resume={file}")
    assert "24 of 48 cells done; 24 are run again" in done.stdout
    assert {cell.verdict for cell in read_run(file).cells if cell.framework == "negates"} == {"disagree"}


def test_a_run_that_is_not_there_begins(here):
    done = here(f"--resume={here.path / 'new.jsonl'}")
    assert "nothing of a run is there, so it begins" in done.stdout
    assert read_run(here.path / "new.jsonl").footer.cells == 48


def test_a_cell_that_is_not_selected_now_is_not_lost(here):
    file = interrupted(here)
    before = file.read_bytes()
    done = here(f"--resume={file}", "-k", "layer_3")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "has cells that are not selected now: tiny/layer_0::" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "value"), [("rules", "0"), ("K", 7.0), ("commit", "another"), ("format", 99)]
)
def test_a_run_of_another_kind_is_refused_and_left_alone(here, key, value):
    file = interrupted(here)
    header, *lines = file.read_text().splitlines(keepends=True)
    file.write_text(json.dumps({**json.loads(header), key: value}) + "\n" + "".join(lines))
    before = file.read_bytes()
    done = here(f"--resume={file}")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{key} {value}" in done.stderr
    assert file.read_bytes() == before


def test_it_goes_on_under_xdist_too(here):
    file = interrupted(here, 7)
    before = set(cells(file))
    done = here(f"--resume={file}", "-n2")
    assert "24 failed, 24 passed" in done.stdout
    assert before <= set(cells(file))
    assert read_run(file).footer.cells == 48


def test_two_runs_at_once_do_not_write_one_file(here):
    file = here.path / "run.jsonl"
    slow = here.command(f"--record={file}", "--cell-timeout=60", frameworks=("hangs",))
    first = subprocess.Popen(slow, cwd=here.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: any('"kind":"cell"' in line for line in _lines(file)))
        before = file.read_bytes()
        second = here(f"--record={file}")
        assert second.returncode == pytest.ExitCode.USAGE_ERROR
        assert f"{file}: another run is writing it" in second.stderr
        assert file.read_bytes().startswith(before)
    finally:
        first.kill()
        first.wait()


def _until(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_full_disk_is_one_message_and_what_was_written_stays(here):
    """A limit on the size of files stands for a full disk: the same write fails, with another reason."""
    file = here.path / "run.jsonl"
    command = " ".join(here.command(f"--record={file}"))
    limited = f"trap '' XFSZ; ulimit -f 16; exec {command}"  # blocks of 512 or 1,024 bytes
    done = subprocess.run(
        ["bash", "-c", limited], cwd=here.path, capture_output=True, text=True, check=False, timeout=120
    )
    assert "can't write on: File too large" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode not in (0, 1)
    whole = here(f"--resume={file}")
    assert "cells done" in whole.stdout
    assert read_run(file).footer.cells == 48


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_message(here):
    folder = here.path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    command = here.command(f"--record={folder / 'run.jsonl'}")
    if os.geteuid() == 0:
        here.path.chmod(0o777)
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    done = subprocess.run(command, cwd=here.path, capture_output=True, text=True, check=False, timeout=120)
    assert (
        f"can't write the run file: {os.strerror(errno.EACCES)}; name another with --record FILE"
        in done.stderr
    )
    assert "Traceback" not in done.stdout + done.stderr
