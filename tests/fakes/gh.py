"""A fake of GitHub's command `gh`: it answers from a folder, and only what the workflow asks.

The folder, named by FAKE_GH, holds `runs.json`, a list of runs as GitHub tells of them with their `jobs`, and
`<run>/<artifact>/`, what each run has uploaded. jq's expressions are worked out by jq itself.
"""

import argparse
import fnmatch
import json
import os
import re
import shutil
import sys
from pathlib import Path

import jq

FOLDER = Path(os.environ["FAKE_GH"])


def tell(found, expression):
    for value in jq.compile(expression).input_value(found):
        print(value if isinstance(value, str) else json.dumps(value))


def runs():
    return json.loads((FOLDER / "runs.json").read_text())


def run_list(options):
    wanted = {"workflow": options.workflow, "branch": options.branch, "event": options.event}
    wanted["status"] = options.status
    found = [run for run in runs() if all(run[key] == value for key, value in wanted.items())]
    found.sort(key=lambda run: -run["databaseId"])
    tell([{key: run[key] for key in options.json.split(",")} for run in found[: options.limit]], options.jq)


def run_view(options):
    run = next(run for run in runs() if run["databaseId"] == options.run)
    tell({key: run[key] for key in options.json.split(",")}, options.jq)


def run_download(options):
    """Into the folder by name; by pattern into a folder for each."""
    uploaded = sorted(path for path in (FOLDER / str(options.run)).glob("*") if path.is_dir())
    if options.name:
        targets = {path: Path(options.dir) for path in uploaded if path.name == options.name}
    else:
        matching = [path for path in uploaded if fnmatch.fnmatch(path.name, options.pattern)]
        targets = {path: Path(options.dir, path.name) for path in matching}
    if not targets:
        sys.exit("no artifact matches any of the names or patterns provided")
    for path, target in targets.items():
        shutil.copytree(path, target, dirs_exist_ok=True)


def api(options):
    run, name = re.fullmatch(
        r"repos/\{owner\}/\{repo\}/actions/runs/(\d+)/artifacts\?name=(.+)", options.path
    ).groups()
    expired = (FOLDER / run / f"{name}.expired").exists()
    here = (FOLDER / run / name).is_dir() or expired
    tell({"artifacts": [{"id": 1, "name": name, "expired": expired}] if here else []}, options.jq)


def parser():
    made = argparse.ArgumentParser(prog="gh", allow_abbrev=False)
    commands = made.add_subparsers(required=True)
    of_run = commands.add_parser("run").add_subparsers(required=True)
    listing = of_run.add_parser("list")
    for name in ("workflow", "branch", "event", "status", "json", "jq"):
        listing.add_argument(f"--{name}", required=True)
    listing.add_argument("--limit", type=int, required=True)
    listing.set_defaults(command=run_list)
    view = of_run.add_parser("view")
    view.add_argument("run", type=int)
    view.add_argument("--json", required=True)
    view.add_argument("--jq", required=True)
    view.set_defaults(command=run_view)
    download = of_run.add_parser("download")
    download.add_argument("run", type=int)
    download.add_argument("--dir", required=True)
    which = download.add_mutually_exclusive_group(required=True)
    which.add_argument("--name")
    which.add_argument("--pattern")
    download.set_defaults(command=run_download)
    asked = commands.add_parser("api")
    asked.add_argument("path")
    asked.add_argument("--jq", required=True)
    asked.set_defaults(command=api)
    return made


if __name__ == "__main__":
    if not (os.environ.get("GH_TOKEN") and os.environ.get("GH_REPO")):
        print("gh: set GH_TOKEN and GH_REPO", file=sys.stderr)
        sys.exit(4)
    given = parser().parse_args()
    given.command(given)
