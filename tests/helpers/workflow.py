"""Runs the jobs of a workflow file on this machine: its own shell steps, as they stand, in a fresh copy.

Of GitHub's runner it has the order of steps, `if`, `env`, the outcome of steps and the files that steps write to. Of
the actions it knows three: checkout and setup-python, which are done before, and upload-artifact, which copies to
where the fake `gh` finds it. Anything else is an error.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

DONE_BEFORE = ("actions/checkout", "actions/setup-python")
PASSED = re.compile(r"HOME|LANG|TMPDIR|PIP_.*|.*CERT.*|SSL_.*|.*_PROXY|.*_proxy")
"""Variables of this machine that a step sees: how pip reaches its index, and nothing of the tests' own environment."""


class Context(dict):
    """`steps.merge.outcome`: what isn't there is empty, as on GitHub."""

    def __getattr__(self, name):
        value = self.get(name, "")
        return Context(value) if isinstance(value, dict) else value


def evaluate(expression, contexts):
    """GitHub's expressions, as far as the workflow uses them: comparisons, && || !, contexts and functions."""
    python = expression.replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", " not ", python).strip()
    return eval(python, {"__builtins__": {}}, contexts)


def filled(value, contexts):
    """A value with its `${{ }}` worked out."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: str(evaluate(m[1], contexts) or ""), str(value))


@dataclass
class Result:
    """What became of a job."""

    outcome: str = "success"
    steps: dict = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class Runner:
    """A machine of GitHub's: a folder for everything, a Python, a `gh` that is a fake."""

    workflow: dict
    folder: Path
    python: Path
    checkout: object
    """Makes a fresh copy in a folder."""
    installed: set = field(default_factory=set)
    """Steps `python -m pip install` that this machine has done, of which releases: they are not done again for each job."""

    @property
    def work(self):
        return self.folder / "work"

    @property
    def uploads(self):
        return self.folder / "github"

    def run(self, job, run_id, github=(), matrix=(), needs=()):
        """Run one job of a run. `matrix`: its values; `needs`: results of other jobs."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.checkout(self.work)
        result, steps = Result(), Context()
        summary = self.folder / "summary.md"
        summary.write_text("")
        contexts = {
            "github": Context({"event_name": "push", "token": "a-token", "repository": "owner/repo"}, **dict(github)),
            "matrix": Context(self._included(job, dict(matrix))),
            "needs": Context({name: {"result": outcome} for name, outcome in dict(needs).items()}),
            "inputs": Context(),
            "steps": steps,
            "cancelled": lambda: False,
            "hashFiles": lambda pattern: "a-hash" if list(self.work.glob(pattern)) else "",
        }  # fmt: skip
        workflow_env = self._env(self.workflow.get("env", {}), contexts)
        env = {**workflow_env, **self._env(self.workflow["jobs"][job].get("env", {}), contexts)}
        contexts["env"] = Context(env)
        env |= {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_RUN_ID": str(run_id), "GITHUB_ACTIONS": "true"}
        for step in self.workflow["jobs"][job]["steps"]:
            name = step.get("name", step.get("uses"))
            outcome = "skipped"
            if self._wanted(step, contexts, result):
                outcome = self._step(step, name, env, contexts, run_id, result)
            result.steps[name] = outcome
            if "id" in step:
                steps[step["id"]] = {"outcome": outcome}
            if outcome == "failure":
                result.outcome = "failure"
        result.summary = summary.read_text()
        return result

    def _included(self, job, values):
        include = self.workflow["jobs"][job].get("strategy", {}).get("matrix", {}).get("include", [])
        for more in include:
            if all(values.get(key, value) == value for key, value in more.items()):
                values |= more
        return values

    def _env(self, given, contexts):
        return {key: filled(value, contexts) for key, value in given.items()}

    def _wanted(self, step, contexts, result):
        condition = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", str(step.get("if", "")).strip())
        if "cancelled()" not in condition and result.outcome != "success":
            return False
        return not condition or bool(evaluate(condition, contexts))

    def _step(self, step, name, env, contexts, run_id, result):
        if "run" in step:
            known = (step["run"], env["RELEASES"])
            if known in self.installed:
                return "success"
            done = self._shell(step["run"], {**env, **self._env(step.get("env", {}), contexts)})
            result.log += f"== {name}\n{done.stdout}\n"
            if done.returncode == 0 and step["run"].startswith("python -m pip install "):
                self.installed.add(known)
            return "success" if done.returncode == 0 else "failure"
        action = step["uses"].partition("@")[0]
        if action == "actions/upload-artifact":
            self._upload(filled(step["with"]["name"], contexts), step["with"]["path"], run_id)
        elif action not in DONE_BEFORE:
            raise NotImplementedError(f"{name}: the test doesn't know {action}")
        return "success"

    def _shell(self, script, env):
        """As GitHub runs `shell: bash`. PyTorch's own index is left out: no framework is installed in the tests."""
        own = {key: value for key, value in os.environ.items() if PASSED.fullmatch(key)}
        env = {key: value for key, value in env.items() if key != "PIP_EXTRA_INDEX_URL"}
        path = os.pathsep.join(map(str, (self.folder / "bin", self.python.parent, os.environ["PATH"])))
        own |= {"PATH": path, "FAKE_GH": str(self.uploads), "TOX_WORK_DIR": str(self.folder / "tox")}
        (self.folder / "step.sh").write_text(script)
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(self.folder / "step.sh")],
            cwd=self.work, env={**own, **env}, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _upload(self, name, path, run_id):
        """A folder's content, or a file: nothing there is a warning only, as the action has it."""
        source, target = self.work / path, self.uploads / str(run_id) / name
        shutil.rmtree(target, ignore_errors=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.is_file():
            target.mkdir(parents=True)
            shutil.copy(source, target)

    def tell(self, runs):
        """What GitHub tells of its runs."""
        self.uploads.mkdir(exist_ok=True)
        (self.uploads / "runs.json").write_text(json.dumps(runs))


def runner(workflow, folder, checkout):
    """A new machine: a virtual environment for what steps install, and the fake `gh` on its PATH."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "python")], check=True)
    (folder / "bin").mkdir()
    fake = Path(__file__).parents[1] / "fakes" / "gh.py"
    (folder / "bin" / "gh").write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(fake)])} "$@"\n')
    (folder / "bin" / "gh").chmod(0o755)
    return Runner(workflow, folder, folder / "python" / "bin" / "python", checkout)


def load(path):
    """A workflow file; YAML 1.1 takes its key `on` for a boolean."""
    found = yaml.safe_load(path.read_text())
    found["on"] = found.pop(True)
    return found
