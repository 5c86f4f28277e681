"""`--dask`: the run of one machine, made by a real cluster of two processes, also where one of them is killed."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from copied import Copied
from gradient_conformance.harness.plugin import cluster
from gradient_conformance.harness.run.reading import read_run
from matrix import Matrix, cell_lines, finished, lasting, said

CLUSTER = """
import sys
import dask
from distributed import LocalCluster

if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with LocalCluster(n_workers=int(sys.argv[1]), threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""
SUBJECT = """
import os, pathlib, signal
import numpy as np

def layer(W, x):
    marks = pathlib.Path(__file__).with_name("kills")
    if x.size == 4 and marks.exists():
        number = int(marks.read_text())
        if number:
            marks.write_text(str(number - 1))
            os.kill(os.getppid(), signal.SIGKILL)
    a = 1 / (1 + np.exp(-(W @ x)))
    dz = 2 * a * a * (1 - a)
    return {"loss": np.sum(a * a)}, {"W": np.outer(dz, x), "x": W.T @ dz}
"""
"""Kills as many processes of the cluster, which start its workers, as a file says."""
CHANGING = """
import os, signal, time

ABOUT["version"] = str(time.time())


def differentiate(task, inputs):
    marks, size = Path(__file__).with_name("kills"), str(inputs["x"].size)
    if marks.exists():
        if marks.read_text() not in ("", size):
            marks.unlink()
            time.sleep(2)  # what the first family gave is on its way until then
            os.kill(os.getppid(), signal.SIGKILL)
        else:
            marks.write_text(size)
    return correct(task, inputs)
"""
"""A framework of which no two workers have the same version; it kills the process that it works for in its second family, once."""


@contextmanager
def scheduler(folder, processes):
    """The address of one with so many processes, one family at a time each; a task may be lost once."""
    script = folder / "cluster.py"
    script.write_text(CLUSTER)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(
        [sys.executable, script, str(processes)], cwd=folder, text=True, **pipes
    ) as process:
        yield process.stdout.readline().strip()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with scheduler(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


@pytest.fixture
def run(tmp_path, address):
    """Runs two fakes and a subject, on the cluster or here; gives the run file and what was said."""
    matrix = Matrix(tmp_path / "matrix")
    (matrix.path / "mine.py").write_text(SUBJECT)

    def run(name, *options, columns=("faultless", "negates", "mine"), on=address):
        own = [f"--framework={column}" for column in columns]
        own += [f"--interpreter={column}={sys.executable}" for column in columns]
        more = [*own, "--subject=mine.py", f"--record={name}.jsonl", *options]
        outcome = finished(matrix.command(more=[*more, *([f"--dask={on}"] if on else [])]), matrix.path)
        return matrix.path / f"{name}.jsonl", said(outcome)

    run.matrix = matrix
    return run


def ids(record):
    return [line["cell"] for line in cell_lines(record)]


@pytest.mark.parametrize("options", [[], ["--keep-arrays={run}", "--judge=calls"]], ids=["record", "arrays"])
def test_a_cluster_writes_the_run_of_one_machine(run, options):
    alone, here = run("alone", *(o.format(run="alone") for o in options), on=None)
    spread, there = run("spread", *(o.format(run="spread") for o in options))
    assert ids(spread) == ids(alone)
    assert lasting(spread) == lasting(alone)
    one, two = read_run(alone), read_run(spread)
    assert (one.abouts, one.footer.totals) == (two.abouts, two.footer.totals)
    assert one.header.contents == two.header.contents
    if options:
        kept = [
            {path.name for path in folder.glob("*.npz")}
            for folder in (alone.with_suffix(""), spread.with_suffix(""))
        ]
        assert kept[0] == kept[1]
        assert len(kept[0]) == len(one.cells)


def test_the_family_of_a_process_that_was_killed_runs_again(run):
    alone, _ = run("alone", columns=["mine"], on=None)
    kills = run.matrix.path / "kills"
    kills.write_text("1")
    spread, _ = run("spread", columns=["mine"])
    assert kills.read_text() == "0"
    assert ids(spread) == ids(alone)
    assert lasting(spread) == lasting(alone)


def test_a_family_that_kills_every_process_costs_its_own_cells_alone(run):
    (run.matrix.path / "kills").write_text("9")
    spread, _ = run("spread", columns=["mine"])
    cells = read_run(spread).cells
    crashed = [cell for cell in cells if cell.verdict == "crashed"]
    assert [cell.variant for cell in crashed] == ["k:4", "k:4"]
    assert {cell.verdict for cell in cells if cell.variant != "k:4"} == {"agree"}
    told = "the processes of the cluster that ran it or its family died, one after the other"
    assert {cell.message for cell in crashed} == {f"{told}; run this cell alone, without --dask"}


def test_one_run_is_of_one_version_on_the_whole_cluster(run, tmp_path):
    """The one process is killed and comes again, with a worker of another version for the families that are left."""
    adapter = run.matrix.adapters / "faultless" / "adapter.py"
    adapter.write_text(adapter.read_text() + CHANGING)
    adapter.with_name("kills").touch()
    with scheduler(tmp_path, 1) as alone:
        spread, _ = run("spread", columns=["faultless", "mine"], on=alone)
    assert not adapter.with_name("kills").exists()
    cells = [cell for cell in read_run(spread).cells if cell.framework == "faultless"]
    told = {cell.message.partition(" are not the same: version ")[0] for cell in cells if cell.message}
    assert {cell.verdict for cell in cells} == {"agree", "crashed"}
    assert told == {"not judged: its worker and that of the cells before"}


def test_a_cluster_with_another_harness_is_refused_before_anything_is_written(tmp_path, run, monkeypatch):
    folder = tmp_path / "copied"
    folder.mkdir()
    Copied(folder)
    (folder / "harness" / "verdict.py").write_text((folder / "harness" / "verdict.py").read_text() + "\n")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    record, told = run("spread", columns=["faultless"])
    assert told.count("has another harness: harness ") == 1
    assert "; install the same there" in told
    assert not record.exists()


def test_a_process_that_comes_later_is_asked_before_it_runs_anything():
    others = cluster.Work(
        {"harness": "0" * 12}, lambda _: None, {}, 1.0, 1.0, every_call=False, cached=False, kept=False
    )
    with pytest.raises(cluster.ClusterError, match=r"has another harness: harness [0-9a-f]{12}, here 0{12}"):
        cluster.run_family(others, [])


def test_n_and_dask_are_not_both_given(run):
    record, told = run("spread", "-n2", columns=["faultless"])
    assert "--dask: spreads the cells itself; leave -n out" in told
    assert not record.exists()


def test_where_nobody_answers_it_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT", 0.2)
    with pytest.raises(cluster.ClusterError, match=r"--dask tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        cluster._client("tcp://127.0.0.1:1")


def test_without_distributed_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(cluster.ClusterError, match=r"^--dask needs dask\.distributed: .* -m pip install"):
        cluster._client("tcp://127.0.0.1:1")
