"""A campaign: `python tests/fuzz/campaign.py --inputs 1000000` fuzzes every target, guided by coverage, and prints a table.

It needs atheris (`pip install atheris`) beside what the harness itself needs. Each target runs in a process of its own, one after the
other, with a limit on memory; a finding's input is kept under --findings and the process goes on with another seed.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.append(str(HERE.parent / "helpers"))  # in the process of a target too
MEMORY_MB = 2048
SLOWER = 5
"""How many times longer an instrumented target may take."""
HANGS = 600
"""Seconds of the clock after which an input counts as one that never ends; a busy machine may stand still for minutes."""
MOST_FINDINGS = 20
"""A target with so many is not fuzzed further: mend these first."""


def fuzz(name: str, arguments: list[str]) -> None:
    """One target under atheris; libFuzzer's own loop never returns."""
    import atheris

    import gradient_conformance  # first, so that atheris comes before its finder of modules

    with atheris.instrument_imports(include=[gradient_conformance.__name__]):
        import targets
    target = targets.TARGETS[name]
    target = replace(target, seconds=target.seconds * SLOWER)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.2:
            return atheris.Mutate(data, most)
        return target.mutated(data, random)[:most]

    atheris.Setup(["campaign", *arguments], target, custom_mutator=mutate)
    atheris.Fuzz()


def run(name: str, inputs: int, seed: int, findings: Path) -> dict[str, object]:
    """Fuzz one target until it has seen so many inputs; what came of it."""
    import targets

    corpus = findings / f"{name}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(targets.TARGETS[name].seeds()):
        (corpus / f"seed{i}").write_bytes(data)
    done, found, best, start = 0, 0, {"cov": 0, "ft": 0}, time.monotonic()
    while done < inputs and found < MOST_FINDINGS:
        flags = [
            f"-runs={inputs - done}",
            f"-seed={seed + found}",
            f"-max_len={targets.MAX_LENGTH}",
            f"-rss_limit_mb={MEMORY_MB}",
        ]
        flags += [
            f"-timeout={HANGS}",
            f"-artifact_prefix={findings / name}-",
            "-print_final_stats=1",
            str(corpus),
        ]
        command = [sys.executable, str(Path(__file__)), "--target", name, *flags]
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment(), check=False
        )
        counted = [int(n) for n in re.findall(r"^#(\d+)\s", ended.stderr, re.MULTILINE)]
        counted += [int(n) for n in re.findall(r"number_of_executed_units: (\d+)", ended.stderr)]
        for key, most in best.items():
            best[key] = max([most, *(int(n) for n in re.findall(rf"\b{key}: (\d+)", ended.stderr))])
        if not counted:
            raise SystemExit(f"{name} did not start:\n{ended.stderr[-2000:]}")
        done += max(counted)
        if ended.returncode:
            found += 1
            (findings / f"{name}-{found}.log").write_text(ended.stdout[-4000:] + ended.stderr[-8000:])
    return {
        "target": name,
        "inputs": done,
        "seconds": round(time.monotonic() - start),
        **best,
        "findings": found,
    }


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{HERE}",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error",
    }


def campaign(inputs: int, seed: int, findings: Path) -> int:
    """The table, a line a target, and the number of findings."""
    import targets

    print(f"python tests/fuzz/campaign.py --inputs {inputs} --seed {seed}")
    versions = ", ".join(f"{name} {version(name)}" for name in ("atheris", "numpy", "msgspec", "packaging"))
    print(f"Python {platform.python_version()}, {versions}; {platform.machine()}, one core\n")
    columns = ["target", "inputs", "seconds", "cov", "ft", "findings"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    total = {"target": "all", "inputs": 0, "seconds": 0, "cov": "", "ft": "", "findings": 0}
    for name, target in targets.TARGETS.items():
        row = run(name, round(inputs * target.share), seed, findings)
        print(f"| {' | '.join(str(row[column]) for column in columns)} |", flush=True)
        for column in ("inputs", "seconds", "findings"):
            total[column] += row[column]
    print(f"| {' | '.join(str(total[column]) for column in columns)} |")
    return total["findings"]


def main() -> int:
    if sys.argv[1:2] == ["--target"]:
        fuzz(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--findings", type=Path, default=Path("reports/fuzz"), help="where corpora and findings are kept"
    )
    given = parser.parse_args()
    given.findings.mkdir(parents=True, exist_ok=True)
    os.nice(10)
    sys.path[:0] = [str(ROOT), str(HERE)]
    return min(1, campaign(given.inputs, given.seed, given.findings))


if __name__ == "__main__":
    sys.exit(main())
