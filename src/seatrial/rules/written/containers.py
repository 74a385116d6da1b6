# ruff: noqa: E501 - a line of the table is one saying
"""How the parts of a pod fit one another: names, ports, variables, mounts and volumes, and the shape that the API asks of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule
from seatrial.rules.slips import meant
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.pods import Container, Pods, check_containers, check_pods
from seatrial.rules.written.reading import items, mapping, number, text, value
from seatrial.rules.written.telling import Operation, Path, brief, put, take, tell
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_REFUSED = "The API server refuses the object."
_PORT = "ports: [{name: http, containerPort: 8080}]"
_TMP = "volumeMounts: [{name: tmp, mountPath: /tmp}]"
_VOLUME = "volumes: [{name: tmp, emptyDir: {sizeLimit: 1Gi}}]"

RULES = (
    Rule("env-not-text", "error", "has a variable whose value is no text", _REFUSED + " YAML reads 8080, true and 1.0 as numbers and truth values.",
         "Put quotes around the value.",
         example("env: [{name: PORT, value: 8080}]"), example("env: [{name: PORT, value: '8080'}]")),
    Rule("env-two-sources", "error", "has a variable with two values", _REFUSED,
         "Give either value or valueFrom, and one source in it.",
         example("env: [{name: TOKEN, value: x, valueFrom: {secretKeyRef: {name: api, key: token}}}]"),
         example("env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: api, key: token}}}]")),
    Rule("env-duplicate", "warning", "has a variable twice", "The last one wins, silently; and a merge by name (kubectl apply, Kustomize) may keep the other.",
         "Keep one of them.",
         example("env: [{name: LEVEL, value: info}, {name: LEVEL, value: debug}]"), example("env: [{name: LEVEL, value: info}]")),
    Rule("env-template-left", "warning", "has a variable in which a template was left", "Helm does not render what stands in values: the process gets the braces.",
         "Render the value where it is used (tpl .Values.… .), or write it out.",
         example("env: [{name: NAME, value: '{{ include \"shop.fullname\" . }}'}]"), example("env: [{name: NAME, value: shop-api}]")),
    Rule("env-order", "warning", "uses a variable before it is there", "$(NAME) stays as it is written when NAME stands further down or nowhere: the process gets the text with its brackets.",
         "Put the variable that is used above the one that uses it.",
         example("env: [{name: URL, value: 'http://$(HOST)'}, {name: HOST, value: db}]"), example("env: [{name: HOST, value: db}, {name: URL, value: 'http://$(HOST)'}]")),
    Rule("env-name-invalid", "error", "has a variable with an impossible name", _REFUSED,
         "Use letters, digits and _, which every shell and program can read; = is in no name.",
         example("env: [{name: 'A=B', value: x}]"), example("env: [{name: A, value: x}]")),
    Rule("command-not-list", "error", "has a command that is no list", _REFUSED,
         "Write a list: command: [sh, -c, …].",
         example("command: sleep 3600"), example("command: [sleep, '3600']")),
    Rule("container-name-twice", "error", "has two containers of one name", _REFUSED,
         "Give each container a name of its own.",
         example("ports: []", pod="initContainers: [{name: api, image: registry.example/x:1}]"), example("ports: []", pod="initContainers: [{name: wait, image: registry.example/x:1}]")),
    Rule("container-name-invalid", "error", "has a container without a proper name", _REFUSED,
         "Name it with at most 63 lower-case letters, digits and -.",
         example("ports: []", pod="initContainers: [{name: Wait_For, image: registry.example/x:1}]"), example("ports: []", pod="initContainers: [{name: wait-for, image: registry.example/x:1}]")),
    Rule("port-invalid", "error", "has a port that cannot be", _REFUSED,
         "Ports go from 1 to 65535; their names have at most 15 lower-case letters, digits and -, and one letter at least.",
         example("ports: [{name: this-name-is-too-long, containerPort: 8080}]"), example(_PORT)),
    Rule("port-name-twice", "error", "has two ports of one name", _REFUSED,
         "Give each port a name of its own.",
         example("ports: [{name: http, containerPort: 8080}, {name: http, containerPort: 8081}]"), example(_PORT)),
    Rule("port-twice", "warning", "declares a port twice in one pod", "Containers of a pod share one network: the second process that listens there cannot start.",
         "Give each container a port of its own.",
         example(_PORT, pod="initContainers: [{name: proxy, image: registry.example/proxy:1, restartPolicy: Always, ports: [{containerPort: 8080}]}]"), example(_PORT)),
    Rule("mount-volume-unknown", "error", "mounts a volume that the pod does not have", _REFUSED,
         "Declare the volume under volumes, or correct the name.",
         example(_TMP), example(_TMP, pod=_VOLUME)),
    Rule("mount-path-twice", "error", "mounts two volumes at one path", _REFUSED,
         "Give each mount a path of its own.",
         example("volumeMounts: [{name: tmp, mountPath: /tmp}, {name: tmp, mountPath: /tmp}]", pod=_VOLUME), example(_TMP, pod=_VOLUME)),
    Rule("mount-path-invalid", "warning", "has a mount without a proper path", "A relative path begins at /, wherever the process works: `tmp` is mounted at /tmp. A mount without a path is refused by the API server.",
         "Write an absolute path.",
         example("volumeMounts: [{name: tmp, mountPath: tmp}]", pod=_VOLUME), example(_TMP, pod=_VOLUME)),
    Rule("mount-subpath-stale", "note", "mounts a single file of a ConfigMap or Secret", "Files mounted by subPath never change while the pod lives: a rotated password or a new setting does not arrive.",
         "Mount the folder, or have a checksum annotation roll the pods.",
         example("volumeMounts: [{name: conf, mountPath: /etc/api.conf, subPath: api.conf}]", pod="volumes: [{name: conf, configMap: {name: api}}]"),
         example("volumeMounts: [{name: conf, mountPath: /etc/api}]", pod="volumes: [{name: conf, configMap: {name: api}}]")),
    Rule("volume-unused", "note", "has a volume that no container mounts", "Pods wait for it all the same (a missing Secret keeps them from starting), and nobody uses it.",
         "Mount it or take it out.",
         example("ports: []", pod=_VOLUME), example(_TMP, pod=_VOLUME)),
    Rule("volume-name-twice", "error", "has two volumes of one name", _REFUSED,
         "Give each volume a name of its own.",
         example(_TMP, pod="volumes: [{name: tmp, emptyDir: {sizeLimit: 1Gi}}, {name: tmp, emptyDir: {sizeLimit: 1Gi}}]"), example(_TMP, pod=_VOLUME)),
    Rule("volume-source", "error", "has a volume with two sources", _REFUSED,
         "Give each volume one source.",
         example(_TMP, pod="volumes: [{name: tmp, emptyDir: {sizeLimit: 1Gi}, configMap: {name: x}}]"), example(_TMP, pod=_VOLUME)),
    Rule("restart-policy-refused", "error", "has a restart policy that its kind does not allow", _REFUSED,
         "Pods that last restart Always; those of Jobs Never or OnFailure.",
         example("ports: []", pod="restartPolicy: OnFailure"), example("ports: []")),
)  # fmt: skip

NAME = pattern(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_PORT_NAME = pattern(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9]|-(?!-)){0,13}[a-z0-9]|[a-z]")
_VARIABLE = pattern(r"[^=\x00-\x1f\x7f]+")
#: What only Helm has between braces; programs have templates of their own.
_TEMPLATE = pattern(r"\{\{-?\s*(?:include|template|tpl|toYaml|\.Values|\.Release|\.Chart)\b")
_USE = pattern(r"(?<!\$)\$\(([A-Za-z_][\w.-]*)\)")
LASTING_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout"})
#: What a volume may have besides its source.
NO_SOURCE = frozenset({"name"})


@check_containers(rules=RULES[:7])
def environment(world: World, container: Container) -> Iterator[Finding]:
    """A container's variables and its command."""
    obj, who = container.pods.obj, container.who
    env = items(container.spec, "env")
    names = [text(each, "name") for each in env]
    seen: dict[str, int] = {}
    for place, each in enumerate(env):
        at, name, given = (*container.path, "env", place), names[place], each.get("value")
        if not _VARIABLE.fullmatch(name):
            yield tell(world, "env-name-invalid", obj, (*at, "name"), f"name: {brief(name)}", who=who)
        if given is not None and not isinstance(given, str):
            written = str(given).lower() if isinstance(given, bool) else str(given)
            ops = [put(obj, (*at, "value"), written)] if not isinstance(given, (dict, list)) else []
            yield tell(world, "env-not-text", obj, (*at, "value"), f"{name}: {brief(written)}", who=who, ops=ops)
        sources = mapping(each, "valueFrom")
        if (given not in (None, "") and sources) or len(sources) > 1:
            yield tell(world, "env-two-sources", obj, at, f"{name}: value and valueFrom, or two sources", who=who)
        if name in seen:
            same = env[seen[name]] == each
            yield tell(
                world,
                "env-duplicate",
                obj,
                at,
                f"{name}, also the {_nth(seen[name])} of the list",
                who=who,
                ops=[take(at)] if same else [],
            )
        if isinstance(given, str) and _TEMPLATE.search(given):
            yield tell(world, "env-template-left", obj, (*at, "value"), f"{name}: {brief(given)}", who=who)
        for used in _USE.findall(given) if isinstance(given, str) else ():
            if used not in seen and used in names[place:]:
                yield tell(world, "env-order", obj, at, f"{name}: $({used}) stands above {used}", who=who)
        seen.setdefault(name, place)
    for field in ("command", "args"):
        words = container.spec.get(field)
        if words is not None and not isinstance(words, list):
            at = (*container.path, field)
            yield tell(world, "command-not-list", obj, at, f"{field}: {brief(words)}", who=who)


def _nth(place: int) -> str:
    return f"{place + 1}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place + 1, 'th') }"


@check_pods(rules=RULES[7:12])
def names_and_ports(world: World, pods: Pods) -> Iterator[Finding]:
    """Names of containers, ports and their names."""
    obj = pods.obj
    counts = Counter(text(each.spec, "name") for each in pods.containers)
    taken: dict[tuple[object, object], Container] = {}
    for each in pods.containers:
        name = text(each.spec, "name")
        if not name and pods.custom:
            continue  # its operator names it
        if not NAME.fullmatch(name):
            yield tell(world, "container-name-invalid", obj, (*each.path, "name"), f"name: {brief(name) or 'not set'}")
        elif counts[name] > 1:
            counts[name] = 0
            yield tell(world, "container-name-twice", obj, (*each.path, "name"), f"name: {name}")
        ports = items(each.spec, "ports")
        names = Counter(text(port, "name") for port in ports)
        for place, port in enumerate(ports):
            at, wanted = (*each.path, "ports", place), port.get("containerPort")
            if not isinstance(wanted, int) or not 0 < wanted < 65536:
                yield tell(world, "port-invalid", obj, (*at, "containerPort"), f"containerPort: {brief(wanted)}", who=each.who)
            label = text(port, "name")
            if label and not (len(label) <= 15 and _PORT_NAME.fullmatch(label)):
                yield tell(
                    world, "port-invalid", obj, (*at, "name"), f"name: {brief(label)} ({len(label)} characters)", who=each.who
                )
            elif label and names[label] > 1:
                names[label] = 0
                yield tell(world, "port-name-twice", obj, (*at, "name"), f"name: {label}", who=each.who)
            key = (wanted, port.get("protocol", "TCP"))
            if each.role != "init" and isinstance(wanted, int):
                if key in taken and taken[key] is not each:
                    words = f"containerPort: {wanted}, also of container {taken[key].name}"
                    yield tell(world, "port-twice", obj, (*at, "containerPort"), words, who=each.who)
                taken.setdefault(key, each)


@check_pods(rules=RULES[12:19])
def volumes(world: World, pods: Pods) -> Iterator[Finding]:
    """Volumes and mounts."""
    obj, at = pods.obj, (*pods.spec_path, "volumes")
    declared = items(pods.spec, "volumes")
    claims = {text(each, "metadata", "name") for each in items(obj, "spec", "volumeClaimTemplates")}
    kinds = {text(volume, "name"): volume for volume in declared}
    counts = Counter(text(volume, "name") for volume in declared)
    used: set[str] = set()
    for each in pods.containers:
        for field in ("volumeMounts", "volumeDevices"):
            used |= {text(mount, "name") for mount in items(each.spec, field)}
        yield from _mounts(world, each, kinds, claims)
    for place, volume in enumerate(declared):
        name, there = text(volume, "name"), (*at, place)
        if counts[name] > 1:
            counts[name] = 0
            yield tell(world, "volume-name-twice", obj, there, f"name: {name}")
        elif name not in used and counts[name] == 1:
            yield tell(world, "volume-unused", obj, there, f"volume {name}", ops=[take(there)])
        sources = [key for key in volume if key not in NO_SOURCE and volume[key] is not None]
        if len(sources) > 1:
            yield tell(world, "volume-source", obj, there, f"volume {name}: {' and '.join(sources)}")


def _mounts(world: World, container: Container, kinds: dict[str, dict[str, object]], claims: set[str]) -> Iterator[Finding]:
    obj, who = container.pods.obj, container.who
    paths: set[str] = set()
    for place, mount in enumerate(items(container.spec, "volumeMounts")):
        at, name, path = (*container.path, "volumeMounts", place), text(mount, "name"), text(mount, "mountPath")
        if name not in kinds and name not in claims:
            words = f"name: {name}; the pod has {', '.join(sorted({*kinds, *claims})) or 'no volumes'}"
            right = meant(name, {*kinds, *claims})
            ops = [put(obj, (*at, "name"), right)] if right else []
            yield tell(world, "mount-volume-unknown", obj, (*at, "name"), words, who=who, ops=ops)
        if not path.startswith(("/", "\\\\")) and not re.match(r"[A-Za-z]:", path):  # `\\.\pipe\…` is a pipe of Windows
            words = f"mountPath: {brief(path) or 'not set'}"
            yield tell(world, "mount-path-invalid", obj, (*at, "mountPath"), words, who=who, severity=None if path else "error")
        elif path in paths:
            yield tell(world, "mount-path-twice", obj, (*at, "mountPath"), f"mountPath: {path}", who=who)
        paths.add(path)
        source = kinds.get(name, {})
        if (mount.get("subPath") or mount.get("subPathExpr")) and ("configMap" in source or "secret" in source):
            words = f"subPath: {mount.get('subPath') or mount.get('subPathExpr')} of volume {name}"
            yield tell(world, "mount-subpath-stale", obj, at, words, who=who)


@check_pods(rules=RULES[19:])
def restarts(world: World, pods: Pods) -> Iterator[Finding]:
    """The restart policy, which some kinds do not leave open."""
    policy = pods.spec.get("restartPolicy")
    at: Path = (*pods.spec_path, "restartPolicy")
    ops: list[Operation] = []
    if pods.kind in LASTING_KINDS and policy not in (None, "Always"):
        ops = [take(at)]
    elif pods.kind in ("Job", "CronJob") and policy not in ("Never", "OnFailure"):
        ops = [put(pods.obj, at, "Never")]
    if ops:
        yield tell(
            world, "restart-policy-refused", pods.obj, at, f"restartPolicy: {policy or 'not set, which is Always'}", ops=ops
        )


def replicas_of(obj: object) -> int:
    """How many pods an object asks for; one where it does not say."""
    found = value(obj, "spec", "replicas")
    return int(number({"n": found}, "n", default=1))
