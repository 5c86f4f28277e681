"""The least that is an adapter: it starts and tells of itself."""

ADAPTER = """
import worker
MODES = ("eager",)
OPS = {}
setup = differentiate = lambda one, other: None
to_native = to_numpy = lambda array: array

def about():
    return {"framework": "mine", "version": "1", "folder": str(worker.COMPILED)}
"""
