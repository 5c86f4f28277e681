"""How a worker is started by any command that ends in a Python, also where that command is an ssh to another host.

Nothing of ours is there, and neither the environment nor the words of our own arrive by themselves: ssh hands words
to the other host's shell, joined by spaces. What somebody wrote stays as it is, since that shell is what it was
written for; what we put behind it is quoted for each shell that it passes.
"""

import getopt
import shlex
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from .wire import BOOTSTRAP

SSH_OPTIONS = "1246AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:P:p:Q:R:S:W:w:"
"""OpenSSH's own, as its manual lists them: those with a colon take a word."""


def command(argv: Sequence[str], environment: Mapping[str, str], code: str = BOOTSTRAP) -> list[str]:
    """The interpreter `argv` running the worker's bootstrap, or other code, with `environment` set before NumPy is imported."""
    words = ["-c", f"import os; os.environ.update({dict(environment)!r}); {code}"]
    for _ in range(remote_shells(argv)):
        words = [shlex.quote(word) for word in words]
    return [*argv, *words]


def remote_shells(argv: Sequence[str]) -> int:
    """How many shells of other hosts take apart what stands behind `argv`: one for each ssh in it that has a command.

    `docker exec`, `conda run`, `srun` and the like hand words on as they are.
    """
    places = (i for i, word in enumerate(argv) if PurePath(word).stem == "ssh")
    remote = _behind_host(argv[next(places, len(argv)) + 1 :])
    return 1 + remote_shells(remote) if remote else 0


def _behind_host(words: Sequence[str]) -> list[str]:
    """What ssh runs on the host, of the words behind `ssh`: options may stand before the host and behind it."""
    try:
        _, host = getopt.getopt(list(words), SSH_OPTIONS)
        _, remote = getopt.getopt(host[1:], SSH_OPTIONS)
    except getopt.GetoptError:  # none of OpenSSH's, as in `gcloud compute ssh --zone=z host -- python`
        return list(words[-1:])
    return remote
