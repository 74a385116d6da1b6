"""A twin made like the cluster of the recordings, which had no default StorageClass and no default IngressClass."""

from __future__ import annotations

import subprocess

import tools


def furnish(environment: dict[str, str]) -> None:
    """Take away what the twin has beyond the recorded cluster; `environment` holds its KUBECONFIG."""
    command = [tools.kubectl(), "delete", "storageclasses,ingressclasses", "--all"]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=30)
