"""Removes folders for good, whatever modes a container gave to what it put there.  Links are removed, never followed."""

from __future__ import annotations

import os
import stat


def remove(path: str) -> None:
    """Remove a file or a folder with everything in it; what is not there is no error, what cannot be removed stays."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            _remove_folder(path)
        else:
            os.unlink(path)
    except OSError:
        return


def _remove_folder(path: str) -> None:
    os.chmod(path, 0o700)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_folder(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)
