"""The importable name of this project: `gradient_conformance.harness`, `gradient_conformance.reference`.

Both folders are called as people call their own, so neither can be imported by its bare name. They are found below
this one: in an installation in the folder beside this file, in a checkout where they lie.
"""

from pathlib import Path

_installed = Path(__file__).with_suffix("")
__path__ = [str(_installed if _installed.is_dir() else _installed.parent)]
