"""References and tolerances that were worked out before, kept from one run to the next.

An entry is a file, named by the digest of all that its content depends on, and written beside its place and moved
there: several processes need no lock, one that is killed leaves nothing half written, and what breaks costs one entry.
A single-file database would be a little smaller on disk and no faster to read; but locks, a journal and pages that
hold many entries together are so many more ways to fail, and none of them may end a run.

Nothing that is read is believed before its checksum, which covers the name too. What cannot be read or written is
computed anew. No answer of a framework and no verdict is kept here.
"""

import contextlib
import errno
import functools
import hashlib
import importlib
import math
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import platformdirs

from ...reference.rounding import RULES_VERSION
from ..errors import HarnessError
from ..reading import sources
from ..reading.elements import ALIGNMENT, digest, raw
from .row import References

FORMAT = 2
RULES = ("harness/references", "reference")
"""The folders that say what a reference is."""
FOLDER, SIZE = "HARNESS_CACHE", "HARNESS_CACHE_SIZE"
"""The variables that say where the cache is and how large it may grow."""
REFERENCES, COMPILED = "references", "compiled"
SUBFOLDERS = (REFERENCES, COMPILED)
"""What lies in the cache's folder: references, and what frameworks have compiled, a folder each."""
TAG = "CACHEDIR.TAG"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of the gradient conformance harness.\n"
"""The mark of a folder that can be made again (bford.info/cachedir): what has none is not ours to delete."""

BOUND = 2**30
PARTS = 16
"""After each such part of the bound that it writes, a process looks how large the cache has become."""
BLOCK = 4096
HOUR = 3600.0
"""How old the time of last use must be before a read renews it: a read is then rarely also a write."""

Array = np.ndarray[Any, Any]


def folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The cache's folder, whether or not it exists; None where the variable HARNESS_CACHE is empty or "off"."""
    given = environ.get(FOLDER)
    if given is None:
        return platformdirs.user_cache_path("gradient-conformance", appauthor=False)
    return None if given in ("", "off") else Path(given).absolute()


def bound(environ: Mapping[str, str] = os.environ) -> int:
    """How many bytes of references are kept. Raises HarnessError where HARNESS_CACHE_SIZE is no size."""
    given = environ.get(SIZE)
    if given is None:
        return BOUND
    match = re.fullmatch(r"(\d{1,15})([KMGT]?)", given)
    if not match:
        raise HarnessError(
            f"{SIZE}={given}: a size is a number of bytes, or one with K, M, G or T, such as 500M"
        )
    return int(match[1]) << 10 * " KMGT".index(match[2] or " ")


def given(environ: Mapping[str, str] = os.environ) -> "Cache | None":
    """The cache of references that the environment names; None where it is off."""
    root = folder(environ)
    return None if root is None else Cache(root / REFERENCES, bound(environ))


def for_compilers(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder in which frameworks keep what they compile, which is code and no result; None where that is off.

    A framework may bound what it keeps or not, so the folder is trimmed here.
    """
    root = folder(environ)
    if root is None:
        return None
    path = root / COMPILED
    try:
        claim(path)
        trim(path, bound(environ))
    except OSError:  # the references tell what is wrong with the folder
        return None
    return path


def claim(path: Path) -> None:
    """Make a subfolder of the cache, which others may not even read.

    Raises OSError where that cannot be done, where somebody else's files lie there, and what `check_private` raises.
    """
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    for own in (path.parent, path):
        own.mkdir(mode=0o700, exist_ok=True)
    check_private(path)
    names = [entry.name for entry in path.iterdir()]
    if not names:
        (path / TAG).write_text(SIGNATURE)
    elif TAG not in names:
        raise FileExistsError(f"{path} has files in it that are not of a cache ({TAG} is missing)")


def check_private(path: Path) -> None:
    """Raises PermissionError where others than its owner may write to a subfolder of the cache, or to what holds it.

    A checksum has no secret: whoever may write here may say what is right, and what code frameworks have compiled.
    """
    if os.name != "posix":
        return
    for own in (path.parent, path):
        with contextlib.suppress(FileNotFoundError):
            about = own.stat()
            if about.st_mode & 0o022 or about.st_uid not in (0, os.geteuid()):
                mode = f"its owner is {about.st_uid}, its mode {stat.S_IMODE(about.st_mode):o}"
                remedy = f"make it yours alone (chmod go-w), or name another with {FOLDER}"
                raise PermissionError(errno.EPERM, f"others may write to it ({mode}); {remedy}", str(own))


@functools.cache
def rules() -> bytes:
    """Digest of everything but the case that references depend on: our code, and NumPy with what it runs on.

    The rows and the rule are the folder `reference`, and this one applies them: an edit in either makes every entry a
    stranger. All of both is loaded first, so that no edit comes between its name and its use. NumPy's own configuration
    names its BLAS and the instructions it found. Raises OSError where the sources cannot be read.
    """
    for name, _ in (module for folder in RULES for module in sources.modules(folder)):
        importlib.import_module(name)
    numpy = repr((np.__version__, np.show_config(mode="dicts")))
    return digest(str(FORMAT).encode(), RULES_VERSION.encode(), numpy.encode(), sources.loaded(*RULES))


def key_of(rules: bytes, asked: str, arrays: Sequence[tuple[str, Array]]) -> bytes:
    """The name of an entry: by which rules, what is asked, and every array by name, dtype, shape and bytes."""
    specs = repr([(name, a.dtype.str, a.shape) for name, a in arrays])
    return digest(rules, asked.encode(), specs.encode(), *(raw(a) for _, a in arrays))


@dataclass
class Tally:
    """What became of the references of one run."""

    read: int = 0
    computed: int = 0
    damaged: int = 0
    seconds: float = 0.0
    trouble: str = ""

    def add(self, other: "Tally") -> None:
        """Add that of another process."""
        self.read += other.read
        self.computed += other.computed
        self.damaged += other.damaged
        self.seconds += other.seconds
        self.trouble = self.trouble or other.trouble

    def __str__(self) -> str:
        damaged = f", {self.damaged} damaged" if self.damaged else ""
        counted = f"references: {self.read} read, {self.computed} computed ({self.seconds:.1f} s){damaged}"
        return f"{counted}\n{self.trouble}" if self.trouble else counted


class Cache:
    """Entries in one folder. No method raises for what is wrong with the folder: `tally.trouble` says it, once."""

    def __init__(self, path: Path, bound: int = BOUND) -> None:
        self.path, self.bound = path, bound
        self._largest = bound // PARTS
        self.tally = Tally()
        self._lock = threading.Lock()
        self._writes = True
        self._unseen = math.inf
        """Bytes written since the last look at the folder's size."""
        self._rules = b""
        try:
            check_private(path)
            self._rules = rules()
        except OSError as error:
            self._trouble(error)

    def reference(
        self, asked: str, arrays: Sequence[tuple[str, Array]], compute: Callable[[], References]
    ) -> References:
        """What `compute` gives, which depends on nothing but `asked` and these arrays; read where it is kept."""
        if not self._rules:
            return compute()
        key = key_of(self._rules, asked, arrays)
        found = self.get(key)
        if found is not None:
            with self._lock:
                self.tally.read += 1
            return found
        start = time.perf_counter()
        found = compute()
        seconds = time.perf_counter() - start
        with self._lock:
            self.tally.computed += 1
            self.tally.seconds += seconds
        self.put(key, found)
        return found

    def get(self, key: bytes) -> References | None:
        """An entry, verified; None where there is none. A damaged one is removed."""
        path = f"{self.path}/{key.hex()}"
        try:
            data, used = read(path, self._largest)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._trouble(error)
            return None
        found = decode(key, data)
        with contextlib.suppress(OSError):
            if found is None:
                with self._lock:
                    self.tally.damaged += 1
                Path(path).unlink(missing_ok=True)
            elif abs(time.time() - used) > HOUR:
                os.utime(path)
        return found

    def put(self, key: bytes, found: References) -> None:
        """Keep an entry, unless it takes too large a part of the bound."""
        if not self._writes:
            return
        data = encode(key, found)
        size = on_disk(len(data))
        if size > self._largest:
            return
        try:
            with self._lock:
                self._make_room(size)
            try:
                write(self.path / key.hex(), data)
            except FileNotFoundError:  # the cache has just been cleared
                claim(self.path)
                write(self.path / key.hex(), data)
        except OSError as error:
            self._writes = False
            self._trouble(error)

    def _make_room(self, size: int) -> None:
        """Look at the folder at the first entry, and after every part of the bound that this process has written."""
        self._unseen += size
        if self._unseen > self._largest:
            claim(self.path)
            trim(self.path, self.bound - self._largest)
            self._unseen = size

    def _trouble(self, error: OSError) -> None:
        with self._lock:
            said = f"the cache at {self.path} can't be used: {error}; references are computed anew"
            self.tally.trouble = self.tally.trouble or said


def encode(key: bytes, found: References) -> bytes:
    """An entry: its checksum, a line with the names and shapes of the tensors, the rows of value and of sigma.

    The line begins with whether the entry serves every dtype.
    """
    line = msgspec.json.encode((found.alike, [(*name, span.shape) for name, span in found.spans.items()]))
    line += b" " * (-(len(line) + 1) % ALIGNMENT) + b"\n"
    body = b"".join((line, raw(found.value), raw(found.sigma)))
    return digest(key, body) + body


def decode(key: bytes, data: bytes) -> References | None:
    """What `encode` was given; None where a single bit is not as it was, or the entry is another's."""
    size = hashlib.sha256().digest_size
    if digest(key, memoryview(data)[size:]) != data[:size]:
        return None
    try:
        start = data.index(b"\n", size) + 1
        alike, tensors = msgspec.json.decode(
            memoryview(data)[size:start], type=tuple[bool, list[tuple[str, str, tuple[int, ...]]]]
        )
        value, sigma = np.frombuffer(data, offset=start).reshape(2, -1)
        return References({(role, name): shape for role, name, shape in tensors}, value, sigma, alike)
    except (ValueError, msgspec.MsgspecError):  # written by other rules than today's
        return None


def read(path: str, largest: int) -> tuple[bytes, float]:
    """A file's content, and when it was last used; nothing of what no entry is: a pipe, or a file of more bytes.

    Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or on_disk(about.st_size) > largest:
            return b"", about.st_mtime
        return os.read(fd, about.st_size), about.st_mtime  # a part would be found out by its checksum
    finally:
        os.close(fd)


def write(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there: nobody ever sees a part of it. Raises OSError."""
    beside = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with beside.open("xb", buffering=0) as stream:
            written = stream.write(data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(beside))  # noqa: TRY301
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def on_disk(size: int) -> int:
    """The bytes that a file of this size takes."""
    return -(-size // BLOCK) * BLOCK


@dataclass(frozen=True)
class File:
    """A file of the cache: when it was last used, and the bytes it takes."""

    path: Path
    used: float
    size: int


def files(path: Path) -> Iterator[File]:
    """The files of a subfolder, but for its tag; none where it does not exist or is none of ours."""
    if not (path / TAG).is_file():
        return
    for place, _, names in os.walk(path):
        for name in names:
            file = Path(place, name)
            with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                about = file.lstat()
                if file != path / TAG:
                    yield File(file, about.st_mtime, on_disk(about.st_size))


def trim(path: Path, size: int) -> None:
    """Remove what was used longest ago until the rest fits, and what a killed process left half written.

    Times in the future, where the clock was set back, count as being as far in the past.
    """
    now, left = time.time(), 0
    for file in sorted(files(path), key=lambda file: abs(now - file.used)):
        left += file.size
        abandoned = file.path.name.startswith(".") and abs(now - file.used) > HOUR
        if abandoned or left > size:
            file.path.unlink(missing_ok=True)


def clear(root: Path) -> list[File]:
    """Remove every file of ours below the cache's folder, and the subfolders. Raises OSError."""
    removed = []
    for path in (root / name for name in SUBFOLDERS):
        if (path / TAG).is_file():
            for file in list(files(path)):
                file.path.unlink(missing_ok=True)
                removed.append(file)
            (path / TAG).unlink(missing_ok=True)
            for place, _, _ in os.walk(path, topdown=False):
                with contextlib.suppress(OSError):  # a run has just written into it
                    Path(place).rmdir()
    return removed
