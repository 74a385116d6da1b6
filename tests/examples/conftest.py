"""The examples are applications of their own; their tests import them from their folders."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
for folder in (EXAMPLES / "shop" / "api", EXAMPLES / "greeter", EXAMPLES / "garage" / "backend"):
    sys.path.insert(0, str(folder))
