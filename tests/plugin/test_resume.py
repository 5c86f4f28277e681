"""A run that was interrupted goes on: nothing is lost, nothing is there twice, and nothing stale is kept."""

import errno
import json
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
    assert f"{file.relative_to(here.path)}: the run goes on with 10 of 48 cells done" in outcome.stdout.str()
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


def test_what_crashed_is_run_again(here):
    """Perhaps the machine ran out of memory, or its worker was another version's."""
    file = interrupted(here)
    file.write_text(file.read_text().replace('"verdict":"agree"', '"verdict":"crashed"', 1))
    assert "4 of 48 cells done; 1 are run again" in run(here, f"--resume={file}").stdout.str()
    assert lasting(file) == lasting(run_undisturbed(here))


def run_undisturbed(here):
    run(here, "--record=undisturbed.jsonl")
    return here.path / "undisturbed.jsonl"


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
    for key, value in (("rules", "0"), ("K", 7.0), ("python", "3.99"), ("format", 99)):
        here.record.write_text(whole)
        change_header(here.record, **{key: value})
        refused(here, here.record, f"{key} {value}")


def edited_adapter(here):
    with (here.adapters / "negates" / "adapter.py").open("a") as file:
        file.write("\n# an edit\n")
    return "adapter negates ", []


def another_ledger(here):
    here.entries("negates", ("tiny/layer_0::*", 1e9))
    return "ledger negates none, and this is ledger negates ", []


def a_ledger_of_the_user(here):
    text = here.entries("negates", ("tiny/layer_0::*", 1e9)).read_text()
    (here.adapters / "negates" / "deviations.toml").unlink()
    (here.path / "mine.toml").write_text(text.replace("cell =", 'framework = "negates"\ncell ='))
    return "ledger negates none, and this is ledger negates ", ["--deviations=mine.toml"]


def other_judging(here):
    return "--judge whole, and this is --judge calls", ["--judge=calls"]


def another_reference(here):
    known = json.loads(here.record.read_text().splitlines()[0])["contents"]
    change_header(here.record, contents={**known, "reference": "0123456789ab"})
    return "was begun with reference 0123456789ab, and this is reference ", []


def another_harness(here):
    known = json.loads(here.record.read_text().splitlines()[0])["contents"]
    change_header(here.record, contents={**known, "harness": "0123456789ab"})
    return "was begun with harness 0123456789ab, and this is harness ", []


@pytest.mark.parametrize(
    "change",
    [edited_adapter, another_ledger, a_ledger_of_the_user, other_judging, another_reference, another_harness],
)
def test_what_verdicts_stand_on_is_known_by_its_content_and_a_run_with_another_is_refused(here, change):
    interrupted(here)
    words, more = change(here)
    refused(here, here.record, words, *more)


def test_a_file_that_git_does_not_know_is_no_other_run(here):
    """The run file itself may be one: what counts is what the harness loads."""
    file = interrupted(here)
    change_header(file, commit="0123+dirty")
    assert "the run goes on with 5 of 48 cells done" in run(here, f"--resume={file}").stdout.str()


def test_a_run_is_not_resumed_while_a_case_of_it_cannot_be_read(here):
    file = interrupted(here)
    here.case.with_name("layer_0.toml").write_text("title = 'x")
    before = file.read_bytes()
    outcome = run(here, f"--resume={file}")
    assert outcome.ret != 0
    assert "layer_0.toml:1" in said(outcome)
    assert file.read_bytes() == before


@pytest.mark.parametrize("more", [["--continue-on-collection-errors"], []])
def test_a_resumed_run_that_gets_no_result_is_left_as_it_was(here, more):
    """Here since nothing of it is selected, or a case beside it is broken."""
    file = interrupted(here)
    before = file.read_bytes()
    here.case.with_name("layer_9.toml").write_text("title = 'x")
    outcome = run(here, f"--resume={file}", "-k", "layer_9", *more)
    assert outcome.ret != 0
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "option",
    ["--resume", "--record", "--keep-arrays", "--subject", "--deviations", "--cases", "--adapters",
     "--framework", "--mode", "--dtype", "--require", "--interpreter", "--shard", "--shard-seconds"],
)  # fmt: skip
def test_an_option_with_an_empty_text_is_refused_and_nothing_is_touched(here, option):
    """Such as --resume="$RUN" where RUN is unset."""
    before = here.record.read_bytes()
    for empty in ("", " "):
        outcome = run(here, f"{option}={empty}")
        assert outcome.ret == pytest.ExitCode.USAGE_ERROR
        assert f"{option}: was given an empty text" in said(outcome)
    assert here.record.read_bytes() == before


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


def test_no_cell_is_on_disk_without_what_its_framework_told_of_itself(here):
    """Killed between the two, a run would go on beside another version of a subject's module."""
    (here.path / "mine.py").write_text("import part\n\ndef layer_0(W, x): return part.layer(W, x)\n")
    (here.path / "part.py").write_text("def layer(W, x): return {}, {}\n")
    here.run("mine", "negates", more=["--subject=mine.py"])
    lines = [json.loads(line) for line in here.record.read_text().splitlines()]
    told = set()
    for line in lines:
        if line["kind"] == "about":
            told.add(line["framework"])
        elif line["kind"] == "cell":
            assert line["framework"] in told
    assert told == {"mine", "negates"}
