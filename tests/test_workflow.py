"""The CI report for a real user: the workflow is checked by actionlint, and its own shell steps are run.

They run in a small project, a copy of this checkout with one case and with NumPy fakes in place of the frameworks:
tox makes their environments, pytest runs their cells, the report job merges and compares. Only `gh` is a fake.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict
from workflow import Context, evaluate, filled, load, runner

ROOT = Path(__file__).parents[1]
FILE = ROOT / ".github" / "workflows" / "conformance.yml"
WORKFLOW = load(FILE)
FRAMEWORKS = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/adapter.py"))
FAKES = ROOT / "tests" / "fakes"
CASE = Path("cases", "notebooks", "two_branches.toml")
NOTHING_TO_COMPARE = "No complete run of the main branch is kept: nothing to compare with."
BIN = Path(sys.executable).parent
"""Where tox installs actionlint and shellcheck for these tests."""


def actionlint(text):
    command = [str(BIN / "actionlint"), "-no-color", "-shellcheck", str(BIN / "shellcheck"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("file", [FILE, ROOT / ".ci" / "foreign.yml"], ids=lambda file: file.name)
def test_actionlint_and_shellcheck_find_nothing(file):
    done = actionlint(file.read_text())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("needs: framework\n", "needs: frameworks\n", r"job-needs|frameworks"),
        ("matrix.index", "matrix.indices", r"indices"),
        ('tox -e "$FRAMEWORK,matrix"', "tox -e $FRAMEWORK,matrix", r"SC2086"),
        ("path: reports/\n", "paths: reports/\n", r"paths"),
    ],
)
def test_actionlint_finds_what_is_wrong(good, bad, told):
    text = FILE.read_text()
    assert good in text
    done = actionlint(text.replace(good, bad))
    assert done.returncode == 1
    assert re.search(told, done.stdout)


def test_shellcheck_finds_nothing_in_the_scripts():
    scripts = [str(ROOT / ".ci" / name) for name in ("run", "main_run")]
    done = subprocess.run([str(BIN / "shellcheck"), *scripts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_framework_has_a_job():
    matrix = WORKFLOW["jobs"]["framework"]["strategy"]["matrix"]
    assert sorted(matrix["framework"]) == FRAMEWORKS
    assert {more["framework"] for more in matrix["include"]} <= set(FRAMEWORKS)


def test_no_expression_stands_in_a_shell_step():
    """What comes from outside reaches the shell as a variable: it can't become code, and steps run as they stand."""
    runs = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    assert runs
    assert not [text for text in runs if "${{" in text]


def test_the_workflow_may_only_read():
    permissions = [
        WORKFLOW["permissions"],
        *(job.get("permissions", {}) for job in WORKFLOW["jobs"].values()),
    ]
    assert {value for given in permissions for value in given.values()} == {"read"}


@pytest.mark.parametrize(
    ("event", "inputs", "releases"),
    [("pull_request", "", "pinned"), ("push", "", "pinned"), ("schedule", "", "newest"),
     ("workflow_dispatch", "pinned", "pinned"), ("workflow_dispatch", "newest", "newest")],
)  # fmt: skip
def test_the_weekly_run_is_of_the_newest_releases_and_the_others_of_the_pins(event, inputs, releases):
    contexts = {"github": Context({"event_name": event}), "inputs": Context({"releases": inputs})}
    assert filled(WORKFLOW["env"]["RELEASES"], contexts) == releases


def test_the_expressions_of_the_test_itself_are_worked_out():
    assert evaluate("!cancelled() && 'a' != 'b'", {"cancelled": lambda: False})
    assert not evaluate("!cancelled() && 'a' != 'a'", {"cancelled": lambda: False})
    assert not evaluate("!cancelled() || 'a' == 'b'", {"cancelled": lambda: True})


UNPIN = ROOT / ".ci" / "unpin.py"


def unpinned(text, folder):
    (folder / "requirements.txt").write_text(text)
    subprocess.run([sys.executable, str(UNPIN), str(folder / "requirements.txt")], check=True)
    return (folder / "requirements.txt").read_text()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_pins_the_same_distributions_are_asked_for_in_any_version_but_for_those_that_are_held(
    framework, tmp_path
):
    given = (ROOT / "adapters" / framework / "requirements.txt").read_text().splitlines()
    found = unpinned("\n".join(given) + "\n", tmp_path).splitlines()
    assert found == [line if "# held:" in line else line.partition("==")[0] for line in given]
    assert "==" not in found[0]


def test_extras_markers_comments_and_options_outlive_their_pins(tmp_path):
    text = (
        "# of ours\nfoo[bar]==1.0; python_version < '3.13'\n\n--pre\nbaz>=2,<3 # why\nqux==1 # held: breaks\n"
    )
    assert unpinned(text, tmp_path) == (
        "# of ours\nfoo[bar]; python_version < '3.13'\n\n--pre\nbaz\nqux==1 # held: breaks\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--find-links=x",
        "-r other.txt",
        "foo @ https://example.org/foo.whl",
        "./foo.whl",
        "# foo==1",
        "",
    ],
)
def test_what_is_no_pin_stays(line, tmp_path):
    assert unpinned(f"{line}\n", tmp_path) == f"{line}\n"


def test_without_a_name_every_pin_and_every_lock_goes_but_for_what_is_held(tmp_path):
    for pattern in ("adapters/*/*.txt", ".ci/**/*.txt", ".ci/unpin.py"):
        for file in ROOT.glob(pattern):
            (tmp_path / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / file.relative_to(ROOT))
    subprocess.run([sys.executable, "-I", str(tmp_path / ".ci" / "unpin.py")], check=True, cwd="/")
    pinned = [
        line
        for file in tmp_path.rglob("*.txt")
        for line in file.read_text().splitlines()
        if re.match(r"[\w-]+==", line)
    ]
    assert pinned
    assert all("# held:" in line for line in pinned)


OLD = "13.9.4"
"""A release of rich, of which there are newer ones: what the small project's locks hold the host to."""


def small_project(work, changed=()):
    """A copy of this checkout with one case, and a NumPy fake in place of each framework.

    `changed`: another fake for a framework.
    """
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file() and not name.startswith(("cases/", "tests/")):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, work / name)
    (work / CASE).parent.mkdir(parents=True)
    shutil.copy(ROOT / CASE, work / CASE)
    shutil.copy(FAKES / "numpy_adapter.py", work)
    for name in FRAMEWORKS:
        folder = work / "adapters" / name
        shutil.copy(FAKES / "adapters" / dict(changed).get(name, "faultless") / "adapter.py", folder)
        for family in (*folder.glob("ops_*.py"), folder / "optimizers.py"):
            family.unlink()
        (folder / "requirements.txt").write_text("six\nnumpy==2.2.6  # held: for the test\n")
        (folder / "lock.txt").write_text("six==1.16.0\nnumpy==2.2.6\n")
        (folder / "deviations.toml").write_text("")
    lock = work / ".ci" / "locks" / "matrix.txt"
    lock.write_text(re.sub(r"(?m)^(rich)==.*$", rf"\1=={OLD}", lock.read_text()))


def versions(python, *names):
    """What an environment has of these distributions."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    command = [str(python), "-c", code, *names]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return runner(WORKFLOW, tmp_path_factory.mktemp("machine"), small_project)


def framework_jobs(machine, run, names=FRAMEWORKS, **more):
    """The jobs of these frameworks, by name."""
    return {name: machine.run("framework", run, matrix={"framework": name}, **more) for name in names}


def of_run(number, event="push", branch="main", status="completed", **conclusions):
    """A run as GitHub tells of it."""
    jobs = [{"name": name, "conclusion": told} for name, told in conclusions.items()]
    jobs.append({"name": "report", "conclusion": ""})
    told = {"databaseId": number, "event": event, "branch": branch, "status": status, "jobs": jobs}
    return {**told, "workflow": "conformance.yml"}


def report_job(machine, run, *earlier, **conclusions):
    """The report job of a run whose framework jobs ended so."""
    machine.tell([of_run(run, status="in_progress", **conclusions), *earlier])
    failed = any(told != "success" for told in conclusions.values())
    return machine.run("report", run, needs={"framework": "failure" if failed else "success"})


SUCCESS = dict.fromkeys(FRAMEWORKS, "success")


@pytest.fixture(scope="module")
def first(machine):
    """The first run ever: all frameworks agree. Its jobs, and its report."""
    jobs = framework_jobs(machine, 1)
    return jobs, report_job(machine, 1, **SUCCESS)


def uploads(machine, run):
    return sorted(path.name for path in (machine.uploads / str(run)).iterdir())


def copy_runs(machine, source, target, names=FRAMEWORKS):
    """As if the frameworks' jobs had run again, later."""
    for name in names:
        again = machine.uploads / str(target) / f"run-{name}"
        shutil.copytree(machine.uploads / str(source) / f"run-{name}", again)
        run = again / "run.jsonl"
        run.write_text(re.sub(r'"started":"20\d\d', '"started":"2999', run.read_text(), count=1))


def test_a_framework_job_runs_the_cells_of_that_framework_and_keeps_run_and_arrays(machine, first):
    jobs, _ = first
    for name, job in jobs.items():
        assert job.outcome == "success", job.log
        kept = machine.uploads / "1" / f"run-{name}"
        run = read_run(kept / "run.jsonl")
        assert {cell.framework for cell in run.cells} == {name}
        assert all((kept / cell.arrays).is_file() for cell in run.cells)


def test_a_job_has_the_versions_of_the_locks_in_its_environments_and_in_the_report(machine, first):
    for name in FRAMEWORKS:
        assert versions(machine.folder / "tox" / name / "bin" / "python", "numpy", "six") == [
            "2.2.6",
            "1.16.0",
        ]
    assert versions(machine.folder / "tox" / "matrix" / "bin" / "python", "rich") == [OLD]
    assert versions(machine.python, "rich") == [OLD]


def test_the_first_run_ever_passes_and_says_that_there_is_nothing_to_compare_with(machine, first):
    _, report = first
    assert report.outcome == "success", report.log
    assert NOTHING_TO_COMPARE in report.summary
    assert "What changed" not in report.summary
    assert report.steps["No cell is newly wrong"] == "skipped"


def test_the_report_job_gives_a_summary_a_page_and_the_run_for_later(machine, first):
    _, report = first
    assert uploads(machine, 1) == ["conformance-run", "report", *(f"run-{name}" for name in FRAMEWORKS)]
    run = read_run(machine.uploads / "1" / "conformance-run" / "run.jsonl")
    assert {cell.framework for cell in run.cells} == set(FRAMEWORKS)
    assert {cell.verdict for cell in run.cells} == {Verdict.AGREE}
    kept = machine.uploads / "1" / "report"
    assert {path.name for path in kept.iterdir()} == {
        "junit.xml", "page", "report.json", "run.jsonl", "summary.md",
    }  # fmt: skip
    assert f"{len(run.cells)} of {len(run.cells)} cells agree" in (kept / "page" / "index.html").read_text()
    assert (kept / "summary.md").read_text() in report.summary


def test_the_pairwise_page_has_the_arrays_of_all_jobs(machine, first):
    page = (machine.uploads / "1" / "report" / "page" / "pairwise.html").read_text()
    assert "ULP" in page
    assert "have their arrays" not in page  # it says so where some lack them


def test_a_newly_wrong_cell_fails_the_job_and_stands_in_the_summary(machine, first):
    copy_runs(machine, 1, 2, [name for name in FRAMEWORKS if name != "jax"])
    machine.checkout = lambda work: small_project(work, {"jax": "negates"})
    try:
        job = framework_jobs(machine, 2, ["jax"])["jax"]
    finally:
        machine.checkout = small_project
    assert job.outcome == "failure"
    assert job.steps["Keep the run and its arrays, also of cells that failed"] == "success"
    report = report_job(machine, 2, of_run(1), **{**SUCCESS, "jax": "failure"})
    assert report.outcome == "failure"
    assert report.steps["No cell is newly wrong"] == "failure"
    assert re.search(r"What changed: [1-9]\d* newly wrong", report.summary)
    assert re.search(r"two_branches::\S+-jax-eager: agree -> disagree", report.summary)
    assert "::error::the job jax ended with failure: see its log" in report.log
    assert "conformance-run" in uploads(machine, 2)


def test_a_job_that_fails_beside_its_cells_fails_the_report(machine, first):
    """A stale entry of a ledger, say: no cell of the run tells of it."""
    copy_runs(machine, 1, 3)
    report = report_job(machine, 3, of_run(1), **{**SUCCESS, "torch": "cancelled"})
    assert report.outcome == "failure"
    assert report.steps["No cell is newly wrong"] == "success"
    assert "::error::the job torch ended with cancelled: see its log" in report.log


def test_a_missing_framework_is_named_and_fails_the_job_while_the_others_are_reported(machine, first):
    copy_runs(machine, 1, 4, [name for name in FRAMEWORKS if name != "mxnet"])
    report = report_job(machine, 4, of_run(1), **{**SUCCESS, "mxnet": "failure"})
    assert report.outcome == "failure"
    assert report.steps["Make them one run"] == "failure"
    assert "mxnet: missing: no run has a cell that mxnet ran" in report.summary
    assert report.steps["Keep the reports"] == "success"
    assert (machine.uploads / "4" / "report" / "page" / "index.html").exists()
    assert "conformance-run" not in uploads(machine, 4)  # nothing is ever compared with half a run


def test_a_missing_framework_fails_the_job_even_where_its_own_job_claims_success(machine, first):
    copy_runs(machine, 1, 5, [name for name in FRAMEWORKS if name != "mxnet"])
    assert report_job(machine, 5, of_run(1), **SUCCESS).outcome == "failure"


def test_a_run_that_broke_off_is_told_and_the_others_are_reported(machine, first):
    copy_runs(machine, 1, 6)
    broken = machine.uploads / "6" / "run-torch" / "run.jsonl"
    broken.write_text("".join(broken.read_text().splitlines(keepends=True)[:-1]))
    report = report_job(machine, 6, of_run(1), **{**SUCCESS, "torch": "failure"})
    assert report.outcome == "failure"
    assert "runs/run-torch/run.jsonl: no footer" in report.summary
    assert "torch: missing" in report.summary
    assert {cell.framework for cell in read_run(machine.uploads / "6" / "report" / "run.jsonl").cells} == {
        name for name in FRAMEWORKS if name != "torch"
    }


def test_without_any_run_the_job_fails_and_says_so(machine, first):
    (machine.uploads / "7").mkdir()
    report = report_job(machine, 7, of_run(1), **dict.fromkeys(FRAMEWORKS, "failure"))
    assert report.outcome == "failure"
    assert "no run is left to be merged" in report.summary
    assert report.steps["Report"] == "skipped"


def test_it_is_compared_with_the_last_complete_push_to_main_and_with_no_fork_that_calls_its_branch_main(
    machine, first
):
    for number in (8, 14):
        copy_runs(machine, 1, number, [])
        (machine.uploads / str(number) / "conformance-run").mkdir(parents=True)
    earlier = [
        of_run(1),
        of_run(9),  # incomplete: it kept no run
        of_run(10, status="in_progress"),
        of_run(14, event="pull_request"),
        of_run(8, branch="other"),
    ]
    copy_runs(machine, 1, 15)
    report = report_job(machine, 15, *earlier, **SUCCESS)
    assert report.outcome == "success", report.log
    assert "Compared with run 1 of the main branch." in report.log
    assert "What changed: nothing newly wrong" in report.summary


def test_where_github_does_not_answer_the_job_fails_and_does_not_take_it_for_a_first_run(machine, first):
    copy_runs(machine, 1, 16)
    (machine.folder / "bin" / "gh").rename(machine.folder / "gh")
    (machine.folder / "bin" / "gh").write_text(
        f'#!/bin/sh\n[ "$2" = list ] && exit 1\nexec {machine.folder / "gh"} "$@"\n'
    )
    (machine.folder / "bin" / "gh").chmod(0o755)
    try:
        report = report_job(machine, 16, of_run(1), **SUCCESS)
    finally:
        (machine.folder / "gh").rename(machine.folder / "bin" / "gh")
    assert report.outcome == "failure"
    assert NOTHING_TO_COMPARE not in report.summary


def test_the_weekly_run_takes_newer_releases_and_is_never_what_others_are_compared_with(machine, first):
    job = framework_jobs(machine, 17, ["torch"], github={"event_name": "schedule"})["torch"]
    assert job.outcome == "success", job.log
    numpy, six = versions(machine.folder / "tox" / "torch" / "bin" / "python", "numpy", "six")
    assert numpy == "2.2.6"
    assert six != "1.16.0"
    assert versions(machine.folder / "tox" / "matrix" / "bin" / "python", "rich") != [OLD]
    copy_runs(machine, 1, 17, [name for name in FRAMEWORKS if name != "torch"])
    machine.tell([of_run(17, status="in_progress", **SUCCESS), of_run(1)])
    report = machine.run("report", 17, needs={"framework": "success"}, github={"event_name": "schedule"})
    assert report.outcome == "success", report.log
    assert "conformance-run" not in uploads(machine, 17)
    assert "What changed: nothing newly wrong" in report.summary
