"""Records the picture of the README: runs `seatrial up examples/shop` in a terminal and keeps what it shows as an SVG.

python docs/record.py          needs tmux; writes docs/pictures/up.svg
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT, PATIENCE = 100, 30, 90.0
TMUX = ["tmux", "-L", "seatrial-record"]


def tmux(*arguments: str) -> str:
    return subprocess.run([*TMUX, *arguments], check=True, capture_output=True, text=True).stdout


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="seatrial-") as home:
        command = f"SEATRIAL_HOME={home} PATH={Path(sys.executable).parent}:{os.environ['PATH']} PS1='$ ' sh -i"
        tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(ROOT), command)
        try:
            tmux("send-keys", "seatrial up examples/shop", "Enter")
            until("Ctrl-C takes everything down")
            tmux("send-keys", "C-c")
            until("nothing is left behind")
            shown = tmux("capture-pane", "-p", "-e").rstrip().removesuffix("$").rstrip()
        finally:
            tmux("kill-server")
    shown = shown.replace(home, "~/.local/state/seatrial")
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    picture = console.export_svg(title="seatrial up examples/shop")
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # the reader's own fonts will do
    (ROOT / "docs" / "pictures" / "up.svg").write_text(picture)
    print(Text.from_ansi(shown).plain)


def until(text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in tmux("capture-pane", "-p"):
        if time.monotonic() > deadline:
            raise SystemExit(f"{text!r} was not shown:\n{tmux('capture-pane', '-p')}")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
