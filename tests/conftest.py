"""What all tests share."""

import os

os.environ["HARNESS_CACHE"] = "off"  # nobody's cache is touched, and what a mutant computes is kept nowhere

pytest_plugins = ["pytester"]
