"""Case files that cost next to nothing to load, to answer and to judge, for what is counted in cells.

They are exact, so that their references need no perturbed runs: what grows is the harness.
"""

from pathlib import Path

VARIANTS, DTYPES = 5, 2
CELLS_PER_FILE = VARIANTS * DTYPES
CASE = """
exact = true
program = "loss = sum(c * x * w)"

[tensors]
x = { shape = [2, 2], choice = [1, 2, 3] }
w = { shape = [2, 2], choice = [-1, 2] }

[sweep]
c = [1, 2, 3, 4, 5]
"""


def write(root: Path, cells: int) -> None:
    """A folder with a case root of so many cells for each framework (whole files), and pytest's ini file."""
    for number in range(-(-cells // CELLS_PER_FILE)):
        path = root / "cases" / f"theme_{number % 20}" / f"case_{number}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f'title = "Case {number}"\nsource = "benchmarks"\nseed = {number}'
        path.write_text(head + CASE, encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\nharness_cases = cases\n", encoding="utf-8")
