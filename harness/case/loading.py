"""From a file or a text to a case: its TOML, its structure, and then what `building` makes of it.

The file is data from a stranger: it cannot run code, read outside its root, or ask for more memory or time than the
limits allow. Every mistake is told with line and column, in one CaseError. Loading draws no array, but those of an
exact case, which is small, for the proof that it is.
"""

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import UNSET

from ...reference.formats import DTYPES
from ...reference.names import nearest
from ...reference.optimizers import OPTIMIZERS
from ...reference.program import ProgramError
from ..errors import CaseError
from ..reading import toml
from ..reading.files import read_at_most
from ..reading.locate import Locator
from ..reading.locate import Path as Keys
from ..reading.names import case_name_problem
from ..reading.text import allowed_names, display
from .building import Builder, Origin, prove
from .document import OPTIONS, PHRASES, Document, Expect, Generated, Input, Optimizer, Training
from .limits import MAX_BYTES
from .mistakes import Doubt, EnoughError, Mistake, Mistakes, Places, words_in
from .variant import Case


def load(path: Path, root: Path, *, proven: bool = True) -> Case:
    """The case in the file `path` below the case root `root`. Raises CaseError.

    Without `proven` that an exact case is one isn't shown, which takes long: for who doesn't judge by it.
    """
    path, root = Path(path), Path(root)
    file = display(path)
    name = _name_below(path, root, file)
    return _case(_read(path, file), Origin(name, file, path.parent, root), proven=proven)


def parse(text: str, name: str, *, root: Path | None = None, proven: bool = True) -> Case:
    """The case that a text is, called `name`. Raises CaseError.

    It needs no file. Tensors from a `file` are found where `root` is given, as if the text stood below it.
    """
    folder = Path() if root is None else (root / name).parent
    return _case(text, Origin(name, f"{name}.toml", folder, root), proven=proven)


def document_of(text: str) -> Document:
    """The text as types. Raises Mistake."""
    return structure(read_toml(text))


def _case(text: str, origin: Origin, *, proven: bool) -> Case:
    text, mistakes = text.replace("\r\n", "\n"), Mistakes()
    try:
        case = Builder(document_of(text), text, origin, mistakes).case()
    except (Mistake, ProgramError) as error:
        raise _every_mistake(text, origin, mistakes.of_variant(error)) from None
    try:
        prove([variant for variant in case.variants if variant.exact and proven], mistakes)
    except (Mistake, ProgramError) as error:
        raise Places(origin.file, text).error([mistakes.of_variant(error)]) from None
    return case


def _every_mistake(text: str, origin: Origin, first: Mistake) -> CaseError:
    """All mistakes of a text that has at least this one."""
    found = Mistakes(every=True)
    with suppress(EnoughError):
        _tell_every(text, origin, found)
    every = {mistake.place: mistake for mistake in (first, *found.all())}
    return Places(origin.file, text).error(every.values(), enough=found.enough)


def _tell_every(text: str, origin: Origin, mistakes: Mistakes) -> None:
    try:
        data = read_toml(text)
    except Mistake:
        mistakes.tell_all(_duplicates(Locator(text)))
        return
    document, doubt = sound_part(data, mistakes)
    Builder(document, text, origin, mistakes, doubt).case()


def _name_below(path: Path, root: Path, file: str) -> str:
    """The case's name. Symbolic links are followed before anything is read: none leads out of the root."""
    try:
        below = path.resolve().relative_to(_followed(root.absolute()))
    except ValueError:
        raise CaseError(file, f"the file does not lie below the case root {root}") from None
    except (OSError, RuntimeError) as error:  # links in a circle
        raise CaseError(file, f"cannot be read: {error}") from None
    name = below.with_suffix("").as_posix()
    if problem := case_name_problem(name):
        raise CaseError(file, problem)
    return name


@lru_cache(maxsize=64)
def _followed(root: Path) -> Path:
    """A case root without links: the same for each of its thousands of files."""
    return root.resolve()


def _read(path: Path, file: str) -> str:
    try:
        data = read_at_most(path, MAX_BYTES)
    except OSError as error:
        hint = "; keep large tensors in .npy files" if error.errno == errno.EFBIG else ""
        raise CaseError(file, f"cannot be read: {error.strerror}{hint}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CaseError(file, f"the file is not UTF-8: {error.reason}", line) from None


# TOML


def read_toml(text: str) -> dict[str, Any]:
    """The text as TOML. Raises Mistake."""
    try:
        return toml.loads(text)
    except ValueError as error:
        raise _toml_mistake(text, str(error)) from None


def _toml_mistake(text: str, message: str) -> Mistake:
    """A duplicate key is named with both of its places; every other mistake as tomli says it."""
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if found is None:
        return Mistake(f"cannot be read: {message}", ())
    locator = Locator(text)
    line, column = (int(found[2]), int(found[3])) if found[2] else locator.place(len(text))
    for duplicate in _duplicates(locator):
        if duplicate.within is not None and duplicate.within <= (line, column):
            return duplicate
    return Mistake(f"this is no TOML: {found[1][:1].lower()}{found[1][1:]}", (), within=(line, column))


def _duplicates(locator: Locator) -> Iterator[Mistake]:
    """Every key that stands there twice, but those of a table that does."""
    twice = {duplicate.path for duplicate in locator.duplicates}
    for duplicate in locator.duplicates:
        if not any(duplicate.path[:i] in twice for i in range(len(duplicate.path))):
            first = locator.place(duplicate.first)[0]
            message = f'duplicate key "{duplicate.path[-1]}"; it stands on line {first} already'
            yield Mistake(message, (), within=locator.place(duplicate.second))


# Structure

ALONE = {
    name: msgspec.defstruct(name, [(name, kind)])
    for name, kind in get_type_hints(Document, include_extras=True).items()
}
"""A document of one key alone: which entry of a large table is wrong is found without reading all the rest again."""


def structure(document: Mapping[str, Any]) -> Document:
    """The document as types. Raises Mistake with the path of the first mistake."""
    for key in document:
        if key not in Document.__struct_fields__:
            raise _error(f"Object contains unknown field `{key}`", (), on_key=True)
    try:
        return msgspec.convert(document, Document)
    except msgspec.ValidationError as error:
        message, path = _split(str(error))
        raise _error(message, *_resolve(document, path)) from None


# Structure, of what has mistakes in it

STRUCTS: dict[str, type[msgspec.Struct]] = {
    "tensors": Input, "constants": Input, "cotangents": Generated, "training": Training, "expect": Expect,
}  # fmt: skip
"""Keys whose tables, or whose entries', have keys of their own."""


def sound_part(data: Mapping[str, Any], mistakes: Mistakes) -> tuple[Document, Doubt]:
    """What of the document is right in its structure, and what isn't, each mistake of which is told."""
    doubt, fields = Doubt(), Document.__struct_fields__
    parts: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields:
            mistakes.tell(_error(f"Object contains unknown field `{key}`", (), on_key=True))
            doubt.mentioned |= words_in(value)
        elif (part := _sound_field(key, value, mistakes, doubt)) is not UNSET:
            parts[key] = part
    unknown = [key for key in data if key not in fields]
    for key in ("title", "program", "tensors"):
        if key not in data:
            doubt.keys.add(key)
            if not any(nearest(other, [key]) for other in unknown):
                mistakes.tell(_error(f"Object missing required field `{key}`", (), on_key=False))
    return Document(**{"title": "", "program": "", "tensors": {}, **parts}), doubt


def _sound_field(key: str, value: Any, mistakes: Mistakes, doubt: Doubt) -> Any:
    """The value as types; of a table of entries, those that are right; UNSET where nothing is."""
    with suppress(msgspec.ValidationError):
        return getattr(msgspec.convert({key: value}, ALONE[key]), key)
    kept: Any = UNSET
    if (
        isinstance(value, Mapping)
        and value
        and key in ("tensors", "constants", "sizes", "sweep", "cotangents")
    ):
        kept = {name: _sound_entry(key, name, entry, mistakes, doubt) for name, entry in value.items()}
        kept = {name: entry for name, entry in kept.items() if entry is not UNSET}
    elif isinstance(value, list) and key == "expect":
        entries = [_sound_entry(key, i, entry, mistakes, doubt) for i, entry in enumerate(value)]
        kept = [None if entry is UNSET else entry for entry in entries]
    else:
        mistakes.tell_all(_entry_mistakes(key, (key,), value))
        doubt.keys.add(key)
        doubt.mentioned |= words_in(value)
    return kept


def _sound_entry(key: str, name: str | int, entry: Any, mistakes: Mistakes, doubt: Doubt) -> Any:
    """One entry of a table as types; UNSET where it isn't right."""
    data: Any = {name: entry} if isinstance(name, str) else [entry]
    with suppress(msgspec.ValidationError):
        found = getattr(msgspec.convert({key: data}, ALONE[key]), key)
        return found[name] if isinstance(name, str) else found[0]
    for mistake in _entry_mistakes(key, (key, name), entry):
        mistakes.tell(mistake)
        if mistake.on_key and mistake.path == (
            key,
            name,
        ):  # no name, and nobody knows what is meant by its parts
            doubt.sizes |= words_in(name)
    tables = {
        "tensors": doubt.tensors,
        "constants": doubt.tensors,
        "sizes": doubt.sizes,
        "sweep": doubt.sizes,
    }
    names = tables.get(key, set[str]())
    names.add(str(name))
    doubt.mentioned |= words_in(entry)
    return UNSET


def _entry_mistakes(key: str, path: Keys, value: Any) -> Iterator[Mistake]:
    """What is wrong with a key of the document or an entry below it: each of its own keys alone, or else all together."""
    told = False
    if key in STRUCTS and isinstance(value, Mapping):
        for own in value:
            if (mistake := _own_mistake(STRUCTS[key], own, value[own], path)) is not None:
                told = True
                yield mistake
    if not told:
        data: Any = value if len(path) == 1 else {path[1]: value} if isinstance(path[1], str) else [value]
        try:
            msgspec.convert({key: data}, ALONE[key])
        except msgspec.ValidationError as error:
            message, found = _split(str(error))
            below, on_key = _resolve({key: data}, found)
            yield _error(message, (*path, *below[len(path) :]), on_key)


def _own_mistake(kind: type[msgspec.Struct], own: str, value: Any, path: Keys) -> Mistake | None:
    """What is wrong with one key of a table, whatever its others are."""
    if own not in _alone(kind):
        return _error(f"Object contains unknown field `{own}`", path, on_key=True)
    try:
        msgspec.convert({own: value}, _alone(kind)[own])
    except msgspec.ValidationError as error:
        message, found = _split(str(error))
        below, on_key = _resolve({own: value}, found)
        return _error(message, (*path, *below), on_key)
    return None


@cache
def _alone(kind: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """For each key of a table, a table of it alone."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.encode_name: msgspec.defstruct(
            field.name, [(field.name, hints[field.name], msgspec.field(name=field.encode_name))]
        )
        for field in msgspec.structs.fields(kind)
    }


# msgspec's messages end with a path in which dictionary keys are "...": the document tells which key it was. Only
# those about the document's own keys have none, and a key may be made to look like one: `structure` takes them first.

STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]")


def _split(text: str) -> tuple[str, str]:
    message, separator, path = text.rpartition(" - at ")
    return (message, path) if separator else (text, "")


def _resolve(document: Mapping[str, Any], path: str) -> tuple[Keys, bool]:
    """The path with real keys, and whether the mistake is the key itself."""
    on_key = path.startswith("`key` in ")
    steps = [name or at for name, at in STEP.findall(path)] + ["..."] * on_key
    found: list[str | int] = []
    for step in steps:
        if step == "...":
            found.append(_culprit(document, found, path))
        else:
            found.append(int(step) if step.isdigit() else step)
    return tuple(found), on_key


def _culprit(document: Mapping[str, Any], found: list[str | int], path: str) -> str:
    """Which key of the dictionary at `found` leads to the mistake: the one that is wrong on its own."""
    field = str(found[0])
    table: Mapping[str, Any] = document[field]
    for key, value in table.items():
        try:
            msgspec.convert({field: {key: value}}, ALONE[field])
        except msgspec.ValidationError as error:
            if _split(str(error))[1] == path:
                return key
    return next(iter(table))


def _error(message: str, path: Keys, on_key: bool) -> Mistake:
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        path, on_key = (*path, unknown[1]), True
    return Mistake(_worded(message, path), path, on_key)


def _worded(message: str, path: Keys) -> str:
    """The message of msgspec in the file's own words."""
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return f'unknown key "{unknown[1]}"; {allowed_names(unknown[1], keys_of(path[:-1]))}'
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f'the key "{missing[1]}" is missing'
    subject = _subject(path)
    if pattern := re.fullmatch(r"Expected `str` matching regex '(.*)'", message, re.DOTALL):
        return f"{subject} is not allowed: {PHRASES[_unescaped(pattern[1])]}"
    if wrong := re.fullmatch(r"Expected `(.*?)`, got `(.*)`", message):
        return f"{subject} is {_kind(wrong[2])}, but must be {_kinds(wrong[1])}"
    if enum := re.fullmatch(r"Invalid enum value (.*)", message, re.DOTALL):
        return f'{subject} is "{enum[1][1:-1]}"; {allowed_names(enum[1][1:-1], _choices(path))}'
    if bound := re.fullmatch(r"Expected `(.*?)` (?:of length )?(.*)", message):
        return f"{subject} must be {_kinds(bound[1])} {'of length ' * ('length' in message)}{bound[2]}"
    return f"{subject} {message}"


def _unescaped(pattern: str) -> str:
    return pattern if pattern in PHRASES else pattern.encode().decode("unicode_escape")


def _subject(path: Keys) -> str:
    names = [part for part in path if isinstance(part, str)]
    place = "".join(f"[{part}]" for part in path if isinstance(part, int))
    return (".".join(names) + place) if names else "the file"


KINDS = {
    "int": "an integer", "float": "a number", "str": "a string", "bool": "true or false", "array": "a list",
    "object": "a table", "null": "nothing", "datetime": "a date and time", "date": "a date", "time": "a time",
}  # fmt: skip


def _kind(name: str) -> str:
    return KINDS.get(name, name)


def _kinds(names: str) -> str:
    return " or ".join(_kind(name) for name in names.split(" | "))


def _choices(path: Keys) -> tuple[str, ...]:
    if path[:2] == ("training", "optimizer"):
        return get_args(OPTIMIZERS[str(path[2])].options[str(path[3])].annotation)
    return {"dtype": ("int64", "bool"), "each": ("step",)}.get(str(path[-1]), DTYPES)


def keys_of(path: Keys) -> tuple[str, ...]:
    """The keys that the table at `path` may have."""
    kinds: dict[str, type[msgspec.Struct]] = {
        "tensors": Input, "constants": Input, "cotangents": Generated, "training": Training, "expect": Expect,
    }  # fmt: skip
    if path[:2] == ("training", "optimizer"):
        kind = OPTIONS[str(path[2])] if len(path) > 2 else Optimizer
    else:
        kind = kinds[str(path[0])] if path else Document
    return tuple(kind.__struct_encode_fields__)
