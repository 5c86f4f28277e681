"""A run that was interrupted goes on: nothing is lost, nothing is there twice, and nothing stale is kept."""

import errno
import os
import shutil
import subprocess
import time

import pytest
from gradient_conformance.harness.run.reading import read_run
from matrix import TINY, Matrix, change_header, cut, finished, lasting, said

MOMENTS = 10
CELLS = 48


def with_cases(matrix):
    """Four cases of twelve cells."""
    for i in range(4):
        matrix.case.with_name(f"layer_{i}.toml").write_text(f"seed = {i}\n{TINY}")
    matrix.case.unlink()
    return matrix


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The file of a run that nothing has interrupted."""
    matrix = with_cases(Matrix(tmp_path_factory.mktemp("undisturbed")))
    run(matrix)
    return matrix.record


@pytest.fixture
def here(matrix, undisturbed):
    """The same cases, and a copy of that file."""
    matrix.record.parent.mkdir()
    shutil.copy(undisturbed, matrix.record)
    return with_cases(matrix)


def run(here, *more):
    return here.run("faultless", "negates", more=more)


def interrupted(here, cells=5):
    """A run file with its first cells only."""
    cut(here.record, cells)
    return here.record


def length(file):
    return file.read_bytes().count(b"\n") if file.exists() else 0


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def started(here, *frameworks, more):
    command = here.command(*frameworks, more=more)
    return subprocess.Popen(command, cwd=here.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_run_killed_at_any_moment_goes_on_to_what_an_undisturbed_one_says(here):
    kept = set()
    for moment in range(MOMENTS):
        file = here.path / f"killed_{moment}.jsonl"
        process = started(here, "faultless", "negates", more=[f"--resume={file}"])
        until(lambda: length(file) >= moment * CELLS / MOMENTS or process.poll() is not None)  # noqa: B023
        process.kill()
        process.wait()
        kept.add(length(file))
        run(here, f"--resume={file}")
        read_run(file)
        assert lasting(file) == lasting(here.record), f"killed at moment {moment}"
    assert len(kept) > 2, "every run was killed at the same place: this shows nothing"


def test_what_is_done_is_not_run_again_and_fails_again_where_it_failed(here):
    file = interrupted(here, 10)
    before = file.read_text()
    outcome = run(here, f"--resume={file}")
    assert f"{file}: the run goes on with 10 of 48 cells done" in outcome.stdout.str()
    assert file.read_text().startswith(before)
    outcome.assert_outcomes(passed=24, failed=24)
    assert read_run(file).footer.cells == 48


def test_a_line_that_was_half_written_is_run_again(here):
    file = interrupted(here)
    whole = lasting(file)
    file.write_text(file.read_text()[:-40])
    assert "goes on with 4 of 48" in run(here, f"--resume={file}").stdout.str()
    assert set(whole) <= set(lasting(file))


def test_a_cell_whose_case_has_changed_is_run_again(here):
    file = interrupted(here)
    case = here.case.with_name("layer_0.toml")
    case.write_text(case.read_text().replace("[-1, 1]", "[-2, 1]"))
    before = set(lasting(file))
    stale = {line for line in before if "tiny/layer_0::" in line}
    assert stale
    told = f"goes on with {len(before - stale)} of 48 cells done; {len(stale)} are run again"
    assert told in run(here, f"--resume={file}").stdout.str()
    assert before & set(lasting(file)) == before - stale


def test_what_was_absent_is_looked_for_again(here):
    here.run("faultless", more=["--framework=negates", "--interpreter=negates=/nowhere/python"])
    assert "24 of 48 cells done; 24 are run again" in run(here, f"--resume={here.record}").stdout.str()
    found = {cell.verdict for cell in read_run(here.record).cells if cell.framework == "negates"}
    assert found == {"disagree"}


def test_a_run_that_is_not_there_begins(here):
    outcome = run(here, f"--resume={here.path / 'new.jsonl'}")
    assert "nothing of a run is there, so it begins" in outcome.stdout.str()
    assert read_run(here.path / "new.jsonl").footer.cells == 48


def refused(here, file, words, *more):
    before = file.read_bytes()
    outcome = run(here, f"--resume={file}", *more)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert words in outcome.stderr.str()
    assert "Traceback" not in said(outcome)
    assert file.read_bytes() == before


def test_a_cell_that_is_not_selected_now_is_not_lost(here):
    words = "has cells that are not selected now: tiny/layer_0::"
    refused(here, interrupted(here), words, "-k", "layer_3")


def test_a_run_of_another_kind_is_refused_and_left_alone(here):
    whole = interrupted(here).read_text()
    for key, value in (("rules", "0"), ("K", 7.0), ("commit", "another"), ("format", 99)):
        here.record.write_text(whole)
        change_header(here.record, **{key: value})
        refused(here, here.record, f"{key} {value}")


def test_it_goes_on_under_xdist_too(here):
    file = interrupted(here, 7)
    before = set(lasting(file))
    run(here, f"--resume={file}", "-n2").assert_outcomes(passed=24, failed=24)
    assert before <= set(lasting(file))
    assert read_run(file).footer.cells == 48


def test_two_runs_at_once_do_not_write_one_file(here):
    file = here.path / "new.jsonl"
    first = started(here, "hangs", more=[f"--record={file}", "--cell-timeout=60"])
    try:
        until(lambda: length(file) > 2)
        before = file.read_bytes()
        second = run(here, f"--record={file}")
        assert second.ret == pytest.ExitCode.USAGE_ERROR
        assert f"{file}: another run is writing it" in second.stderr.str()
        assert file.read_bytes().startswith(before)
    finally:
        first.kill()
        first.wait()


def test_a_full_disk_is_one_message_and_what_was_written_stays(here):
    """A limit on the size of files stands for a full disk: the same write fails, with another reason."""
    command = " ".join(here.command("faultless", "negates"))
    limited = f"trap '' XFSZ; ulimit -f 16; exec {command}"  # blocks of 512 or 1,024 bytes
    outcome = finished(["bash", "-c", limited], here.path)
    assert "can't write on: File too large" in said(outcome)
    assert "Traceback" not in said(outcome)
    assert outcome.ret not in (0, 1)
    assert "cells done" in run(here, f"--resume={here.record}").stdout.str()
    assert read_run(here.record).footer.cells == 48


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_message(here):
    folder = here.path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    command = here.command("faultless", more=["-p", "no:cacheprovider", f"--record={folder / 'run.jsonl'}"])
    if os.geteuid() == 0:
        here.path.chmod(0o777)
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    outcome = finished(command, here.path)
    told = f"can't write the run file: {os.strerror(errno.EACCES)}; name another with --record FILE"
    assert told in outcome.stderr.str()
    assert "Traceback" not in said(outcome)
