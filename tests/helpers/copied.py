"""A copy of the project, to be edited while it is used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("harness", "reference", "adapters")


class Copied:
    """The project's own code below a folder; Python runs with it in a process each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(ROOT / "gradient_conformance.py", folder)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, *words: str, bytecode: bool = True) -> str:
        """What Python says with these arguments, in this folder."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if not bytecode:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        return done.stdout + done.stderr

    def edit(self, name: str, old: str, new: str) -> None:
        """Another text of the same length and time: Python's own would take the .pyc for it."""
        file = self.folder / name
        before, text = file.stat(), file.read_text()
        assert text.count(old) == 1
        assert len(old) == len(new)
        file.write_text(text.replace(old, new))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
