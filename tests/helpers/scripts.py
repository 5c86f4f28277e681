"""Scripts of a framework, run one after the other in one interpreter of it: to start it takes longer than all of them."""

import json
import os
import subprocess

from client import THREADS, interpreter

RUNS = """
import contextlib, io, json, sys, traceback
for line in sys.stdin:
    out, failure = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(json.loads(line), "script", "exec"), {"__name__": "__main__"})
    except Exception:
        failure = traceback.format_exc()
    print(json.dumps([out.getvalue(), failure]), flush=True)
"""


class Scripts:
    """Each with names of its own. What it prints, and how it ended if it failed."""

    def __init__(self, framework: str) -> None:
        self._process = subprocess.Popen(
            [*interpreter(framework), "-c", RUNS],
            env={**os.environ, **THREADS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self, script: str) -> tuple[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(script) + "\n")
        self._process.stdin.flush()
        printed, failure = json.loads(self._process.stdout.readline())
        return printed, failure

    def close(self) -> None:
        self._process.communicate()
