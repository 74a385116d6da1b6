# ruff: noqa: E501 - tables, and HTML
"""Everything that explains a failure, saved before anything is undone: objects, events, logs, timeline, finding, and one page.

The folder is readable only by its owner, and no secret is in it: Secrets keep their keys and lose their values, everything else is
masked by value.  `objects.yaml` is what `kubectl get -o yaml` would give, so that a diagnosis can read it later.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seatrial.cluster.api import Api, Resource
from seatrial.cluster.client import Client, ClusterError
from seatrial.release.events import Event, Evidence, Redactor, Rollout, Verdict
from seatrial.rules.alive.pods import containers, is_ready
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj, annotations_of, dig, group_of, labels_of, name_of, namespace_of

#: The version of the folder; `seatrial diagnose` reads this one.
VERSION = "seatrial.dev/evidence/v1"
#: What is saved of a namespace besides the objects of the rollout.
KINDS = tuple(
    Resource(group, version, kind, plural, True)
    for group, version, kind, plural in (
        ("", "v1", "Pod", "pods"), ("", "v1", "Event", "events"), ("", "v1", "Service", "services"),
        ("", "v1", "ConfigMap", "configmaps"), ("", "v1", "Secret", "secrets"), ("", "v1", "ServiceAccount", "serviceaccounts"),
        ("", "v1", "ResourceQuota", "resourcequotas"), ("", "v1", "LimitRange", "limitranges"),
        ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"), ("apps", "v1", "Deployment", "deployments"),
        ("apps", "v1", "ReplicaSet", "replicasets"), ("apps", "v1", "StatefulSet", "statefulsets"),
        ("apps", "v1", "DaemonSet", "daemonsets"), ("batch", "v1", "Job", "jobs"), ("batch", "v1", "CronJob", "cronjobs"),
        ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
        ("networking.k8s.io", "v1", "Ingress", "ingresses"), ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
        ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
        ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
        ("argoproj.io", "v1alpha1", "Rollout", "rollouts"), ("argoproj.io", "v1alpha1", "AnalysisRun", "analysisruns"),
    )
)  # fmt: skip
#: Logs are saved of so many containers, each so long; those that are not ready come first.
LOGS, LINES = 40, 500


async def save_evidence(
    client: Client, rollout: Rollout, verdict: Verdict, events: Sequence[Event], *, redactor: Redactor, into: Path
) -> Evidence:
    """See `events.SaveEvidence`. What cannot be read of the cluster, or written on a disk that is full, is left out and named.

    Raises OSError when not even the finding could be written.
    """
    folder = await asyncio.to_thread(_folder, into, rollout.release)
    api = Api(client, patience=5.0)
    objects, missing = await _objects(api, rollout)
    redactor.add(_values(objects))
    logs = await _logs(api, objects)
    files = {
        "finding.json": _json({"version": VERSION, "release": rollout.release, "namespace": rollout.namespace, **_said(verdict)}),
        "timeline.jsonl": "".join(json.dumps(redactor.data(event.as_json())) + "\n" for event in events),
        "objects.yaml": _yaml(redactor.data([_without_values(obj) for obj in objects])),
        **{f"logs/{name}.log": redactor.text(text) for name, text in logs.items()},
        **({"missing.txt": "\n".join(missing) + "\n"} if missing else {}),
    }
    files["finding.json"] = redactor.text(files["finding.json"])
    page = _page(rollout, verdict, events, objects, logs, redactor)
    kept = await asyncio.to_thread(_write, folder, {**files, "index.html": page})
    return Evidence(folder, folder / "index.html" if "index.html" in kept else None)


def _folder(into: Path, release: str) -> Path:
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    stem = f"{release}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    for number in range(1000):
        folder = into / (f"{stem}-{number}" if number else stem)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(17, "there is no name left for the evidence", str(into / stem))


def _write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """The names of what was written: the finding and the page first, for on a disk that is full they matter most.

    A file is there whole or not at all. Raises OSError, and leaves no folder behind, when nothing could be written.
    """
    kept: list[str] = []
    failed: OSError | None = None
    for name in sorted(files, key=lambda name: (name not in ("finding.json", "index.html"), name)):
        try:
            write(folder / name, files[name])
        except OSError as error:
            failed = error
        else:
            kept.append(name)
    if failed is not None and not kept:
        shutil.rmtree(folder, ignore_errors=True)
        raise failed
    return kept


def write(path: Path, text: str) -> None:
    """A new file that only its owner can read; none is left when it cannot be written whole."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", errors="replace") as file:
            file.write(text)
    except OSError:
        path.unlink(missing_ok=True)
        raise


async def _objects(api: Api, rollout: Rollout) -> tuple[list[Obj], list[str]]:
    namespaces = sorted({rollout.namespace, *(namespace_of(obj) for obj in rollout.objects if namespace_of(obj))})
    places = [(resource, namespace) for namespace in namespaces for resource in KINDS]
    answers = await asyncio.gather(*(_list(api, *place) for place in places))
    missing = [answer for answer in answers if isinstance(answer, str)]
    found = [obj for answer in answers if not isinstance(answer, str) for obj in answer]
    # Helm's records hold all values, compressed, where no mask finds them
    return [obj for obj in found if labels_of(obj).get("owner") != "helm" and dig(obj, "type") != "helm.sh/release.v1"], missing


async def _list(api: Api, resource: Resource, namespace: str) -> list[Obj] | str:
    try:
        return await api.list(resource, namespace)
    except ClusterError as error:
        return str(error)


async def _logs(api: Api, objects: Sequence[Obj]) -> dict[str, str]:
    """<pod>.<container>[.previous] -> the end of its log."""
    wanted: list[tuple[Obj, str, bool]] = []
    pods = [obj for obj in objects if obj["kind"] == "Pod"]
    for pod in sorted(pods, key=lambda pod: (is_ready(pod), name_of(pod))):
        for each in containers(pod):
            wanted.append((pod, each.name, False))
            if each.status.get("restartCount"):
                wanted.append((pod, each.name, True))
    texts = await asyncio.gather(*(_log(api, *one) for one in wanted[:LOGS]))
    names = [f"{name_of(pod)}.{container}{'.previous' if previous else ''}" for pod, container, previous in wanted]
    names = [re.sub(r"[^A-Za-z0-9.-]", "_", name) for name in names]  # a name is a path only where the cluster says so
    return {name: text for name, text in zip(names, texts, strict=False) if text}


async def _log(api: Api, pod: Obj, container: str, previous: bool) -> str:
    import httpx2

    params = {"container": container, "tailLines": str(LINES), "previous": str(previous).lower()}
    path = f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/log"
    try:
        answer: Any = await api.client.http.get(path, params=params, timeout=5.0)
    except httpx2.HTTPError:
        return ""
    return str(answer.text) if answer.status_code < 400 else ""


def _values(objects: Sequence[Obj]) -> list[str]:
    """The values of all Secrets, those of the release and those that were there: none may be in a log that is kept."""
    found = []
    for obj in objects:
        for value in (obj.get("data") or {}).values() if obj["kind"] == "Secret" else ():
            try:
                found.append(base64.b64decode(value or "").decode())
            except ValueError:
                found.append(str(value))  # no text: its base64 is what could be seen of it
    return found


def _without_values(obj: Obj) -> Obj:
    """An object as it may be kept: a Secret with its keys only, and nothing of who wrote which field."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if obj["kind"] == "Secret":
        kept = {k: v for k, v in annotations_of(obj).items() if not k.endswith("last-applied-configuration")}
        metadata["annotations"] = kept
        hidden = {field: dict.fromkeys(obj[field], "") for field in ("data", "stringData") if obj.get(field)}
        return {**obj, "metadata": metadata, **hidden}
    return {**obj, "metadata": metadata}


def _said(verdict: Verdict) -> dict[str, Any]:
    findings = [finding.as_json() for finding in verdict.findings]
    return {"state": verdict.state, "reason": verdict.reason, "text": verdict.text, "findings": findings}


def _json(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"


def _yaml(objects: Sequence[Obj]) -> str:
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    return str(yaml.dump(listed, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10_000))


_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
h1{font-size:1.4rem;border-left:.4rem solid #c0392b;padding-left:.7rem}h2{font-size:1.05rem;margin-top:2rem}
pre{background:#f4f6f8;padding:.8rem;overflow:auto;border-radius:.3rem;font-size:13px}table{border-collapse:collapse}
td{padding:.15rem .9rem .15rem 0;vertical-align:top}.src{color:#66788a;font-size:13px}summary{cursor:pointer}"""


def _page(
    rollout: Rollout,
    verdict: Verdict,
    events: Sequence[Event],
    objects: Sequence[Obj],
    logs: Mapping[str, str],
    redactor: Redactor,
) -> str:
    """One file for a browser, with nothing loaded from elsewhere."""

    def shown(text: object) -> str:
        return html.escape(redactor.text(str(text)))

    title = shown(f"{rollout.release} in {rollout.namespace}: {verdict.text}")
    parts = [f"<h1>{title}</h1><p>{shown(verdict.state)}, {shown(verdict.reason)}</p>"]
    parts += [_finding_html(finding, shown) for finding in verdict.findings]
    steps = [event for event in events if event.kind in ("phase", "step", "note", "warning", "hook", "verdict", "finding")]
    rows = "".join(f"<tr><td>{event.time:.1f} s<td>{shown(event.kind)}<td>{shown(_words(event))}" for event in steps)
    parts.append(f"<h2>Timeline</h2><table>{rows}</table>")
    told = sorted(
        (o for o in objects if o["kind"] == "Event" and o.get("type") == "Warning"), key=lambda o: str(o.get("lastTimestamp"))
    )
    rows = "".join(
        f"<tr><td>{shown(o.get('lastTimestamp'))}<td>{shown(dig(o, 'involvedObject.kind'))} {shown(dig(o, 'involvedObject.name'))}"
        f"<td>{shown(o.get('reason'))}: {shown(o.get('message'))}"
        for o in told[-60:]
    )
    parts.append(f"<h2>Warnings of the cluster</h2><table>{rows}</table><h2>Logs</h2>")
    parts += [f"<details><summary>{shown(name)}</summary><pre>{shown(text)}</pre></details>" for name, text in logs.items()]
    parts.append("<h2>Objects</h2>")
    for obj in objects:
        if obj["kind"] not in ("Event", "EndpointSlice"):
            text = shown(_yaml([redactor.data(_without_values(obj))]))
            group = group_of(obj)
            head = f"{obj['kind']}{f'.{group}' if group else ''} {name_of(obj)}"
            parts.append(f"<details><summary>{shown(head)}</summary><pre>{text}</pre></details>")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return head + "\n".join(parts) + "\n"


def _finding_html(finding: Finding, shown: Any) -> str:
    facts = "".join(f"<li>{shown(fact.text)} <span class=src>{shown(fact.source)}</span>" for fact in finding.evidence)
    return (
        f"<h2>{shown(finding.title)}</h2><ul>{facts}</ul><p><b>Why:</b> {shown(finding.cause)}<p><b>Fix:</b> {shown(finding.fix)}"
    )


def _words(event: Event) -> str:
    payload = event.payload
    return str(
        payload.get("text")
        or payload.get("title")
        or " ".join(str(payload[k]) for k in ("phase", "hook", "state") if k in payload)
    )
