# ruff: noqa: E501 - tables of kinds, and calls that read best in one line
"""Follows a rollout until there is a verdict: watches in, events of the release out.

What is thought of the rollout is for `verdict`; how watches survive is for `follow`.  Here they are put together, logs of new pods
are streamed, and what no object says (is there an autoscaler?) is asked when a finding needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from seatrial.cluster.api import Api, Resource
from seatrial.cluster.client import Client, ClusterError
from seatrial.release.events import Clock, Redactor, Rollout, Tell, Verdict
from seatrial.release.follow import Follower, lines
from seatrial.release.tree import new_pods
from seatrial.release.verdict import WORKLOADS, Judge, Weights
from seatrial.rules.alive.pods import containers, is_ready
from seatrial.rules.causes import merge
from seatrial.rules.finding import Finding
from seatrial.world.objects import Obj, Ref, annotations_of, dig, group_of, name_of, namespace_of, ref_of
from seatrial.world.world import LogKey

_BUILT_IN = {
    ("", "Pod"): "pods", ("", "Event"): "events", ("", "ResourceQuota"): "resourcequotas", ("apps", "Deployment"): "deployments",
    ("apps", "ReplicaSet"): "replicasets", ("apps", "StatefulSet"): "statefulsets", ("apps", "DaemonSet"): "daemonsets",
    ("batch", "Job"): "jobs", ("argoproj.io", "Rollout"): "rollouts", ("argoproj.io", "AnalysisRun"): "analysisruns",
    ("autoscaling", "HorizontalPodAutoscaler"): "horizontalpodautoscalers",
}  # fmt: skip
_VERSIONS = {"argoproj.io": "v1alpha1", "autoscaling": "v2"}
#: kind of a workload -> what its progress is read from besides.
_WITH = {
    "Deployment": (("apps", "ReplicaSet"),),
    "Rollout": (("apps", "ReplicaSet"), ("argoproj.io", "AnalysisRun")),
}
#: Kinds of Kubernetes' own that have nothing to wait for.
_STILL = frozenset({"", "policy", "networking.k8s.io", "rbac.authorization.k8s.io", "autoscaling", "storage.k8s.io", "scheduling.k8s.io",
                    "admissionregistration.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "apiextensions.k8s.io"})  # fmt: skip
#: Seconds between two looks at what has changed, and between two trees.
PACE, TREE = 0.05, 0.25
#: Logs followed at once: of one workload, and in all. Lines kept of each.
LOGS_EACH, LOGS_ALL, KEPT = 3, 30, 60
#: Bytes of a line of a log that are shown as one.
LONGEST_LINE = 16_384


class Watcher:
    """See `events.Watcher`."""

    def __init__(
        self,
        client: Client,
        rollout: Rollout,
        *,
        tell: Tell,
        redactor: Redactor,
        clock: Clock,
        weights: Weights | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`sleep` is what pauses between two tries of a watch that broke."""
        self.client, self.rollout, self.judge = client, rollout, Judge(rollout, weights or Weights())
        self._tell, self._redactor, self._clock, self._sleep = tell, redactor, clock, sleep
        self._dirty, self._tasks = asyncio.Event(), set[asyncio.Task[None]]()
        self._streams: dict[tuple[str, str, int], asyncio.Task[None]] = {}
        self._told: set[tuple[str, Ref]] = set()
        self._hooks: dict[Ref, str] = {}
        self._tree: Any = None
        self._tree_at = -inf
        self._asked = False

    def applied(self, live: Sequence[Obj]) -> None:
        self.judge.applied(live)
        self._dirty.set()

    async def run(self, deadline: float) -> Verdict:
        try:
            followers = await self._followers()
            watches = [self._start(follower.run()) for follower in followers]
            await self._first(followers, watches, deadline)
            for follower in followers:
                if follower.unread:
                    self._tell("note", text=f"{follower.resource.plural} are not followed: {follower.unread}")
            return await self._until_verdict(watches, deadline)
        finally:
            tasks = [*self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_verdict(self, watches: Sequence[asyncio.Task[None]], deadline: float) -> Verdict:
        while True:
            self._dirty.clear()
            _raise(watches)
            begun = now = self._clock.monotonic()
            verdict = self.judge.verdict(now)
            self._tell_hooks()
            self._tell_tree(now, last=verdict.state != "progressing")
            self._follow_logs()
            if verdict.state == "succeeded":
                return verdict
            if verdict.state == "doomed":
                return await self._explained(verdict)
            await self._doubts()
            if now >= deadline:
                return await self._timed_out(verdict)
            cost = self._clock.monotonic() - begun
            await asyncio.sleep(min(max(PACE, 3 * cost), 2.0))  # changes come in flocks
            await _until(self._dirty, min(0.5, max(0.0, deadline - self._clock.monotonic())))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # several watches may fail at once: the first is told, and asyncio need not complain of the others

    async def _first(self, followers: Sequence[Follower], watches: Sequence[asyncio.Task[None]], deadline: float) -> None:
        """Until everything that is there has been read once."""
        while not all(follower.ready.is_set() for follower in followers):
            _raise(watches)
            if self._clock.monotonic() >= deadline:
                return
            await _until(self._dirty, 0.05)
            self._dirty.clear()

    # what is watched

    async def _followers(self) -> list[Follower]:
        wanted = {
            (group, kind, self.rollout.namespace)
            for group, kind in (("", "Pod"), ("", "Event"), ("", "ResourceQuota"), ("batch", "Job"))
        }
        custom: dict[str, set[tuple[str, str]]] = {}
        for obj in self.rollout.objects:
            namespace = namespace_of(obj) or self.rollout.namespace
            key = group_of(obj), str(obj.get("kind"))
            if key in _BUILT_IN:
                wanted |= {(*each, namespace) for each in (key, ("", "Pod"), ("", "Event"), *_WITH.get(key[1], ()))}
            elif key[0] not in _STILL:
                custom.setdefault(str(obj["apiVersion"]), set()).add((key[1], namespace))
        resources = [
            (Resource(group, _VERSIONS.get(group, "v1"), kind, _BUILT_IN[group, kind], True), namespace)
            for group, kind, namespace in sorted(wanted)
        ]
        for version, kinds in custom.items():
            resources += await self._custom(version, kinds)
        return [
            Follower(self.client, resource, namespace, self._see, self._clock, self._sleep) for resource, namespace in resources
        ]

    async def _custom(self, version: str, kinds: set[tuple[str, str]]) -> list[tuple[Resource, str]]:
        """How the kinds of a group version are served; those that are not are Helm's to complain about."""
        try:
            answer = await Api(self.client).request("GET", f"/apis/{version}", doing=f"asking what {version} serves")
        except ClusterError as error:
            self._tell("note", text=f"{version} is not followed: {error}")
            return []
        group, _, number = version.rpartition("/")
        served = {one["kind"]: one for one in answer.get("resources") or () if "/" not in one["name"]}
        found = [(served[kind], namespace) for kind, namespace in sorted(kinds) if kind in served]
        return [
            (Resource(group, number, one["kind"], one["name"], bool(one["namespaced"])), namespace if one["namespaced"] else "")
            for one, namespace in found
            if "watch" in one.get("verbs", ())
        ]

    def _see(self, change: str, obj: Obj) -> None:
        self.judge.see(change, obj)
        if obj["kind"] == "Pod":
            uid, ready = str(dig(obj, "metadata.uid")), self.rollout.ready
            if change == "DELETED" or not is_ready(obj):
                ready.pop(uid, None)
            else:
                ready.setdefault(uid, self._clock.monotonic())
        self._dirty.set()

    # what is told

    def _tell_tree(self, now: float, *, last: bool) -> None:
        if not last and now - self._tree_at < TREE:
            return
        rows = [row.as_json(self.judge.world) for row in self.judge.rows()]
        if rows != self._tree:
            for row in rows:
                seconds = self.rollout.seconds.get(Ref(**row["ref"]))
                row["seconds"] = seconds
            self._tree, self._tree_at = [{k: v for k, v in row.items() if k != "seconds"} for row in rows], now
            self._tell("tree", rows=rows)

    def _tell_hooks(self) -> None:
        for ref in self.judge.hooks():
            live = self.judge.world.get(ref)
            if live is None or not self.judge.judged(ref):
                continue
            state = next((s for kind, s in (("Complete", "succeeded"), ("Failed", "failed")) if _true(live, kind)), "started")
            if self._hooks.get(ref) != state:
                self._hooks[ref] = state
                self._tell("hook", ref, hook=annotations_of(live).get("helm.sh/hook", ""), state=state)

    def _tell_findings(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            key = finding.rule, finding.refs[0]
            if key not in self._told:
                self._told.add(key)
                self._tell("finding", finding.refs[0], **finding.as_json(), phase="watch")

    # logs

    def _follow_logs(self) -> None:
        """Begin to stream the logs of new pods: a few of each workload, and of every hook."""
        hooks = set(self.judge.hooks())
        for ref in [ref for ref in self.judge.wanted if ref.kind in WORKLOADS]:
            live = self.judge.world.get(ref)
            if live is None or not self.judge.judged(ref):
                continue
            for pod in sorted(new_pods(self.judge.world, live), key=lambda pod: (is_ready(pod), name_of(pod)))[:LOGS_EACH]:
                self._follow_pod(pod, hook=ref in hooks)

    def _follow_pod(self, pod: Obj, *, hook: bool) -> None:
        for each in containers(pod):
            key = str(dig(pod, "metadata.uid")), each.name, int(each.status.get("restartCount", 0))
            begun = each.running is not None or dig(each.status, "state.terminated")
            running = sum(not task.done() for task in self._streams.values())
            if begun and key not in self._streams and running < LOGS_ALL:
                self._streams[key] = self._start(self._stream(pod, each.name, hook))

    async def _stream(self, pod: Obj, container: str, hook: bool) -> None:
        """The log of a container as it grows; what cannot be read is not worth a failure."""
        import httpx2

        masked: Any = self._redactor.lines() if hasattr(self._redactor, "lines") else None
        params = {"container": container, "follow": "true", "tailLines": str(KEPT)}
        path = f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/log"

        def told(shown: Sequence[str]) -> None:
            for line in shown:
                self._tell("log", ref_of(pod), pod=name_of(pod), container=container, line=line, hook=hook, previous=False)

        try:
            async with self.client.http.stream("GET", path, params=params, timeout=httpx2.Timeout(10.0, read=None)) as answer:
                if answer.status_code < 400:
                    async for raw in lines(answer.aiter_bytes(), LONGEST_LINE):
                        line = raw.decode(errors="replace").rstrip("\r")
                        told(masked.feed(line) if masked else [self._redactor.text(line)])
        except httpx2.HTTPError:
            pass
        finally:
            told(masked.flush() if masked else ())

    async def _read_logs(self, findings: Sequence[Finding]) -> None:
        """The ends of the logs of what has crashed, so that rules can read why."""
        pods = [ref for finding in findings for ref in finding.refs if ref.kind == "Pod"][:3]
        wanted: list[LogKey] = []
        for ref in dict.fromkeys(pods):
            pod = self.judge.world.get(ref)
            for each in containers(pod) if pod else ():
                if each.ends:
                    previous = each.running is not None or bool(each.waiting and each.status.get("restartCount"))
                    wanted += [LogKey(ref, each.name, False)] + ([LogKey(ref, each.name, True)] if previous else [])
        await asyncio.gather(*(self._read_log(key) for key in wanted))

    async def _read_log(self, key: LogKey) -> None:
        import httpx2

        params = {"container": key.container, "tailLines": str(KEPT), "previous": str(key.previous).lower()}
        path = f"/api/v1/namespaces/{key.pod.namespace}/pods/{key.pod.name}/log"
        try:
            answer = await self.client.http.get(path, params=params, timeout=2.0)
        except httpx2.HTTPError:
            return
        if answer.status_code < 400:
            self.judge.world.logs[key] = self._redactor.text(answer.text).splitlines()

    # the end

    async def _explained(self, verdict: Verdict) -> Verdict:
        """The same verdict with what the logs say."""
        await self._read_logs(verdict.findings)
        again = self.judge.verdict(self._clock.monotonic())
        verdict = again if again.state == "doomed" else verdict
        self._tell_findings(verdict.findings)
        return verdict

    async def _timed_out(self, verdict: Verdict) -> Verdict:
        late = [ref_of(row.obj) for row in self.judge.rows() if not row.settled]
        found = [finding for ref in late for finding in self.judge.findings(ref)]
        await self._read_logs(found)
        found = merge(finding for ref in late for finding in self.judge.findings(ref))
        self._tell_findings(found)
        why = found[0].title if found else verdict.text
        return replace(
            verdict,
            state="timed out",
            reason="TimedOut",
            text=f"not done in time: {why}",
            findings=tuple(found),
            refs=tuple(late),
        )

    async def _doubts(self) -> None:
        """Ask for what no object says, once a pod finds no node: does anything add nodes, and how large are they?"""
        world = self.judge.world
        unplaced = any(
            c.get("reason") == "Unschedulable"
            for pod in world.of("Pod")
            for c in dig(pod, "status.conditions", [])
            if c.get("status") == "False"
        )
        if not unplaced or self._asked:
            return
        self._asked = True
        api = Api(self.client, patience=2.0)
        try:
            world.facts["autoscaler"] = await autoscaler(api)
            for node in await api.list(Resource("", "v1", "Node", "nodes", False)):
                world.put(node)
        except ClusterError:
            pass  # what we may not see stays unknown, and gets the time of what is unknown
        self._dirty.set()


async def autoscaler(api: Api) -> str:
    """What adds nodes to a cluster: `karpenter`, `cluster-autoscaler`, or "" for nothing. Raises ClusterError when it cannot be told."""
    answer = await api.request("GET", "/apis", doing="asking for Karpenter")
    if any(group.get("name", "").startswith("karpenter.") for group in answer.get("groups") or ()):
        return "karpenter"
    configmaps = Resource("", "v1", "ConfigMap", "configmaps", True)
    if await api.get(configmaps, "kube-system", "cluster-autoscaler-status") is not None:
        return "cluster-autoscaler"
    deployments = await api.list(Resource("apps", "v1", "Deployment", "deployments", True), "kube-system")
    return "cluster-autoscaler" if any("cluster-autoscaler" in name_of(obj) for obj in deployments) else ""


def _true(obj: Obj, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in dig(obj, "status.conditions", []))


def _raise(watches: Sequence[asyncio.Task[None]]) -> None:
    for watch in watches:
        if watch.done() and not watch.cancelled() and (error := watch.exception()):
            raise error


async def _until(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass
