"""Where there is no POSIX system the plugin breaks nobody's pytest, and what runs no cell works.

Python is made to look as on Windows as far as anything of ours could ask: `os.name`, and without the modules,
functions and signals that Windows does not have.
"""

import os
import subprocess
import sys

import pytest
from runs import a_run, write

WINDOWS = """
import os, pathlib, select, signal, subprocess, sys

import _pytest.config, platformdirs, rich.console  # what others ask of the system they have asked

for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for module, names in (
    (os, "fork forkpty getpgid getpgrp getuid killpg mkfifo O_NONBLOCK readv register_at_fork set_blocking setsid writev"),
    (select, "epoll poll POLLIN POLLOUT"),
    (signal, "SIGALRM SIGHUP SIGKILL SIGUSR1 alarm"),
):
    for name in names.split():
        delattr(module, name)
(getattr(pathlib, "_local", pathlib)).WindowsPath = pathlib.PosixPath
os.name = "nt"
"""


@pytest.fixture
def on_windows(tmp_path):
    """Runs Python code as on Windows, in a folder with a case file and a test of somebody else's."""
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "case.toml").write_text(
        'title = "t"\nsource = "s"\nprogram = "y = exp(x)"\n[tensors]\nx = { shape = [2], uniform = [0, 1] }\n'
    )
    (tmp_path / "test_theirs.py").write_text("def test_theirs(): pass\n")

    def run(code):
        argv, env = (
            [sys.executable, "-c", WINDOWS + code],
            {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )
        return subprocess.run(
            argv, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
        )

    return run


def harness(*words):
    return f"from gradient_conformance.harness.cli import main; sys.exit(main({list(words)!r}))"


def pytest_main(*words):
    return f"sys.exit(_pytest.config.main({['-p', 'gradient_conformance.harness.plugin.hooks', *words]!r}))"


def test_somebody_elses_tests_run(on_windows):
    done = on_windows(pytest_main("-q", "test_theirs.py"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "1 passed" in done.stdout


def test_cells_are_collected_but_running_them_needs_another_system_which_one_message_says(on_windows):
    done = on_windows(pytest_main("--collect-only", "-q", "--cases=cases"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cases/case.toml::float32-" in done.stdout
    done = on_windows(pytest_main("--cases=cases"))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.startswith("ERROR: running cells needs a POSIX system (Linux, macOS)")
    assert "run this in WSL" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_cell_is_not_explained_but_said_to_need_another_system(on_windows):
    done = on_windows(
        harness(
            "explain", "case::float32-test_theirs-eager", "--cases", "cases", "--subject", "test_theirs.py"
        )
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("running cells needs a POSIX system")


def test_commands_that_run_no_cell_work(on_windows, tmp_path):
    done = on_windows(harness("check", "cases"))
    assert done.stdout == "1 case file, 2 cells a framework, 0 files with mistakes\n", done.stderr
    write(tmp_path / "run.jsonl", a_run())
    done = on_windows(harness("report", "run.jsonl", "--html", "page"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page" / "index.html").exists()
    done = on_windows(harness("merge", "run.jsonl", "--record", "merged.jsonl"))
    assert done.stdout.startswith("1 run, 15 cells of "), done.stderr
    done = on_windows(harness("frameworks"))
    assert "modes: eager" in done.stdout, done.stderr


def test_the_reference_works(on_windows):
    code = """
from gradient_conformance.reference import backprop, parse
print(backprop(parse("y = sum(x * x)"), {"x": [1.0, 2.0]})[1]["x"])
"""
    assert on_windows(code).stdout == "[2. 4.]\n"
