"""The same case, seed and machine give the same lines; another machine's tolerances are the same but for its BLAS."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matrix import lasting

ROOT = Path(__file__).parents[2]
CASES = ("notebooks/two_branches", "notebooks/mlp_bce_logits", "ops/softmax")

EXPECTED = """
import pickle, sys
from pathlib import Path
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.references.variant import VariantReference

root = Path(sys.argv[1])
found = {}
for case in sys.argv[2:]:
    for variant in load(root / f"{case}.toml", root).variants[:4]:
        for key, due in VariantReference(variant).single().items():
            found[case, variant.id, key] = due.value, due.sigma
sys.stdout.buffer.write(pickle.dumps(found))
"""


def expected(**environment):
    """Values and sigmas of some cases, worked out by a process of its own."""
    command = [sys.executable, "-c", EXPECTED, str(ROOT / "cases"), *CASES]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, **environment})
    return pickle.loads(done.stdout)


def test_two_processes_find_the_same_tolerances_bit_for_bit():
    one, two = expected(), expected()
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[k][i], two[k][i]) for k in one for i in (0, 1))


@pytest.mark.parametrize("kernel", ["Nehalem", "Haswell"])
def test_another_processors_blas_moves_a_tolerance_by_far_less_than_it_says(kernel):
    """OpenBLAS can be told to work as on another processor: sums are then taken in another order."""
    one, two = expected(), expected(OPENBLAS_CORETYPE=kernel)
    for key, (value, sigma) in one.items():
        other, other_sigma = two[key]
        assert np.all(np.abs(other_sigma - sigma) <= 1e-3 * sigma), key
        assert np.all(np.abs(other - value) <= 1e-6 * sigma), key


def lines(path, *arguments):
    """A run's cells, as they are whenever it is made."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--record={path}", *arguments]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    found = lasting(path)
    assert found
    return found


@pytest.mark.framework
@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax", "mxnet"])
def test_two_runs_of_a_framework_give_the_same_lines(tmp_path, framework):
    arguments = ["cases/notebooks/two_branches.toml", f"--framework={framework}"]
    one = lines(tmp_path / "one.jsonl", *arguments)
    if any('"verdict": "absent"' in line for line in one):
        assert os.environ.get("HARNESS_REQUIRE") != "all", one[0]
        pytest.skip(f"no interpreter with {framework}")
    assert one == lines(tmp_path / "two.jsonl", *arguments)
