"""What can't be judged of somebody's own code, in a sentence."""

from ..errors import HarnessError


class OwnError(HarnessError):
    """Code that can't be made a program, or answers that can't be told whose they are."""

    def _render_traceback_(self) -> list[str]:
        """For IPython: the sentence is all that there is to say, our own lines help nobody."""
        return str(self).splitlines()
