"""What a framework compiles may be kept from one run to the next; what it answers never is."""

import os
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.references import cache
from gradient_conformance.harness.workers.worker import Worker

ADAPTER = """
import os
MODES = ("eager",)
OPS, OPTIMIZERS = {}, {}

def setup(threads, seed):
    pass

def about():
    return {"version": "1", "folder": os.environ.get("JAX_COMPILATION_CACHE_DIR", "none")}
"""


def told(tmp_path, local):
    """The folder that a worker finds in its environment."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ADAPTER)
    worker = Worker([sys.executable], local=local)
    try:
        return worker.hello(adapter)["folder"]
    finally:
        worker.stop()


def test_a_worker_is_told_the_folder_for_what_it_compiles(tmp_path):
    local = cache.for_compilers({"HARNESS_CACHE": str(tmp_path / "cache")})
    assert told(tmp_path, local) == str(tmp_path / "cache" / "jax")
    assert told(tmp_path, {}) == "none"


@pytest.mark.parametrize(
    "environ", [{"HARNESS_CACHE": "off"}, {"HARNESS_CACHE": "x", "JAX_COMPILATION_CACHE_DIR": "own"}]
)
def test_without_a_cache_or_with_a_folder_of_ones_own_nothing_is_told(environ):
    assert cache.for_compilers(environ) == {}


def test_a_folder_that_cannot_be_used_is_no_folder(tmp_path):
    (tmp_path / "cache").write_text("a file in its place")
    assert cache.for_compilers({"HARNESS_CACHE": str(tmp_path / "cache")}) == {}


def test_what_was_compiled_is_bounded_like_the_references(tmp_path):
    environ = {"HARNESS_CACHE": str(tmp_path), "HARNESS_CACHE_SIZE": "40K"}
    folder = Path(cache.for_compilers(environ)["JAX_COMPILATION_CACHE_DIR"])
    for i in range(20):
        (folder / f"{i}-cache").write_bytes(bytes(4000))
        os.utime(folder / f"{i}-cache", (1_700_000_000 + i, 1_700_000_000 + i))
    cache.for_compilers(environ)
    left = sorted(int(path.name.partition("-")[0]) for path in folder.glob("*-cache"))
    assert left == list(range(20 - len(left), 20))
    assert 0 < len(left) <= 10
