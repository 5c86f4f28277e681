"""How pytest-xdist spreads the matrix: all cells of a framework to one worker process.

xdist's own `loadgroup` does not group under pytest 9.2 and later (pytest-xdist issue 1386), hence by node id.
"""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from ..run.ids import framework_in


class FrameworkScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """One unit of work for each framework; every other test is a unit of its own."""

    def _split_scope(self, nodeid: str) -> str:
        return framework_in(nodeid) or nodeid
