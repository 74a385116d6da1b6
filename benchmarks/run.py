"""`make bench`: every benchmark, one after the other, each printing its figures beside a peer's from the same run.

python benchmarks/run.py            all of them
python benchmarks/run.py api        only those whose name holds `api`
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    wanted = sys.argv[1:]
    worst = 0
    for script in sorted(HERE.glob("*.py")):
        if script.name == Path(__file__).name or (wanted and not any(name in script.stem for name in wanted)):
            continue
        print(f"== {script.stem} {'=' * (76 - len(script.stem))}", flush=True)
        worst = max(worst, subprocess.run([sys.executable, str(script)], check=False).returncode)
        print(flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
