"""pytest's importlib mode leaves helpers beside a test out."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
