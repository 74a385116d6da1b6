"""Helm, always in a child process that can be interrupted: the `helm` on PATH if it is 3.13 or newer, else its SDK from PyPI.

Both are asked the same few things and answer with the same words, so that nobody else needs to know which one ran.
The child of the SDK is `helm_sdk`, a module of this package; it reads one request and prints one answer.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

OLDEST = (3, 13)
#: Seconds that an interrupted Helm gets to write its release down before it is killed.
GRACE = 10.0
#: Seconds that Helm gets to render a chart: a large one takes two.
RENDERING = 60.0


#: prctl(2): the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1

#: What Helm says of a kind that the cluster does not serve.
_KINDS_MISSING = re.compile(r"no matches for kind|ensure CRDs are installed|the server could not find the requested resource")


class HelmError(Exception):
    """What Helm said when it failed, in its own words."""


class HelmMissingError(HelmError):
    """There is neither a usable `helm` nor the SDK."""


@dataclass(frozen=True, slots=True)
class Release:
    name: str
    namespace: str
    revision: int
    status: str  # deployed, failed, pending-upgrade, …
    description: str


@cache
def binary() -> str | None:
    """The path of a `helm` that is new enough, or None."""
    path = shutil.which("helm")
    return path if path and _version(path) >= OLDEST else None


def version() -> tuple[int, int]:
    """Of the Helm that is used: (4, 3). The SDK's is that of Helm 4."""
    path = binary()
    return _version(path) if path else (4, 0)


@cache
def _version(path: str) -> tuple[int, int]:
    command = [path, "version", "--short"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GRACE, errors="replace").stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    found = re.search(r"v(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class Helm:
    """Helm against one cluster. Every call raises HelmError with what Helm said."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """The cluster of a kubeconfig, or of the one that is in use (KUBECONFIG, ~/.kube/config, or the pod we run in)."""
        self.kubeconfig, self.context = kubeconfig, context
        self._child: asyncio.subprocess.Process | None = None
        if binary() is None and importlib.util.find_spec("helm_python") is None:
            raise HelmMissingError(
                "Helm is needed, and none was found.\n"
                "Install helm 3.13 or newer, or the embedded one: pip install 'seatrial[embedded]'"
            )

    @property
    def engine(self) -> str:
        return binary() or "helm-python-sdk"

    async def upgrade(
        self,
        release: str,
        chart: Path,
        namespace: str,
        *,
        values: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout: float = 300,
        description: str = "",
        force_conflicts: bool = False,
    ) -> None:
        """Install the release, or upgrade it; hooks are waited for, other objects are not (watching them is our own work).

        `force_conflicts` takes over the fields that somebody else manages, where Helm applies on the server.
        """
        request = {
            "call": "upgrade",
            "release": release,
            "chart": str(chart),
            "namespace": namespace,
            "values": dict(values or {}),
            "labels": dict(labels or {}),
            "timeout": int(timeout),
            "description": description,
        }
        command = ["upgrade", "--install", release, str(chart), "-n", namespace, "--create-namespace", "--values", "-"]
        command += ["--reset-values"]  # without any, Helm would take those of the revision before
        command += ["--timeout", f"{int(timeout)}s", "--history-max", "10"]
        command += ["--description", description] if description else []
        command += ["--force-conflicts"] if force_conflicts and version() >= (4, 0) else []
        if labels:
            command += ["--labels", ",".join(f"{key}={value}" for key, value in labels.items())]
        await self._call(command, request, stdin=json.dumps(request["values"]))

    async def render(
        self,
        release: str,
        chart: Path,
        namespace: str,
        *,
        values: Mapping[str, Any] | None = None,
        upgrade: bool = False,
        version: str = "",
        api_versions: Sequence[str] = (),
    ) -> str:
        """The YAML of all objects and hooks that a release would have; nothing is changed.

        The cluster is asked for what a template looks up. A chart with kinds that the cluster does not serve is rendered all the
        same, then by what `version` and `api_versions` say of the cluster.
        """
        request: dict[str, Any] = {"call": "render", "release": release, "chart": str(chart), "namespace": namespace}
        request |= {"values": dict(values or {}), "upgrade": upgrade}
        if binary() is None:  # the SDK renders with what the cluster says, whatever kinds it serves
            return await self._call((), request)
        stdin = json.dumps(request["values"])
        command = ["upgrade", "--install", release, str(chart), "-n", namespace, "--values", "-", "--reset-values"]
        try:
            answer = json.loads(await self._call([*command, "--dry-run=server", "-o", "json"], request, stdin))
        except HelmError as error:
            kinds_missing = bool(_KINDS_MISSING.search(str(error)))
            if not kinds_missing and "in progress" not in str(error):  # a pending revision is for others to complain about
                raise
        else:
            return _whole(answer)
        command = ["template", release, str(chart), "-n", namespace, "--values", "-", "--skip-tests", "--include-crds"]
        command += ["--is-upgrade"] if upgrade else []
        command += ["--kube-version", version] if version else []
        command += [part for one in api_versions for part in ("--api-versions", one)]
        command += [] if kinds_missing else ["--dry-run=server"]
        return await self._call(command, request, stdin, connect=not kinds_missing)

    async def template(
        self, release: str, chart: Path, namespace: str, *, values: Mapping[str, Any] | None = None, version: str = ""
    ) -> str:
        """The YAML of all objects and hooks of a chart, without any cluster; `# Source:` lines name their templates."""
        request: dict[str, Any] = {"call": "template", "release": release, "chart": str(chart), "namespace": namespace}
        request |= {"values": dict(values or {})}
        command = ["template", release, str(chart), "-n", namespace, "--values", "-", "--skip-tests", "--include-crds"]
        command += ["--kube-version", version] if version else []
        return await self._call(command, request, json.dumps(request["values"]), connect=False, limit=RENDERING)

    async def pull(self, chart: str, into: Path, version: str = "", *, plain_http: bool = False) -> Path:
        """Fetch a chart (`oci://…`) into a folder; the path of its archive. `version` may be "" for the latest.

        Who may is for Helm: `helm registry login` has said so. `plain_http` is for a registry without TLS.
        """
        request: dict[str, Any] = {"call": "pull", "chart": chart, "into": str(into), "version": version, "namespace": "default"}
        request["plain_http"] = plain_http
        command = ["pull", chart, "--destination", str(into)] + (["--version", version] if version else [])
        command += ["--plain-http"] if plain_http else []
        await self._call(command, request, connect=False)
        found = sorted(into.glob("*.tgz"))
        if not found:
            raise HelmError(f"{chart}: nothing was fetched")
        return found[-1]

    async def rollback(self, release: str, namespace: str, revision: int, *, timeout: float = 300, description: str = "") -> None:
        """Bring an older revision back, as a new one; hooks are waited for, other objects are not.

        `description` is for the history, where Helm is new enough to be told.
        """
        request = {"call": "rollback", "release": release, "namespace": namespace, "revision": revision, "timeout": int(timeout)}
        command = ["rollback", release, str(revision), "-n", namespace, "--timeout", f"{int(timeout)}s", "--history-max", "10"]
        command += ["--force-conflicts"] if version() >= (4, 0) else []
        command += ["--description", description[:250]] if description and binary() and version() >= (4, 3) else []
        await self._call(command, request)

    def kill(self) -> None:
        """End Helm's child at once, whatever it is doing; its release may be left pending."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()

    async def uninstall(self, release: str, namespace: str, *, timeout: float = 120) -> None:
        """Remove the release; a release that is not there is fine."""
        request = {"call": "uninstall", "release": release, "namespace": namespace, "timeout": int(timeout)}
        command = ["uninstall", release, "-n", namespace, "--ignore-not-found", "--timeout", f"{int(timeout)}s"]
        await self._call(command, request)

    async def history(self, release: str, namespace: str) -> list[Release]:
        """The revisions of a release, oldest first; none when there is no such release."""
        request = {"call": "history", "release": release, "namespace": namespace}
        command = ["history", release, "-n", namespace, "-o", "json"]
        try:
            rows = json.loads(await self._call(command, request))
        except HelmError as error:
            if "not found" in str(error):
                return []
            raise
        return sorted((_release(row, release, namespace) for row in rows or ()), key=lambda release: release.revision)

    async def _call(
        self,
        command: Sequence[str],
        request: Mapping[str, Any],
        stdin: str = "",
        *,
        connect: bool = True,
        limit: float | None = None,
    ) -> str:
        """Run Helm's child to its end; interrupted, it is asked to stop first and killed after `GRACE` seconds.

        `limit`: the child changes nothing; it gets so many seconds and is then killed, or at once when interrupted.
        """
        helm = binary()
        if helm:
            arguments = [helm, *command]
            arguments += ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig and connect else []
            arguments += ["--kube-context", self.context] if self.context and connect else []
        else:  # Helm writes the name of its program into the objects, as who manages them; both of ours are `helm`
            arguments = [str(Path(sys.executable).with_name("helm")), "-m", "seatrial.cluster.helm_sdk"]
            kubeconfig = str(self.kubeconfig) if self.kubeconfig else None
            stdin = json.dumps({**request, "kubeconfig": kubeconfig, "context": self.context})
        if sys.platform == "linux":
            _libc()  # loaded here: after a fork, only what is there may be used
        # A session of its own: a Ctrl-C in the terminal is ours to pass on, once, and in order.
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *arguments,
            executable=helm or sys.executable,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            preexec_fn=_with_us if sys.platform == "linux" else None,
            env={**os.environ, "HELM_NO_PLUGINS": "1"},
        )
        self._child = child
        talk = asyncio.ensure_future(child.communicate(stdin.encode()))
        try:
            async with asyncio.timeout(limit):
                out, err = await asyncio.shield(talk)
        except TimeoutError:
            await _stop(child, talk, 0)
            raise HelmError(f"it did not end within {limit:.0f} s") from None
        except asyncio.CancelledError:
            await _stop(child, talk, GRACE if limit is None else 0)
            raise
        if child.returncode:
            raise HelmError(_words(err.decode(errors="replace")) or f"helm ended with exit code {child.returncode}")
        return out.decode()


def _with_us() -> None:
    """In the child, before it is Helm: when we are killed, it is interrupted, and writes its release down as failed.

    One that went on alone would still be applying while a later run, which sees that we are gone, takes the release up.
    """
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None)


async def _stop(child: asyncio.subprocess.Process, talk: asyncio.Future[tuple[bytes, bytes]], grace: float) -> None:
    """End Helm, and what it started; with `grace` seconds to end by itself."""
    if child.returncode is None and grace:
        child.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(asyncio.shield(talk), grace)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # its session is its own
        await talk


def _whole(answer: Mapping[str, Any]) -> str:
    """The objects and the hooks of a release that was tried, as one stream; tests of the chart are none of its objects."""
    hooks = [one["manifest"] for one in answer.get("hooks") or () if set(one.get("events") or ()) != {"test"}]
    return "\n---\n".join([answer.get("manifest") or "", *hooks])


def _words(stderr: str) -> str:
    """What Helm said, without its log decoration: the lines after `Error:`, or all of them."""
    _, found, rest = stderr.partition("Error: ")
    return (rest if found else stderr).strip()


def _release(row: Mapping[str, Any], name: str, namespace: str) -> Release:
    info = row.get("info", row)
    revision = row.get("revision", row.get("version", 0))
    return Release(name, namespace, int(revision), info.get("status", ""), info.get("description", ""))
