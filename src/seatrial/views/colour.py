"""Whether a stream is shown in colour: a terminal that has not been asked to do without (https://no-color.org)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO


def coloured(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
