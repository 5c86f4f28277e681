"""The harness: plans cells from case files, runs them in frameworks of their own interpreters, judges the answers."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Where `harness`, `reference`, `adapters` and `cases` lie side by side, in a checkout as in an installation."""

try:
    __version__ = version("gradient-conformance-harness")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"
