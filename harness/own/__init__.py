"""Somebody's own NumPy code, in the process in which it runs: traced to a case, and its gradients judged."""
