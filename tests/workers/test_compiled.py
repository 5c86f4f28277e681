"""What a framework compiles may be kept from one run to the next; what it answers never is."""

import os
import sys

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.harness.frameworks.found import Framework, framework, shipped_adapters
from gradient_conformance.harness.references import cache
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.wire import Sent, shared_line
from gradient_conformance.harness.workers.worker import Worker
from least import ADAPTER

RUN = {"type": "run", "case": "toys/case", "bindings": {}, "mode": "jit"}
SHARED = {
    "dtype": "float64",
    "program": [{"out": ["y"], "op": "sum_squares", "args": ["x"], "kw": {}}],
    "outputs": ["y"],
    "values": ["y"],
    "gradients": ["x"],
    "probes": {},
    "training": None,
}


def told(tmp_path, compiled, argv=(sys.executable,)):
    """The folder that an adapter is told."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text(ADAPTER)
    worker = Worker(argv)
    try:
        return worker.hello(Framework("mine", adapter, (), source=ADAPTER), compiled)["folder"]
    finally:
        worker.stop()


def test_an_adapter_is_told_the_folder_for_what_is_compiled(tmp_path):
    compiled = cache.for_compilers({"HARNESS_CACHE": str(tmp_path / "cache")}) / "mine"
    assert told(tmp_path, compiled) == str(tmp_path / "cache" / "compiled" / "mine")
    assert compiled.is_dir()
    assert told(tmp_path, None) == "None"


def test_a_folder_that_is_not_where_the_worker_runs_is_not_told(tmp_path):
    (tmp_path / "file").touch()
    assert told(tmp_path, tmp_path / "file" / "mine") == "None"


def test_without_a_cache_there_is_no_folder(tmp_path):
    assert cache.for_compilers({"HARNESS_CACHE": "off"}) is None
    (tmp_path / "cache").write_text("a file in its place")
    assert cache.for_compilers({"HARNESS_CACHE": str(tmp_path / "cache")}) is None


def test_what_was_compiled_is_bounded_like_the_references(tmp_path):
    environ = {"HARNESS_CACHE": str(tmp_path), "HARNESS_CACHE_SIZE": "40K"}
    folder = cache.for_compilers(environ) / "mine"
    folder.mkdir()
    for i in range(20):
        (folder / f"{i}-cache").write_bytes(bytes(4000))
        os.utime(folder / f"{i}-cache", (1_700_000_000 + i, 1_700_000_000 + i))
    cache.for_compilers(environ)
    left = sorted(int(path.name.partition("-")[0]) for path in folder.glob("*-cache"))
    assert left == list(range(20 - len(left), 20))
    assert 0 < len(left) <= 10


X = np.ones(2)
JAX = shipped_adapters() / "jax" / "adapter.py"


def answered(compiled, adapter=JAX, x=X, shared=SHARED):
    """What JAX answers to one request, and the seconds that it compiled."""
    worker = Worker(interpreter("jax"))
    try:
        worker.hello(framework("jax", adapter), compiled)
        sent = [Sent("input", "x", x)]
        asked = Asked({("value", "y"): (), ("gradient", "x"): x.shape})
        worker.send({**RUN, "id": 1}, sent, shared_line(shared, sent), asked)
        frame = worker.receive()
        assert frame.header["type"] == "done"
        return {key: array.tolist() for key, array in frame.arrays().items()}, frame.header["compiling"]
    finally:
        worker.stop()


def kept(folder):
    """What is kept of whole families, by name: content and time."""
    files = (file for file in folder.iterdir() if len(file.name) == 64)
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


@pytest.mark.framework
@pytest.mark.parametrize("own", [False, True], ids=["ours", "own"])
def test_jax_keeps_what_it_compiles_in_the_folder_unless_somebody_has_their_own(tmp_path, monkeypatch, own):
    (tmp_path / "own").mkdir()
    if own:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "own"))
        monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    answered(tmp_path / "compiled")
    assert bool(kept(tmp_path / "compiled")) is not own
    assert any((tmp_path / "own").glob("*-cache")) is own


@pytest.mark.framework
def test_what_calls_lapack_is_loaded_by_a_process_that_has_compiled_nothing_of_it(tmp_path):
    """JAX looks for LAPACK where such a call is lowered: without that it jumps to nowhere."""
    calls = [
        {"out": ["c"], "op": "cholesky", "args": ["x"], "kw": {}},
        {**SHARED["program"][0], "args": ["c"]},
    ]
    shared, matrix = {**SHARED, "program": calls}, np.array([[2.0, 1.0], [1.0, 3.0]])
    first, compiling = answered(tmp_path, x=matrix, shared=shared)
    again, at_once = answered(tmp_path, x=matrix, shared=shared)
    assert first == again
    assert at_once < compiling


@pytest.mark.framework
def test_what_jax_compiled_in_an_earlier_run_is_loaded_and_nothing_is_traced(tmp_path):
    first, compiling = answered(tmp_path)
    before = kept(tmp_path)
    assert compiling > 0
    assert answered(tmp_path) == (first, 0.0)
    assert kept(tmp_path) == before


@pytest.mark.framework
def test_another_adapter_is_asked_anew_and_shares_what_is_the_same_to_jax(tmp_path):
    """An adapter that was changed is never served what its predecessor was asked for."""
    compiled, adapter, source = tmp_path / "compiled", tmp_path / "adapter.py", JAX.read_text()
    first, _ = answered(compiled)
    before = kept(compiled)
    adapter.write_text(f"{source}\n# a remark\n")
    assert answered(compiled, adapter)[0] == first
    assert len(kept(compiled)) == len(before) + 1
    adapter.write_text(source.replace("jnp.sum(optax", "2 * jnp.sum(optax"))
    assert answered(compiled, adapter)[0]["value", "y", None] == 2 * first["value", "y", None]


@pytest.mark.framework
@pytest.mark.parametrize("broken", [b"", b"no such thing", None], ids=["empty", "nonsense", "cut"])
def test_what_is_kept_and_broken_is_compiled_anew(tmp_path, broken):
    first, _ = answered(tmp_path)
    for name, (data, _) in kept(tmp_path).items():
        (tmp_path / name).write_bytes(data[:-9] if broken is None else broken)
    again, compiling = answered(tmp_path)
    assert again == first
    assert compiling > 0
    assert answered(tmp_path) == (first, 0.0)
