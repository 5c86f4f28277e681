"""References and tolerances kept between runs: what is read is what would be computed, or nothing."""

import dataclasses
import errno
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.judging.judge import judge
from gradient_conformance.harness.references import cache
from gradient_conformance.harness.references.cache import (
    HOUR,
    Cache,
    Tally,
    claim,
    decode,
    encode,
    files,
    key_of,
    rules,
)
from gradient_conformance.harness.references.row import References
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference import rounding
from gradient_conformance.reference.rounding import Reference
from matrix import lasting

ROOT = Path(__file__).parents[2]
CASE = """
title = "A layer that is trained"
source = "A test of the harness"
program = '''
z = x @ W * 0.3
a = leaky_relu(z, slope=0.01)
'''
gradients = ["W", "x"]

[tensors]
W = { shape = [3, 2], uniform = [-1, 1] }
x = { shape = [4, 3], uniform = [-1, 1] }
"""
TRAINED = (
    CASE.replace("a = leaky_relu(z, slope=0.01)", "loss = sum(z * z)").replace(
        "uniform = [-1, 1] }\nx", "normal = [0, 1] }\nx"
    )
    + '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["W"]\nsteps = 2\n'
)


@pytest.fixture
def variant(case):
    """The one variant of the case, with some of it replaced."""
    return lambda *changes, text=CASE: case(*changes, text=text).variants[0]


@pytest.fixture
def kept(tmp_path):
    """A cache in a folder of its own, as often as another process would open it."""
    return lambda **options: Cache(tmp_path / "cache" / "references", **options)


def some(value=1.0, shape=(2, 3)):
    """An entry's content."""
    return References.of(
        {
            ("value", "loss"): Reference(np.full((), float(value)), np.full((), 1e-8)),
            ("gradient", "W"): Reference(np.full(shape, float(value)), np.full(shape, 1e-7)),
        }
    )


def key(number=0):
    return key_of(b"", str(number), [])


def bits(found):
    """Everything in it, bit for bit."""
    return [
        (name, a.dtype.str, a.shape, a.tobytes()) for name, e in found.items() for a in (e.value, e.sigma)
    ]


def tallied(one):
    return one.tally.read, one.tally.computed


def training_step(wanted, scale=1.0):
    walk = wanted.walk()
    walk.parameters["W"] = [scale * wanted.inputs["W"]]
    walk.took({"W": np.full((3, 2), 0.5)})
    return References.of({**wanted.at(walk.inputs(), ("loss",), ("W", "x")), **wanted.update(walk)})


# What is read is what would be computed


def test_what_is_read_is_what_is_computed_bit_for_bit(variant, kept):
    alone = VariantReference(variant()).single()
    first, second = kept(), kept()
    for one in (first, second):
        assert bits(VariantReference(variant(), one).single()) == bits(alone)
    assert (tallied(first), tallied(second)) == ((0, 1), (1, 0))


def test_a_training_step_is_read_at_the_same_parameters_and_computed_at_others(variant, kept):
    trained = variant(text=TRAINED)
    alone = training_step(VariantReference(trained))
    assert bits(training_step(VariantReference(trained, kept()))) == bits(alone)
    again = kept()
    assert bits(training_step(VariantReference(trained, again))) == bits(alone)
    assert tallied(again) == (2, 0)
    training_step(VariantReference(trained, again), scale=1 + 2**-52)
    assert tallied(again) == (2, 2)


def test_nan_infinity_zeros_without_elements_and_scalars_keep_their_bits(kept):
    odd, none = np.array([np.nan, -np.inf, -0.0, 5e-324]), np.zeros((0, 3))
    content = {("value", "odd"): Reference(odd, odd), ("value", "none"): Reference(none, none)}
    for entry in (
        References.of({**content, **some(-0.0)}),
        References.of({("value", "y"): Reference(none, none)}),
    ):
        kept().put(key(), entry)
        assert bits(kept().get(key())) == bits(entry)


def test_what_was_not_finite_when_computed_is_not_finite_when_read(variant, kept):
    changed = variant(("leaky_relu(z, slope=0.01)", "exp(z * 1e6)"))
    first, second = kept(), kept()
    for dtype in changed.dtypes:
        computed = VariantReference(changed, first).single(dtype)
        assert bits(VariantReference(changed, second).single(dtype)) == bits(computed)
        assert not np.isfinite(computed["value", "a"].value).all()
    assert (tallied(first), tallied(second)) == ((1, 1), (2, 0))


def test_where_ranges_matter_each_dtype_has_an_entry(variant, kept):
    """A product of numbers about 1e-30 is below float32's normal numbers, and not below float64's."""
    one, small = kept(), variant(("z = x", "z = 1e-30 * x"), ("leaky_relu(z, slope=0.01)", "z * z"))
    narrow, wide = (VariantReference(small, one).single(dtype) for dtype in ("float32", "float64"))
    assert tallied(one) == (1, 2)
    assert not narrow.alike
    assert np.array_equal(narrow.value, wide.value)
    assert wide["value", "a"].sigma.max() < 1e-60
    assert narrow["value", "a"].sigma.max() > 1e-40


def test_another_k_needs_no_other_entry(variant, kept, monkeypatch):
    before = VariantReference(variant(), kept()).single()["value", "a"].tolerance("float32")
    monkeypatch.setattr(rounding, "K", 2 * rounding.K)
    again = kept()
    assert np.array_equal(
        VariantReference(variant(), again).single()["value", "a"].tolerance("float32"), 2 * before
    )
    assert again.tally.computed == 0


def test_no_answer_and_no_verdict_is_kept(variant, kept):
    """The same references, read, and two answers: each is judged for itself."""
    wanted = VariantReference(variant(), kept())
    right = {(role, name, None): e.value.astype("float32") for (role, name), e in wanted.single().items()}
    wrong = {name: -a for name, a in right.items()}
    found = [
        judge(VariantReference(variant(), kept()), "float32", answer).verdict
        for answer in (right, wrong, right)
    ]
    assert found == [Verdict.AGREE, Verdict.DISAGREE, Verdict.AGREE]


# Whatever an answer depends on is in the key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.3", "0.3001"),
        ("0.3", "-0.3"),
        ("slope=0.01", "slope=0.02"),
        ("leaky_relu(z, slope=0.01)", "tanh(z)"),
        ("uniform = [-1, 1] }\nx", "normal = [0, 1] }\nx"),
        ("shape = [4, 3]", "shape = [5, 3]"),
        ('source = "', 'seed = 1\nsource = "'),
        ('gradients = ["W", "x"]', 'gradients = ["W"]'),
        ('gradients = ["W", "x"]', 'gradients = ["W", "x", "z"]'),
        ('gradients = ["W", "x"]', 'gradients = ["W", "x"]\nvalues = ["z"]'),
        ("[tensors]", "[cotangents]\na = { full = 1 }\n[tensors]"),
    ],
)
def test_another_case_is_another_entry(variant, kept, old, new):
    one = kept()
    VariantReference(variant(), one).single()
    VariantReference(variant((old, new)), one).single()
    assert tallied(one) == (0, 2)


@pytest.mark.parametrize(("old", "new"), [("0.3", "0.30"), ("z = x", "\n# a remark\nz = x")])
def test_what_computes_the_same_shares_an_entry(variant, kept, old, new):
    """A literal written in another way, an empty line and a comment."""
    one = kept()
    VariantReference(variant(), one).single()
    VariantReference(variant((old, new)), one).single()
    assert tallied(one) == (1, 1)


def test_another_output_is_another_entry(variant, kept):
    one = kept()
    two = variant(
        ("a = leaky", "b = z * z\na = leaky"),
        ('gradients = ["W", "x"]', 'gradients = ["x"]\nvalues = ["z", "a", "b"]\noutput = "a"'),
    )
    VariantReference(two, one).single()
    VariantReference(dataclasses.replace(two, outputs=("b",)), one).single()
    assert one.tally.computed == 2


@pytest.mark.parametrize("change", [("lr = 0.1", "lr = 0.2"), ("steps = 2", "steps = 3")])
def test_another_optimizer_is_another_entry(variant, kept, change):
    one = kept()
    for changes in ((), (change,)):
        wanted = VariantReference(variant(*changes, text=TRAINED), one)
        walk = wanted.walk()
        walk.took({"W": np.ones((3, 2))})
        wanted.update(walk)
    assert one.tally.computed == 2


def test_an_array_counts_with_its_name_dtype_shape_and_every_bit():
    zeros = np.zeros((2, 3))
    asked = [
        (b"", "a", [("x", zeros)]),
        (b"1", "a", [("x", zeros)]),
        (b"", "b", [("x", zeros)]),
        (b"", "a", [("y", zeros)]),
        (b"", "a", [("x", -zeros)]),
        (b"", "a", [("x", zeros.reshape(3, 2))]),
        (b"", "a", [("x", zeros.astype(np.int64))]),
        (b"", "a", [("x", zeros.astype("float32"))]),
        (b"", "a", [("x", zeros), ("y", zeros)]),
        (b"", "a", [("y", zeros), ("x", zeros)]),
        (b"", "a", [("x", zeros[:1]), ("y", zeros[:1])]),
        (b"", "a", []),
    ]
    assert len({key_of(*one) for one in asked}) == len(asked)
    assert len({cache.digest(b"ab", b"c"), cache.digest(b"a", b"bc"), cache.digest(b"abc")}) == 3


def test_other_libraries_and_other_rules_make_all_entries_strangers(monkeypatch):
    """That an edit of a row does: tests/reading/test_sources.py."""
    seen = [rules.__wrapped__()]
    for owner, name, value in (
        (np, "__version__", "3.0"),
        (np, "show_config", lambda mode: {"SIMD Extensions": {"found": ["ANOTHER"]}}),
        (cache, "RULES_VERSION", "another"),
    ):
        monkeypatch.setattr(owner, name, value)
        seen.append(rules.__wrapped__())
    assert len(set(seen)) == len(seen) == 4


def unreadable():
    raise FileNotFoundError(errno.ENOENT, "No such file", "variant.py")


@pytest.mark.parametrize(("found", "trouble"), [(lambda: b"other rules", ""), (unreadable, "can't be used")])
def test_without_the_same_rules_nothing_is_read(variant, kept, monkeypatch, found, trouble):
    """They are others, or their sources aren't there to be read."""
    VariantReference(variant(), kept()).single()
    monkeypatch.setattr(cache, "rules", found)
    other = kept()
    VariantReference(variant(), other).single()
    assert other.tally.read == 0
    assert trouble in other.tally.trouble


# Nothing is believed that is not as it was written

RIGHT = encode(key(), some())


def summed(body):
    """A body with a good checksum."""
    return cache.digest(key(), body) + body


DAMAGES = {
    "nothing": b"",
    "not an entry": b"not an entry",
    "zeros": bytes(10_000),
    "more than was written": RIGHT + b"\0",
    "another's entry": encode(key(1), some()),
    "no body": summed(b""),
    "a magic alone": summed(b"GCH1"),
    "a list": summed(b"[]"),
    "no arrays": summed(b"{}\n"),
    "too few numbers": summed(RIGHT[32:-8]),
    "too many numbers": summed(RIGHT[32:] + bytes(16)),
    "a header in two lines": summed(RIGHT[32:].replace(b"loss", b"lo\ns")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_not_believed_but_removed_and_written_anew(kept, damage):
    kept().put(key(), some())
    (file,) = files(kept().path)
    assert file.path.read_bytes() == RIGHT == summed(RIGHT[32:])
    file.path.write_bytes(damage)
    second = kept()
    assert second.get(key()) is None
    assert (second.tally.damaged, file.path.exists()) == (1, False)
    assert str(second.tally).endswith(", 1 damaged")
    second.put(key(), some())
    assert bits(kept().get(key())) == bits(some())


def test_every_flipped_byte_and_every_truncation_is_found():
    assert bits(decode(key(), RIGHT)) == bits(some())
    for place in range(len(RIGHT)):
        for bit in (1, 128):
            flipped = bytearray(RIGHT)
            flipped[place] ^= bit
            assert decode(key(), bytes(flipped)) is None
        assert decode(key(), RIGHT[:place]) is None


def sparse(path):
    """A terabyte that takes no disk."""
    os.truncate(path, 2**40)


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("make", [sparse, a_pipe, a_folder])
def test_what_is_no_entry_is_neither_read_nor_waited_for(kept, make):
    kept().put(key(), some())
    (file,) = files(kept().path)
    make(file.path)
    second = kept()
    assert second.get(key()) is None
    assert second.tally.damaged == 1


@pytest.mark.parametrize("subfolder", cache.SUBFOLDERS)
def test_the_cache_is_made_for_its_owner_alone(tmp_path, subfolder):
    umask = os.umask(0)
    try:
        claim(tmp_path / "of a user" / "cache" / subfolder)
    finally:
        os.umask(umask)
    made = [tmp_path / "of a user" / "cache", tmp_path / "of a user" / "cache" / subfolder]
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
@pytest.mark.parametrize("which", ["cache", "cache/references"])
def test_a_cache_that_others_may_write_to_is_refused(kept, mode, which, tmp_path):
    """Whoever may write there could make a wrong gradient green: the checksum has no secret."""
    folder = tmp_path / "cache" / "references"
    first = Cache(folder)
    first.put(key(), some())
    (tmp_path / which).chmod(mode)
    second = Cache(folder)
    assert bits(second.reference("asked", [], some)) == bits(some())
    assert (second.tally.read, second.tally.computed) == (0, 0)
    assert "can't be used" in second.tally.trouble
    assert "others may write to it" in second.tally.trouble
    assert "chmod go-w" in second.tally.trouble


def test_a_cache_of_another_user_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "cache" / "references"
    claim(folder)
    if os.geteuid():
        monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    else:
        os.chown(folder, 12345, -1)
    assert "others may write to it (its owner is" in Cache(folder).tally.trouble


def test_compiled_code_that_others_may_write_is_not_handed_to_a_framework(tmp_path):
    environ = {cache.FOLDER: str(tmp_path / "cache")}
    assert cache.for_compilers(environ) == tmp_path / "cache" / "compiled"
    (tmp_path / "cache" / "compiled").chmod(0o777)
    assert cache.for_compilers(environ) is None


# Several processes


WORKER = """
import random, sys
from pathlib import Path
import numpy as np
from gradient_conformance.harness.references.cache import Cache, key_of
from gradient_conformance.reference.rounding import Reference
from gradient_conformance.harness.references.row import References
folder, seed = Path(sys.argv[1]), sys.argv[2]
random.seed(int(seed))
print("started", flush=True)
while not folder.with_name("enough").exists():
    cache = Cache(folder, 4_000_000)
    for _ in range(100):
        n = random.randrange(40)
        made = lambda: References.of({("value", "y"): Reference(np.full(10 + 500 * n, n / 7), np.full(10 + 500 * n, n / 9))})
        got, want = cache.reference(str(n), [], made)["value", "y"], made()["value", "y"]
        assert got.value.tobytes() == want.value.tobytes() and got.sigma.tobytes() == want.sigma.tobytes()
    assert not cache.tally.trouble and not cache.tally.damaged, cache.tally
"""


def test_processes_that_read_write_trim_and_are_killed_never_see_a_wrong_entry(tmp_path):
    """Three live on while others are killed one after the other, which leaves nothing half-written."""
    folder = tmp_path / "references"

    def started(seed):
        command = [sys.executable, "-c", WORKER, str(folder), str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "started\n"
        return process

    witnesses = [started(seed) for seed in range(3)]
    for seed in range(3, 13):
        killed = started(seed)
        time.sleep(random.uniform(0, 0.2))
        killed.kill()
        assert killed.wait(timeout=10) == -signal.SIGKILL
        killed.stdout.close()
        killed.stderr.close()
    (tmp_path / "enough").touch()
    for witness in witnesses:
        _, told = witness.communicate(timeout=60)
        assert witness.returncode == 0, told
    whole = [file for file in files(folder) if not file.path.name.startswith(".")]
    assert sum(file.size for file in whole) <= 4_000_000 * (1 + 3 / 16)
    for file in whole:
        assert decode(bytes.fromhex(file.path.name), file.path.read_bytes()) is not None


def test_what_a_killed_process_left_is_removed_after_an_hour(kept):
    one = kept()
    one.put(key(), some())
    recent, old, future = (one.path / name for name in (".1", ".2", ".3"))
    for path, age in ((recent, 60), (old, 2 * HOUR), (future, -2 * HOUR)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    kept().put(key(1), some())
    assert [path.exists() for path in (recent, old, future)] == [True, False, False]


def test_threads_share_a_cache(kept):
    one = kept()
    wrong = []

    def work(seed):
        order = random.Random(seed)
        for _ in range(200):
            n = order.randrange(20)
            if bits(one.reference(str(n), [], lambda n=n: some(n))) != bits(some(n)):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, sum(tallied(one)), one.tally.trouble) == ([], 1600, "")


# Bounded

BOUND = 64 * 4096


def filled(one, numbers, age=None):
    """Entries, the first of which was used longest ago, `age` seconds before now."""
    for n in numbers:
        one.put(key(n), some(n))
        if age is not None:
            os.utime(one.path / key(n).hex(), (time.time() - age + n,) * 2)
    return one


def there(one, *numbers):
    return [one.get(key(n)) is not None for n in numbers]


def test_what_was_used_longest_ago_goes_first_and_the_bound_is_held(kept):
    filled(kept(bound=BOUND), range(20), age=10 * HOUR)
    one = kept(bound=BOUND)
    assert there(one, 3) == [True]  # used just now
    for n in range(20, 200):
        one.put(key(n), some(n))
        assert sum(file.size for file in files(one.path)) <= BOUND
    assert sum(file.size for file in files(one.path)) >= BOUND * 3 // 4
    assert there(one, 3, 0, 199) == [False, False, True]


def test_a_recent_use_saves_an_entry(kept):
    filled(kept(bound=BOUND), range(50), age=10 * HOUR)
    other = kept(bound=BOUND)
    other.get(key(0))
    assert there(filled(other, range(50, 80)), 0, 1, 2) == [True, False, False]


def test_where_the_clock_was_set_back_entries_of_the_future_are_not_kept_for_ever(kept):
    filled(kept(bound=BOUND), range(50), age=-1e6)
    other = filled(kept(bound=BOUND), range(50, 150))
    assert not any(there(other, *range(50)))
    assert there(other, 149) == [True]


def test_an_entry_that_would_take_a_large_part_of_the_bound_is_not_kept(kept):
    one = kept(bound=2**20)
    one.put(key(), some(shape=(64, 64)))
    one.put(key(1), some(shape=(60, 60)))
    assert there(one, 0, 1) == [False, True]


def test_a_read_renews_the_time_of_last_use_at_most_once_an_hour(kept):
    one = filled(kept(), [0])
    path = one.path / key().hex()
    for age, renewed in ((HOUR / 2, False), (2 * HOUR, True), (-2 * HOUR, True)):
        before = time.time() - age
        os.utime(path, (before, before))
        assert there(one, 0) == [True]
        assert (abs(path.stat().st_mtime - before) > 1) is renewed


# Places that cannot be used


def somebody_elses(folder):
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("my work")


def below(make):
    """What is made in the folder above, which is there."""

    def place(folder):
        folder.parent.mkdir()
        make(folder)

    return place


PLACES = {
    "nothing below": lambda folder: folder.parent.write_text("a file"),
    "a file": below(lambda folder: folder.write_text("a file")),
    "somebody else's": somebody_elses,
    "a loop": below(lambda folder: folder.symlink_to(folder)),
    "a dangling link": below(lambda folder: folder.symlink_to(folder.parent / "nowhere" / "at all")),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_where_the_place_cannot_be_used_references_are_computed_anew(variant, kept, place):
    """It is said once, and nothing is changed there."""
    one = kept()
    place(one.path)
    before = sorted(one.path.parent.rglob("*")) if one.path.parent.is_dir() else None
    for _ in range(3):
        assert bits(VariantReference(variant(), one).single()) == bits(VariantReference(variant()).single())
    assert tallied(one) == (0, 3)
    assert re.fullmatch(
        r"references: 0 read, 3 computed \(.* s\)\nthe cache at .* can't be used: .*; references are computed anew",
        str(one.tally),
    )
    assert (sorted(one.path.parent.rglob("*")) if one.path.parent.is_dir() else None) == before


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_where_nothing_can_be_written_what_is_there_is_still_read(kept, monkeypatch, number):
    kept().put(key(), some())
    path_open, tried = Path.open, []

    def refusing(path, mode="r", *args, **kwargs):
        if "x" in mode:
            tried.append(path)
            raise OSError(number, os.strerror(number), str(path))
        return path_open(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refusing)
    one = filled(kept(), (1, 2, 3))
    assert os.strerror(number) in one.tally.trouble
    assert bits(one.get(key())) == bits(some())
    assert len(tried) == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
def test_what_cannot_be_read_is_computed(kept, monkeypatch, number):
    kept().put(key(), some())

    def refusing(path, largest):
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(cache, "read", refusing)
    one = kept()
    assert one.get(key()) is None
    assert os.strerror(number) in one.tally.trouble


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from gradient_conformance.harness.references.cache import Cache, claim
from gradient_conformance.reference.rounding import Reference
from gradient_conformance.harness.references.row import References
claim(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
cache = Cache(Path(sys.argv[1]))
for n in range(2):
    cache.reference(str(n), [], lambda: References.of({("value", "y"): Reference(np.ones(1000), np.ones(1000))}))
print(cache.tally)
"""


def test_a_write_that_ends_in_the_middle_leaves_nothing(tmp_path):
    """As when the disk is full: here the process may not write larger files."""
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "references")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("references: 0 read, 2 computed")
    assert "can't be used: [Errno 28] No space left on device" in done.stdout
    assert list(files(tmp_path / "references")) == []


def test_a_cache_that_is_cleared_while_a_run_uses_it_is_used_again(kept):
    one = filled(kept(), [0])
    cache.clear(one.path.parent)
    assert one.get(key()) is None
    one.put(key(1), some())
    assert (bits(one.get(key(1))), one.tally.trouble) == (bits(some()), "")
    assert len(list(files(one.path))) == 1


# Where it is, and the command


def test_the_variable_says_where_and_without_it_the_platform_does(tmp_path, monkeypatch):
    """In these tests nobody's cache is touched."""
    assert cache.folder() is None
    assert cache.given() is None
    for off in ("", "off"):
        assert cache.folder({"HARNESS_CACHE": off}) is None
    monkeypatch.chdir(tmp_path)
    for name in (str(tmp_path / "here"), "here"):
        assert cache.folder({"HARNESS_CACHE": name}) == tmp_path / "here"
    assert cache.folder({}).name == "gradient-conformance"
    assert cache.given({"HARNESS_CACHE": "here"}).path == tmp_path / "here" / "references"


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("4096", 4096), ("500M", 500 * 2**20), ("2G", 2**31)])
def test_the_bound_is_a_number_of_bytes_with_or_without_a_unit(text, size):
    assert cache.bound({"HARNESS_CACHE_SIZE": text}) == size
    assert cache.bound({}) == 2**30


@pytest.mark.parametrize("text", ["", "much", "-1", "1.5G", "1GB", "9" * 20])
def test_a_bound_that_is_no_size_is_refused(text):
    with pytest.raises(HarnessError, match="such as 500M"):
        cache.bound({"HARNESS_CACHE_SIZE": text})


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """`harness cache` on a folder; gives the exit code and what it printed."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def run(*arguments):
        code = main(["cache", *arguments])
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_the_command_shows_place_number_size_bound_and_times(command, kept):
    one = filled(kept(), range(3))
    os.utime(one.path / key(0).hex(), (0, 0))
    code, told = command()
    assert code == 0
    assert told.startswith(
        f"{one.path.parent}\n  references: references with their tolerances: 3 files, 12 KiB of at most 1 GiB"
    )
    oldest, newest = (time.strftime("%Y-%m-%d", time.localtime(t)) for t in (0, time.time()))
    assert re.search(rf"last used between {oldest} \d\d:\d\d and {newest} \d\d:\d\d\n", told)
    assert "compiled: what frameworks have compiled: 0 files, 0 bytes of at most 1 GiB\n" in told


def test_clearing_removes_everything_of_ours_and_nothing_else(command, kept, tmp_path):
    """Of a link that lies there the link, and not what it points to."""
    one = filled(kept(), [0])
    root = one.path.parent
    claim(root / "compiled")
    (root / "compiled" / "deep").mkdir()
    (root / "compiled" / "deep" / "code").write_bytes(bytes(5000))
    (root / "mine").mkdir()
    (root / "mine" / "notes").write_text("mine")
    assert command("--clear") == (0, f"{root}: removed 2 files, 12 KiB\n")
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["mine", "mine/notes"]
    assert command("--clear") == (0, f"{root}: removed 0 files, 0 bytes\n")
    one = filled(kept(), [0])
    (one.path / "link").symlink_to(root / "mine" / "notes")
    (one.path / "dangling").symlink_to(tmp_path / "nowhere")
    command("--clear")
    assert (root / "mine" / "notes").read_text() == "mine"
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*")) == ["mine", "mine/notes"]


def test_folders_that_only_have_our_names_are_not_cleared(command, tmp_path):
    for name in ("references", "compiled"):
        (tmp_path / "cache" / name).mkdir(parents=True)
        (tmp_path / "cache" / name / "thesis.bib").write_text("mine")
    assert command("--clear")[1].endswith("removed 0 files, 0 bytes\n")
    assert "references with their tolerances: 0 files" in command()[1]
    assert len(list((tmp_path / "cache").rglob("thesis.bib"))) == 2


def test_the_command_says_that_the_cache_is_off(command, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", "off")
    for arguments in ((), ("--clear",)):
        assert command(*arguments) == (0, "the cache is off: HARNESS_CACHE is empty or off\n")


def test_mistakes_are_one_message(command, monkeypatch, tmp_path):
    assert command()[0] == 0  # nothing there yet
    (tmp_path / "cache").write_text("a file")
    assert command()[0] == 0
    monkeypatch.setenv("HARNESS_CACHE_SIZE", "much")
    told = "HARNESS_CACHE_SIZE=much: a size is a number of bytes, or one with K, M, G or T, such as 500M\n"
    assert command() == (2, told)


# Under pytest


@pytest.fixture
def cached(matrix, tmp_path, monkeypatch):
    """Fakes over the tiny case, of three variants, with a cache."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return matrix


def test_a_second_run_reads_what_the_first_has_computed_and_judges_anew(cached):
    """The processes of xdist add up."""
    first = cached.run("faultless", "forgets")
    first.stdout.fnmatch_lines(["run file: *", "references: 0 read, 3 computed (* s)"])
    lines = lasting(cached.record)
    again = cached.run("faultless", "forgets")
    again.stdout.fnmatch_lines(["references: 3 read, 0 computed (0.0 s)"])
    assert lasting(cached.record) == lines
    assert again.parseoutcomes() == first.parseoutcomes()
    other = cached.run("negates")
    other.stdout.fnmatch_lines(["references: * read, * computed (* s)"])
    other.assert_outcomes(failed=6)
    spread = cached.run("faultless", "prints", more=["-n2"])
    spread.stdout.fnmatch_lines(["references: 6 read, 0 computed (0.0 s)"])


def test_without_the_cache_nothing_is_read_or_kept_or_said(cached, tmp_path):
    outcome = cached.run("faultless", more=["--no-cache"])
    outcome.stdout.no_fnmatch_line("references: *")
    assert not (tmp_path / "cache").exists()
    lines = lasting(cached.record)
    cached.run("faultless")
    assert lasting(cached.record) == lines


@pytest.mark.parametrize("more", [(), ("-n2",)])
def test_a_cache_that_cannot_be_used_is_one_line_and_the_run_goes_on(cached, tmp_path, more):
    (tmp_path / "cache").write_text("a file")
    outcome = cached.run("faultless", "prints", more=more)
    outcome.assert_outcomes(passed=12)
    (told,) = [line for line in outcome.outlines + outcome.errlines if "can't be used" in line]
    assert told.endswith("; references are computed anew")


def test_a_wrong_size_is_a_usage_error(cached, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE_SIZE", "much")
    outcome = cached.run("faultless")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(["*HARNESS_CACHE_SIZE=much: a size is*"])


def test_an_entry_is_read_and_verified_in_little_more_than_the_time_of_its_checksum(kept):
    """In time of the processor, the best of many, beside what the checksum alone takes on the same machine."""
    arrays = [("x", np.ones((64, 64)))]
    content = References.of(
        {("gradient", name): Reference(np.ones((32, 32)), np.ones((32, 32))) for name in "abcdefgh"}
    )
    one = kept()
    one.reference("asked", arrays, lambda: content)
    hashed = bytes(arrays[0][1].nbytes + content.value.nbytes + content.sigma.nbytes)
    read, checksum = [], []
    for _ in range(100):
        start = time.thread_time()
        one.reference("asked", arrays, dict)
        between = time.thread_time()
        hashlib.sha256(hashed).digest()
        read.append(between - start)
        checksum.append(time.thread_time() - between)
    assert one.tally == Tally(read=100, computed=1, seconds=one.tally.seconds)
    assert min(read) < 1.7 * min(checksum)
