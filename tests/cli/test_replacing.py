"""No command overwrites what isn't its own, leaves half a file, or takes an empty path for the working folder."""

import os
import threading

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.reading import replacing
from runs import a_run, write

KINDS = ("markdown", "json", "junit")
PATHS = [
    ["report", ""], ["report", "run.jsonl", "--html", ""], ["report", "run.jsonl", "--json", ""], ["report", "run.jsonl", "--cases", ""],
    ["report", "run.jsonl", "--since", ""], ["rejudge", ""], ["rejudge", "run.jsonl", "--record", ""], ["rejudge", "run.jsonl", "--arrays", ""],
    ["rejudge", "run.jsonl", "--deviations", ""], ["merge", "", "--record", "x"], ["merge", "run.jsonl", "--record", ""], ["diff", "", "run.jsonl"],
    ["deviations", "--propose", ""], ["check", ""], ["check", "--root", ""], ["certify", ""], ["power", "--faults", ""], ["ops", "--adapters", ""],
    ["frameworks", "--adapters", ""], ["explain", "a::float32", "--cases", ""], ["explain", "a::float32", "--subject", ""], ["reproduce", "a::float32", "--write", ""],
    ["adapter", "check", ""],
]  # fmt: skip


@pytest.fixture
def run_file(here):
    return write(here / "run.jsonl", a_run())


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_replaces_a_report_of_its_kind_and_nothing_else(run_file, here, capsys, kind):
    target = here / "target"
    for content in ("", None):  # an empty file, then the report itself
        if content is not None:
            target.write_text(content)
        assert main(["report", str(run_file), f"--{kind}", "target"]) == 0
    others = [other for other in KINDS if other != kind]
    for content in (
        run_file.read_text(),
        "notes of mine\n",
        *(_report(run_file, other, capsys) for other in others),
    ):
        target.write_text(content)
        assert main(["report", str(run_file), f"--{kind}", "target"]) == 2
        assert "target: can't write it: a file of another kind is there" in capsys.readouterr().err
        assert target.read_text() == content


def _report(run_file, kind, capsys):
    capsys.readouterr()
    assert main(["report", str(run_file), f"--{kind}", "-"]) == 0
    return capsys.readouterr().out


def test_the_run_itself_is_no_target(run_file, capsys):
    before = run_file.read_bytes()
    for kind in KINDS:
        assert main(["report", str(run_file), f"--{kind}", str(run_file)]) == 2
    assert run_file.read_bytes() == before
    assert "another kind" in capsys.readouterr().err


def test_a_page_of_somebody_elses_stays(run_file, here, capsys):
    page = here / "page"
    (page / "cells").mkdir(parents=True)
    (page / "cells/mine.js").write_text("mine")
    (page / "cells/7.js").write_text("loaded()")
    (page / "index.html").write_text("<!doctype html><title>mine</title>")
    assert main(["report", str(run_file), "--html", "page"]) == 2
    assert "index.html: can't write it: a file of another kind is there" in capsys.readouterr().err
    assert sorted(path.name for path in page.rglob("*.*")) == ["7.js", "index.html", "mine.js"]
    (page / "index.html").unlink()
    for _ in range(2):
        assert main(["report", str(run_file), "--html", "page"]) == 0
    assert not (page / "cells/7.js").exists()
    assert (page / "cells/mine.js").read_text() == "mine"


def test_a_full_disk_leaves_what_was_there(run_file, here, capsys, monkeypatch):
    def full(self, data):
        self.open("wb").close()
        raise OSError(28, os.strerror(28), str(self))

    assert main(["report", str(run_file), "--json", "r.json"]) == 0
    before = (here / "r.json").read_bytes()
    monkeypatch.setattr(replacing.Path, "write_bytes", full)
    assert main(["report", str(run_file), "--json", "r.json"]) == 2
    assert "can't write it: No space left" in capsys.readouterr().err
    assert (here / "r.json").read_bytes() == before
    assert [path.name for path in here.iterdir() if "unfinished" in path.name] == []


def test_a_pipe_and_a_device_are_written_to_and_a_link_is_kept(run_file, here, capsys):
    os.mkfifo(here / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((here / "pipe").read_text()), daemon=True)
    reader.start()
    assert main(["report", str(run_file), "--json", "pipe"]) == 0
    reader.join(30)
    assert found[0].startswith('{"format":')
    assert main(["report", str(run_file), "--json", os.devnull]) == 0
    (here / "link").symlink_to(here / "led_to")
    assert main(["report", str(run_file), "--json", "link"]) == 0
    assert (here / "link").is_symlink()
    assert (here / "led_to").read_text() == found[0]


@pytest.mark.parametrize("words", PATHS, ids=" ".join)
def test_an_empty_path_is_refused_by_name(run_file, here, capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "is empty; name a file or a folder" in capsys.readouterr().err


def test_names_of_interpreters_and_required_frameworks_are_held_to_those_that_there_are(run_file, capsys):
    for words in (["frameworks"], ["explain", "a::float32"], ["reproduce", "a::float32"]):
        assert main([*words, "--interpreter", "torhc=python"]) == 2
        assert 'did you mean "torch"?' in capsys.readouterr().err
    assert main(["merge", str(run_file), "--record", "m.jsonl", "--require", "torhc"]) == 1
    assert (
        'torhc: missing: no run has a cell that torhc ran; did you mean "torch"?' in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "words",
    [
        *(["report", "run.jsonl", f"--{kind}", "circle"] for kind in (*KINDS, "html")),
        ["report", "circle"], ["merge", "run.jsonl", "--record", "circle"], ["merge", "circle", "--record", "x"],
        ["diff", "circle", "run.jsonl"], ["adapter", "check", "circle"], ["power", "--faults", "circle"], ["check", "circle"],
    ],
)  # fmt: skip
def test_links_in_a_circle_are_told_and_stay(run_file, here, capsys, words):
    (here / "circle").symlink_to("other")
    (here / "other").symlink_to("circle")
    before = sorted(here.iterdir())
    assert main(words) == 2
    assert "circle" in capsys.readouterr().err
    assert sorted(here.iterdir()) == before
    assert (here / "circle").is_symlink()
