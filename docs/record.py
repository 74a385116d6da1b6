"""Records the pictures of the README: runs commands in a terminal and keeps what it shows as an SVG.

python docs/record.py [up|release]     needs tmux; writes docs/pictures/up.svg and docs/pictures/release.svg
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
WIDTH, PATIENCE = 100, 90.0
TMUX = ["tmux", "-L", "seatrial-record"]


def tmux(*arguments: str) -> str:
    return subprocess.run([*TMUX, *arguments], check=True, capture_output=True, text=True).stdout


#: picture -> its title, its lines, what is typed before it is looked at, and the commands in it, each with the words that end it.
SCENES: dict[str, tuple[str, int, str, tuple[tuple[str, str], ...]]] = {
    "up": (
        "seatrial up examples/shop",
        30,
        "",
        (("seatrial up examples/shop", "Ctrl-C takes everything down"), ("C-c", "nothing is left behind")),
    ),
    "release": (
        "seatrial release examples/greeter",
        74,
        "seatrial twin start --simulate --nodes 2 --detach >/dev/null && export KUBECONFIG=$(seatrial twin kubeconfig); clear",
        (
            ("seatrial release examples/greeter -e dev --yes", "--release-name greeter\n$"),
            ("seatrial release examples/greeter -e dev --yes --set services.greeter.resources.limits.memory=2Gi", "exit code 10"),
        ),
    ),
}


def main() -> None:
    for name in sys.argv[1:] or SCENES:
        record(name)


def record(name: str) -> None:
    title, height, before, commands = SCENES[name]
    with tempfile.TemporaryDirectory(prefix="seatrial-") as home:
        tools = f"{Path(sys.executable).parent}:{ROOT / '.cache' / 'tools'}"
        command = f"SEATRIAL_HOME={home} PATH={tools}:{os.environ['PATH']} PS1='$ ' sh -i"
        tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(height), "-c", str(ROOT), command)
        try:
            if before:
                tmux("send-keys", f"{before}; echo be''gin", "Enter")
                until("begin")
                tmux("send-keys", "clear", "Enter")
                time.sleep(0.5)
            for typed, ends in commands:
                tmux("send-keys", *([typed] if typed == "C-c" else [typed, "Enter"]))
                until(ends)
            shown = tmux("capture-pane", "-p", "-e").rstrip().removesuffix("$").rstrip()
            if before:
                tmux("send-keys", "clear; seatrial twin stop; echo e''nd", "Enter")
                until("end")
        finally:
            tmux("kill-server")
    shown = shown.replace(home, "~/.local/state/seatrial")
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    picture = console.export_svg(title=title)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # the reader's own fonts will do
    (ROOT / "docs" / "pictures" / f"{name}.svg").write_text(picture)
    print(Text.from_ansi(shown).plain)


def until(text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in tmux("capture-pane", "-p"):
        if time.monotonic() > deadline:
            raise SystemExit(f"{text!r} was not shown:\n{tmux('capture-pane', '-p')}")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
