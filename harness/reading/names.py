"""Names of cases: they stand in cell ids, in commands, in ledgers' patterns and in files' names, and mean nothing there."""

import unicodedata

LONGEST = 200
"""Characters of a case's name."""
SIGNS = "_-.+@=,"
ALLOWED = (
    f"letters and digits of any script, {' '.join(SIGNS)} and single spaces between them, / between folders; each part "
    f"begins with a letter, a digit or _; at most {LONGEST} characters"
)


def case_name_problem(name: str) -> str:
    """What keeps a name from being a case's: its path below the case root, without .toml. Empty where nothing does."""
    if len(name) > LONGEST:
        found = f"{len(name)} characters"
    elif strange := next((c for c in name if not (_is_letter(c) or c in SIGNS or c in " /")), ""):
        found = repr(strange)
    elif "  " in name:
        found = "two spaces in a row"
    else:
        odd = (part for part in name.split("/") if not _is_part(part))
        found = next((f"a part {part!r}" for part in odd), "")
    return found and f"a case's name can't have {found}; allowed are {ALLOWED}; rename the file or its folder"


def _is_part(part: str) -> bool:
    return bool(part) and (_is_letter(part[0]) or part[0] == "_") and not part.endswith(" ")


def _is_letter(character: str) -> bool:
    """A letter, a digit, or what combines with one."""
    return unicodedata.category(character)[0] in "LMN"
