"""Runs are kept: each is a file of its own, the newest complete one is found by one name, and the oldest go."""

import os

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.plugin.files import KEPT
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.run.writing import RunWriter
from matrix import cut, finished, said
from runs import header

ONE = "cases/tiny/layer.toml::k:2-float32-negates-eager"


@pytest.fixture
def kept(matrix, monkeypatch):
    """Runs without --record."""
    monkeypatch.chdir(matrix.path)
    matrix.runs, matrix.latest = matrix.path / "reports" / "runs", matrix.path / "reports" / "latest.jsonl"
    usual = matrix.words

    def words(*frameworks, **given):
        return [word for word in usual(*frameworks, **given) if not word.startswith("--record")]

    matrix.words = words
    return matrix


def files(kept):
    return sorted(path.name for path in kept.runs.iterdir())


@pytest.mark.parametrize("more", [[], ["-n2"]])
def test_each_run_is_a_file_of_its_own_and_the_latest_leads_to_the_newest(kept, more):
    outcome = kept.run("faultless", more=more)
    (first,) = files(kept)
    assert f"run file: reports/runs/{first}; reports/latest.jsonl leads there" in said(outcome)
    kept.run("faultless", more=["-k", "float32", *more])
    assert files(kept)[0] == first
    assert len(files(kept)) == 2
    assert kept.latest.resolve().name == files(kept)[1]
    assert len(read_run(kept.latest).cells) == 3


def test_the_repeated_cell_does_not_take_the_place_of_the_matrix(kept):
    kept.run("negates")
    outcome = kept.run("negates", of=ONE)
    told = "reports/latest.jsonl leads elsewhere, since these cells were named one by one"
    assert told in said(outcome)
    assert len(read_run(kept.latest).cells) == 6
    assert sorted(len(read_run(path).cells) for path in kept.runs.iterdir()) == [1, 6]


def test_resuming_without_a_name_goes_on_with_the_newest_run(kept):
    assert "--resume: there is no run in reports/runs; name a run file" in said(
        kept.run("faultless", more=["--resume"])
    )
    kept.run("faultless")
    kept.run("faultless")
    older, newest = (kept.runs / name for name in files(kept))
    before = older.read_bytes()
    cut(newest, 2)
    outcome = kept.run("faultless", more=["--resume"])
    assert f"reports/runs/{newest.name}: the run goes on with 2 of 6 cells done" in said(outcome)
    assert len(read_run(newest).cells) == 6
    assert older.read_bytes() == before


def test_a_kept_run_is_not_replaced_through_the_name_of_the_latest(kept):
    kept.run("faultless")
    (file,) = files(kept)
    before = (kept.runs / file).read_bytes()
    with (kept.path / "pytest.ini").open("a") as ini:
        ini.write("addopts = --record=reports/latest.jsonl\n")
    outcome = kept.run("faultless")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    told = f"--record: reports/latest.jsonl leads to reports/runs/{file}, a run that is kept and would be replaced; leave "
    assert told + "--record out (reports/latest.jsonl leads to the new run then)" in said(outcome)
    assert (kept.runs / file).read_bytes() == before


def test_a_report_of_cells_named_one_by_one_says_so(kept, capsys):
    kept.run("negates", of=ONE)
    (file,) = kept.runs.iterdir()
    assert main(["report", str(file)]) == 0
    assert f"This run is of cells that were named one by one: pytest {ONE}" in capsys.readouterr().out
    kept.run("faultless")
    assert main(["report", str(kept.latest)]) == 0
    assert "one by one" not in capsys.readouterr().out


def test_an_interrupted_run_stays_and_is_gone_on_with_and_is_the_latest_then(kept):
    (kept.path / "conftest.py").write_text(
        "import pytest\ndef pytest_runtest_setup(item):\n    if 'k:4' in item.nodeid: pytest.skip('not today')\n"
    )
    outcome = kept.run("faultless")
    (name,) = files(kept)
    assert f"the same command with --resume=reports/runs/{name} goes on with it" in said(outcome)
    assert not os.path.lexists(kept.latest)
    (kept.path / "conftest.py").unlink()
    kept.run("faultless", more=[f"--resume=reports/runs/{name}"]).assert_outcomes(passed=6)
    assert files(kept) == [name]
    assert len(read_run(kept.latest).cells) == 6


def stale(kept, count):
    """Files of earlier runs, oldest first."""
    kept.runs.mkdir(parents=True)
    made = [kept.runs / f"20200101T0000{i:02}-000000.jsonl" for i in range(count)]
    for path in made:
        path.write_text("{}\n")
    return made


def test_the_oldest_go_but_never_what_the_latest_leads_to_nor_what_is_nobodys_run(kept):
    made = stale(kept, KEPT + 2)
    (kept.runs / "mine.jsonl").write_text("mine")
    (kept.runs / f".{made[0].name}.new").write_text("what a killed run left")
    kept.run("faultless")
    first = kept.latest.resolve()
    assert not any(path.exists() for path in made[:3])
    assert all(path.exists() for path in made[3:])
    assert files(kept) == [path.name for path in made[3:]] + [first.name, "mine.jsonl"]
    old = kept.runs / "20190101T000000-000000.jsonl"
    first.rename(old)
    kept.latest.unlink()
    kept.latest.symlink_to("runs/20190101T000000-000000.jsonl")
    kept.run("faultless", of=ONE.replace("negates", "faultless"))
    assert old.exists()


def test_a_run_that_is_being_written_does_not_go(kept):
    made = stale(kept, KEPT + 2)
    made[0].unlink()
    with RunWriter(made[0], header()):
        made[0].write_text("{}\n")
        beside = made[0].with_name(f".{made[0].name}.new")
        kept.run("faultless")
        assert beside.exists()
    assert not made[1].exists()


def test_arrays_go_on_from_run_to_run_but_not_from_one_that_is_being_written(kept):
    keeping = ["--keep-arrays=kept"]
    kept.run("faultless", more=keeping)
    (first,) = kept.runs.iterdir()
    kept.run("faultless", more=[*keeping, "-k", "float32"]).assert_outcomes(passed=3)
    assert len(list((kept.path / "kept").glob("*.npz"))) == 3
    assert main(["rejudge", str(kept.latest), "--arrays", "kept", "--record", "again.jsonl"]) == 0
    (owner,) = set(kept.runs.iterdir()) - {first}
    kept_before = sorted((kept.path / "kept").iterdir())
    with RunWriter(owner, header()):
        outcome = finished(kept.command("faultless", more=keeping), kept.path)
        assert outcome.ret == pytest.ExitCode.USAGE_ERROR
        assert "has arrays of" in said(outcome)
    assert sorted((kept.path / "kept").iterdir()) == kept_before


def test_what_is_no_run_stays_in_the_place_of_the_latest(kept):
    kept.latest.parent.mkdir()
    kept.latest.write_text("# mine\n")
    outcome = kept.run("faultless")
    assert outcome.ret == 0
    assert "latest.jsonl: is no run file, and would be replaced by one" in said(outcome)
    assert kept.latest.read_text() == "# mine\n"
    assert len(read_run(next(kept.runs.iterdir())).cells) == 6


def test_no_report_of_pytest_is_written_over_the_latest(kept):
    kept.run("faultless")
    before = kept.latest.read_bytes()
    outcome = finished(kept.command("faultless", more=["--junitxml=reports/latest.jsonl"]), kept.path)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert "that is a run file; name another" in said(outcome)
    assert kept.latest.read_bytes() == before
