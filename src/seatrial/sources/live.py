"""A cluster, or a namespace of it, as a world: every kind that a diagnosis reads, asked for all at once.

What may not be read is a problem with the cluster's own words, and the rest is read.  Of Secrets only the keys stay (and
certificates, which are public): no value can get into a finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from seatrial.cluster.api import SECRETS, Api, Refused, Resource, Served
from seatrial.cluster.client import Client, ClusterError
from seatrial.sources.loaded import Input, Loaded
from seatrial.world.graph.kinds import GROUPS
from seatrial.world.load import Problem
from seatrial.world.objects import Obj, Ref, annotations_of, ref_of
from seatrial.world.world import LogKey, World

#: Kinds that are known and not asked for: many, large, or of no use to anybody who looks for a fault.
LEFT_OUT = frozenset(
    {"ControllerRevision", "Lease", "CertificateSigningRequest", "PodTemplate", "CSINode", "CSIDriver", "VolumeAttachment"}
    | {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Endpoints", "ReplicationController", "ReferenceGrant"}
)
#: Kinds that several groups have.
MORE = (
    ("networking.istio.io", "Gateway"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("postgresql.cnpg.io", "Cluster"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
)
#: The type of the Secrets in which Helm keeps its releases.
RELEASE = "helm.sh/release.v1"
#: Keys of Secrets whose values are no secrets.
PUBLIC = frozenset({"tls.crt", "ca.crt"})
#: Seconds that a cluster gets to answer; logs are read of so many containers that are not well and of so many that seem to be,
#: each so many lines.
PATIENCE, LOGS, WELL, LINES = 5.0, 40, 40, 200


async def live(
    client: Client, namespaces: Sequence[str] = (), *, logs: int = LOGS, secret: Callable[[Obj], None] = lambda _: None
) -> Loaded:
    """The world of a cluster: of some namespaces with what is outside of any, or of all where none is named.

    `secret` sees each Secret before its values are dropped, so that they can be masked in what containers print.
    `facts` of the world hold `version` (the server's) and `kinds` (what is served, as (group, kind)). Raises ClusterError when
    the cluster does not answer at all.
    """
    api = Api(client, patience=PATIENCE)
    served = await api.served()
    wanted = list(_wanted(served))
    places = [(kind, space) for kind in wanted for space in ((namespaces or ("",)) if kind.namespaced else ("",))]
    answers = await asyncio.gather(*(_list(api, *place) for place in places))
    refused = [(place, answer) for place, answer in zip(places, answers, strict=True) if isinstance(answer, Refused)]
    _see_something(refused, namespaces)
    world = World()
    kinds = frozenset((kind.group, kind.kind) for kind in served.resources.values())
    world.facts |= {"version": served.version, "kinds": kinds}
    world.facts["refused"] = frozenset((kind.group, kind.kind) for (kind, _), _ in refused)
    problems = [*_may_not(refused), *(answer for answer in answers if isinstance(answer, Problem))]
    problems += (
        Problem("cluster", 0, 0, f"{name} is not served: the server behind it does not answer") for name in served.unread
    )
    for answer in answers:
        for obj in answer if isinstance(answer, list) else ():
            if obj.get("kind") == "Secret":
                secret(obj)
            world.put(_kept(obj))
    for obj in await _releases(api, namespaces):
        world.put(obj)
    spoken, silent = await _logs(api, world, logs)
    world.logs.update(spoken)
    if silent:
        words = f"you may not read the logs of {silent} container{'s' if silent > 1 else ''}"
        problems.append(Problem("cluster", 0, 0, words, "what they say is missing here; ask for `get` on pods/log", "warning"))
    return Loaded({"": world}, problems, [Input(", ".join(namespaces) or "all namespaces", "cluster", len(world))])


def _wanted(served: Served) -> Iterable[Resource]:
    kinds = [(group, kind) for kind, group in GROUPS.items() if kind not in LEFT_OUT]
    for group, kind in (*kinds, *MORE):
        found = served.of_ref(Ref(group, kind, "", ""))
        if found is not None and (not found.verbs or "list" in found.verbs):
            yield found


def _see_something(refused: Sequence[tuple[tuple[Resource, str], Refused]], namespaces: Sequence[str]) -> None:
    """Who may not even list pods anywhere sees nothing that a diagnosis is made of. Raises that refusal."""
    pods = [answer for (kind, _), answer in refused if (kind.group, kind.kind) == ("", "Pod") and answer.code == 403]
    if len(pods) >= len(namespaces or ("",)):
        pods[0].args = (f"{pods[0]}" + ("" if namespaces else "; name a namespace that you may read: -n NAMESPACE"),)
        raise pods[0]


def _may_not(refused: Sequence[tuple[tuple[Resource, str], Refused]]) -> list[Problem]:
    """What may not be read, told once for each place; any other refusal in the cluster's words."""
    found = [Problem("cluster", 0, 0, str(answer), "", "warning") for _, answer in refused if answer.code != 403]
    places: dict[str, list[str]] = {}
    for (kind, space), answer in refused:
        if answer.code == 403:
            places.setdefault(f"in {space}" if space else "outside of namespaces", []).append(kind.plural)
    hint = "what they would tell is missing here; ask for `list` on those that you need"
    told = (f"you may not list, {where}: {', '.join(plurals)}" for where, plurals in places.items())
    return found + [Problem("cluster", 0, 0, words, hint, "warning") for words in told]


async def _list(api: Api, kind: Resource, namespace: str) -> list[Obj] | Problem | Refused:
    try:
        # releases of Helm are Secrets too, each as large as its chart
        fields = f"type!={RELEASE}" if kind.kind == "Secret" else ""
        return await api.list(kind, namespace, fields=fields)
    except Refused as refused:
        return refused
    except ClusterError as error:
        return Problem("cluster", 0, 0, str(error))


async def _releases(api: Api, namespaces: Sequence[str]) -> list[Obj]:
    """Helm's releases by their metadata alone: each Secret is as large as its chart."""
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    found: list[Obj] = []
    for space in namespaces or ("",):
        params = {"fieldSelector": f"type={RELEASE}"}
        try:
            answer = await api.request("GET", SECRETS.path(space), doing="listing releases", params=params, accept=accept)
        except ClusterError:
            continue  # who may not read Secrets was told so already
        found += [
            {"apiVersion": "v1", "kind": "Secret", "type": RELEASE, "metadata": each["metadata"]}
            for each in answer.get("items") or ()
        ]
    return found


def _kept(obj: Obj) -> Obj:
    """An object without who wrote which field of it, and a Secret without its values."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if obj.get("kind") != "Secret":
        return {**obj, "metadata": metadata}
    kept = {key: value for key, value in annotations_of(obj).items() if not key.endswith("last-applied-configuration")}
    data = {key: value if key in PUBLIC else "" for key, value in (obj.get("data") or {}).items()}
    return {**obj, "metadata": {**metadata, "annotations": kept}, "data": data}


async def _logs(api: Api, world: World, most: int) -> tuple[dict[LogKey, list[str]], int]:
    """The ends of the logs of containers that are not ready, and of the runs before those that have restarted; of each workload
    that is well those of one pod, which may complain. And of how many we may not read them.
    """
    wanted = [key for pod in world.of("Pod") for key in _troubled(pod)][:most]
    heard = {key.pod for key in wanted}
    well: dict[Ref, Obj] = {}
    for pod in world.of("Pod"):
        if ref_of(pod) not in heard:
            well.setdefault(ref_of(world.root(pod)), pod)
    wanted += [key for pod in well.values() for key in _running(pod)][: min(most, WELL)]
    texts = await asyncio.gather(*(_log(api, key) for key in wanted))
    return {key: text.splitlines() for key, text in zip(wanted, texts, strict=True) if text}, texts.count(None)


def _troubled(pod: Obj) -> Iterable[LogKey]:
    status: dict[str, Any] = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        restarted = int(container.get("restartCount") or 0) > 0
        done = (container.get("state") or {}).get("terminated") or {}
        if restarted:
            yield LogKey(ref_of(pod), container["name"], True)
        if (not container.get("ready") or restarted) and done.get("exitCode") != 0:
            yield LogKey(ref_of(pod), container["name"])


def _running(pod: Obj) -> Iterable[LogKey]:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if "running" in (container.get("state") or {}):
            yield LogKey(ref_of(pod), container["name"])


async def _log(api: Api, key: LogKey) -> str | None:
    """The end of a log, "" where there is none, None where we may not read it."""
    import httpx2

    path = f"/api/v1/namespaces/{key.pod.namespace}/pods/{key.pod.name}/log"
    params = {"container": key.container, "tailLines": str(LINES), "previous": str(key.previous).lower()}
    try:
        answer = await api.client.http.get(path, params=params, timeout=PATIENCE)
    except httpx2.HTTPError:
        return ""
    if answer.status_code == 403:
        return None
    return str(answer.text) if answer.status_code < 400 else ""
