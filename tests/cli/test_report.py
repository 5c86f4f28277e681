"""`harness report` on the command line: what it writes, and what it refuses by name."""

import json
import subprocess
import sys

import jsonschema
import pytest
from gradient_conformance.harness.cli import main
from runs import a_run, earlier, write


@pytest.fixture
def run_file(here):
    return write(here / "run.jsonl", a_run())


def test_without_any_output_it_tells_the_result(run_file, capsys):
    assert main(["report", str(run_file)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("5 of 15 cells agree (1 by a convention); 7 failed\n15 cells: 5 agree (1 by a ")
    assert "\ntorch: 1 cell deviates, 1 cause: 1 in gradients; 1 of them new\n" in told


def test_it_writes_all_reports_at_once_and_to_standard_output(run_file, here, capsys):
    given = ["--html", "out/page", "--json", "out/r.json", "--junit", "out/r.xml", "--markdown", "-"]
    assert main(["report", str(run_file), *given]) == 0
    assert capsys.readouterr().out.startswith("## 5 of 15 cells agree")
    found = sorted(
        str(path.relative_to(here / "out")) for path in (here / "out").rglob("*") if path.is_file()
    )
    assert found == [
        "page/cells/0.js", "page/index.html", "page/pairwise.html", "page/report.js", "page/style.css", "r.json", "r.xml",
    ]  # fmt: skip


def test_details_of_an_earlier_larger_run_do_not_stay_behind(run_file, here):
    old = here / "page/cells/7.js"
    old.parent.mkdir(parents=True)
    old.write_text("loaded(7, {})")
    assert main(["report", str(run_file), "--html", "page"]) == 0
    assert not old.exists()


@pytest.mark.parametrize("option", ["--html", "--markdown", "--json", "--junit"])
def test_a_damaged_run_is_refused_by_name_and_nothing_is_written(run_file, here, capsys, option):
    run_file.write_text("".join(run_file.read_text().splitlines(keepends=True)[:-1]))
    assert main(["report", str(run_file), option, "out"]) == 2
    assert "run.jsonl: no footer after 15 cells" in capsys.readouterr().err
    assert not (here / "out").exists()


def test_a_target_that_cannot_be_written_is_one_message(run_file, here, capsys):
    (here / "file").write_text("")
    for option in ("--html", "--json"):
        assert main(["report", str(run_file), option, "file/below"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_schema_of_reports_is_printed(capsys):
    assert main(["schema", "report"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "A report of the gradient conformance harness"


def test_what_the_command_writes_is_as_the_schema_that_it_prints(run_file, here, capsys):
    write(here / "old.jsonl", earlier())
    assert main(["schema", "report"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    for since in ([], ["--since", str(here / "old.jsonl")]):
        assert main(["report", str(run_file), "--json", "r.json", *since]) == 0
        data = json.loads((here / "r.json").read_text())
        jsonschema.validate(data, schema)
        assert ("since" in data) == bool(since)
    data["since"]["now"]["cells"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


def test_it_runs_as_a_command_of_its_own_process(run_file):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from gradient_conformance.harness.cli import main; sys.exit(main())", "report", str(run_file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("5 of 15")


def test_it_says_what_it_wrote_and_how_to_open_it(run_file, here, capsys):
    assert main(["report", str(run_file), "--html", "page", "--json", "r.json"]) == 0
    address = (here / "page" / "index.html").as_uri()
    assert (
        capsys.readouterr().out == f"wrote page/index.html; open it in a browser: {address}\nwrote r.json\n"
    )
    assert main(["report", str(run_file), "--html", "page", "--markdown", "-"]) == 0
    told = capsys.readouterr()
    assert told.err == f"wrote page/index.html; open it in a browser: {address}\n"
    assert "wrote" not in told.out.partition("\n")[0]


def test_a_name_that_ends_in_html_is_one_file_and_another_s_is_not_replaced(run_file, here, capsys):
    assert main(["report", str(run_file), "--html", "page.html"]) == 0
    assert "wrote page.html; open it" in capsys.readouterr().out
    text = (here / "page.html").read_text()
    assert "report.js" not in text.partition("<body>")[0]
    assert "style.css" not in text
    (here / "page.html").write_text("<p>mine")
    assert main(["report", str(run_file), "--html", "page.html"]) == 2
    assert (here / "page.html").read_text() == "<p>mine"
