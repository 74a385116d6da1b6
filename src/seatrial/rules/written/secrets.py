# ruff: noqa: E501 - a line of the table is one saying
"""What must not be read or reached: secrets in plain sight, tokens nobody needs, folders and sockets of the node."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.examples import container as example
from seatrial.rules.written.examples import manifest, together
from seatrial.rules.written.pods import Container, Pods, check_containers, check_pods
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.rules.written.telling import move, put, take, tell
from seatrial.world.objects import Obj
from seatrial.world.once import once
from seatrial.world.patterns import pattern
from seatrial.world.world import World

_ROOT = "Who writes there is root on the node."

_ACCOUNT = manifest("v1", "ServiceAccount", "automountServiceAccountToken: false")

RULES = (
    Rule("secret-in-env", "warning", "has a secret in plain sight among its variables", "Everybody who may read the manifest, the repository or the pod has it; and it cannot be rotated without a release.",
         "Keep it in a Secret and refer to it with secretKeyRef.",
         example("env: [{name: DB_PASSWORD, value: hunter2-but-longer}]"), example("env: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]")),
    Rule("secret-in-arguments", "warning", "has a secret in plain sight among its arguments", "Arguments show in the manifest, in `ps` on the node and in every description of the pod.",
         "Pass it by a variable with secretKeyRef, or by a file.",
         example("args: ['--password=hunter2-but-longer']"), example("args: ['--password-file=/etc/api/password']")),
    Rule("token-mounted", "note", "has the token of the default service account mounted", "Nothing in the pod asks for it, and whoever takes over the process can speak to the API server with it.",
         "Set automountServiceAccountToken: false, or a service account of its own where it does speak to the API server.",
         example("ports: []"), example("ports: []", pod="automountServiceAccountToken: false")),
    Rule("service-account-old-field", "note", "names its service account by the old field", "serviceAccount is an alias that tools overlook; the two may differ after a merge.",
         "Use serviceAccountName.",
         together(_ACCOUNT, example("ports: []", pod="serviceAccount: api\nautomountServiceAccountToken: false")),
         together(_ACCOUNT, example("ports: []", pod="serviceAccountName: api"))),
    Rule("runtime-socket", "warning", "mounts the container runtime's socket", "Whoever can write to it starts privileged containers: it is root on the node.",
         "Take it out; build images with a builder that needs no socket.",
         example("volumeMounts: [{name: sock, mountPath: /var/run/docker.sock}]", pod="volumes: [{name: sock, hostPath: {path: /var/run/docker.sock}}]"),
         example("volumeMounts: [{name: tmp, mountPath: /tmp}]", pod="volumes: [{name: tmp, emptyDir: {sizeLimit: 1Gi}}]")),
    Rule("host-path-sensitive", "warning", "may write to the node's own folders", _ROOT,
         "Use a volume of the cluster, or mount it with readOnly: true.",
         example("volumeMounts: [{name: etc, mountPath: /host/etc}]", pod="volumes: [{name: etc, hostPath: {path: /etc}}]"),
         example("volumeMounts: [{name: tmp, mountPath: /tmp}]", pod="volumes: [{name: tmp, emptyDir: {sizeLimit: 1Gi}}]")),
    Rule("host-path", "warning", "mounts a folder of the node", "Its data stay on one node when the pod moves, and the baseline Pod Security profile refuses it.",
         "Use a PersistentVolumeClaim, or an emptyDir.",
         example("volumeMounts: [{name: data, mountPath: /data}]", pod="volumes: [{name: data, hostPath: {path: /srv/data}}]"),
         example("volumeMounts: [{name: data, mountPath: /data}]", pod="volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]")),
    Rule("volume-type", "note", "has a volume of a kind that the restricted profile refuses", "Inline disks and network file systems tie the pod to one place and carry their settings in every manifest; several kinds are gone from Kubernetes.",
         "Use a PersistentVolumeClaim with a CSI driver.",
         example("volumeMounts: [{name: data, mountPath: /data}]", pod="volumes: [{name: data, nfs: {server: files.example, path: /}}]"),
         example("volumeMounts: [{name: data, mountPath: /data}]", pod="volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]")),
)  # fmt: skip

#: Names of variables that hold secrets, and those that only look like it.
_SECRET = pattern(r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIALS?|ENCRYPTION_?KEY|(?:ACCOUNT|BATCH|CLI|MASTER|SHARED|SIGNING)_KEY)(?:$|_(?:KEY|VALUE|BASE64|CONTENT)$)", re.IGNORECASE)  # fmt: skip
_ARGUMENT = pattern(r"--?[\w.-]*(?:password|passwd|secret|token|api-?key|private-?key|access-?key)=(.+)", re.IGNORECASE)
_NO_SECRET = pattern(
    r"(?:^|[-_])(?:file|path|name|dir|url|uri|enabled|ttl|expiry|length|type|secret-name|public)(?:$|[-_=])", re.IGNORECASE
)
#: Credentials inside a URL: scheme://user:secret@host.
_URL = pattern(r"[a-z][a-z0-9+.-]*://[^\s:/@]+:([^\s/@]+)@", re.IGNORECASE)
_WELL_KNOWN = (
    pattern(r"AKIA[0-9A-Z]{16}"),
    pattern(r"gh[pousr]_[A-Za-z0-9]{36}"),
    pattern(r"-{3,5}BEGIN [A-Z ]*PRIVATE KEY-{3,5}"),
)
#: What stands where a secret will be put, or is none.
_PLACEHOLDER = pattern(
    r"\$[({]|<|\{\{|^(?:true|false|yes|no|none|null|enabled|disabled|required|optional|auto|default|\d{1,4})$|^/|^file:|^vault:|^ref\+",
    re.IGNORECASE,
)
SOCKETS = ("docker.sock", "containerd.sock", "crio.sock", "dockershim.sock", "podman.sock", "cri-dockerd.sock")
SENSITIVE = ("/", "/etc", "/root", "/boot", "/bin", "/sbin", "/usr", "/lib", "/lib64", "/var/lib/kubelet", "/var/lib/docker",
             "/var/lib/containerd", "/var/run", "/run", "/proc", "/dev")  # fmt: skip
#: The volumes of the restricted profile (pod-security-admission, check_restrictedVolumes.go), and hostPath, which has rules of its own.
RESTRICTED = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "hostPath",
        "name",
    ]
)


def looks_secret(name: str, given: str) -> bool:
    """Whether a named text is a secret in plain sight."""
    if not given or _PLACEHOLDER.search(given):
        return False
    if any(pattern.search(given) for pattern in _WELL_KNOWN):
        return True
    address = _URL.match(given)
    if address and not _PLACEHOLDER.search(address[1]) and address[1] not in ("user", "password", "pass"):
        return True
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name) and " " not in given.strip()


def entropy(given: str) -> float:
    """Bits a character, as Shannon counts them: words have 3, random keys above 4."""
    counts = Counter(given)
    return -sum(n / len(given) * math.log2(n / len(given)) for n in counts.values()) if given else 0.0


@check_containers(rules=RULES[:2])
def in_plain_sight(world: World, container: Container) -> Iterator[Finding]:
    """Secrets among variables and arguments; what is told is the name, never the value."""
    for place, each in enumerate(items(container.spec, "env")):
        name, given = text(each, "name"), text(each, "value")
        if looks_secret(name, given):
            at = (*container.path, "env", place, "value")
            yield tell(
                world, "secret-in-env", container.pods.obj, at, f"{name}: a value of {len(given)} characters", who=container.who
            )
    for field in ("command", "args"):
        for place, argument in enumerate(strings(container.spec, field)):
            found = _ARGUMENT.match(argument)
            if found and not _PLACEHOLDER.search(found[1]) and not _NO_SECRET.search(argument.partition("=")[0]):
                at = (*container.path, field, place)
                words = f"{argument.partition('=')[0]}=…"
                yield tell(world, "secret-in-arguments", container.pods.obj, at, words, who=container.who)


@check_pods(rules=RULES[2:4])
def accounts(world: World, pods: Pods) -> Iterator[Finding]:
    """Service accounts and their tokens."""
    spec, at = pods.spec, pods.spec_path
    account = text(spec, "serviceAccountName") or text(spec, "serviceAccount")
    space = text(pods.obj, "metadata", "namespace")
    written = world.find("ServiceAccount", space, account or "default", "")
    mounted = spec.get("automountServiceAccountToken", (written or {}).get("automountServiceAccountToken"))
    if mounted is not False:
        there = (*at, "automountServiceAccountToken")
        words = f"serviceAccountName: {account or 'not set'}, automountServiceAccountToken: not false"
        ops = [put(pods.obj, there, False)]
        if account in ("", "default"):
            yield tell(world, "token-mounted", pods.obj, there, words, ops=ops)
        elif written is not None and not _has_rights(world, space, account):
            title = "has a token mounted that gives it no rights"
            yield tell(world, "token-mounted", pods.obj, there, f"{words}; no binding names it", title=title, ops=ops)
    old = text(spec, "serviceAccount")
    if old and "serviceAccountName" not in spec:
        ops = [move((*at, "serviceAccount"), (*at, "serviceAccountName"))]
        yield tell(world, "service-account-old-field", pods.obj, (*at, "serviceAccount"), f"serviceAccount: {old}", ops=ops)
    elif old and old != account:
        title, there = "names two service accounts", (*at, "serviceAccount")
        words = f"serviceAccount: {old}; serviceAccountName: {account}, which counts"
        ops = [take(there)]
        yield tell(world, "service-account-old-field", pods.obj, there, words, title=title, severity="warning", ops=ops)


def _has_rights(world: World, space: str, account: str) -> bool:
    """Whether a binding names a service account, or the group of all of its namespace's."""
    named = once(world, _bound)
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated")
    return bool({("ServiceAccount", space, account), ("ServiceAccount", "", account)} & named) or any(
        ("Group", "", group) in named for group in groups
    )


def _bound(world: World) -> frozenset[tuple[str, str, str]]:
    """(kind, namespace, name) of the subjects of all bindings that are not Kubernetes' own."""
    return frozenset(
        (text(subject, "kind"), text(subject, "namespace"), text(subject, "name"))
        for kind in ("RoleBinding", "ClusterRoleBinding")
        for binding in world.of(kind)
        for subject in items(binding, "subjects")
        if not text(binding, "metadata", "name").startswith("system:")
    )


@check("ServiceAccount", rules=())
def default_account(world: World, obj: Obj) -> Iterator[Finding]:
    """The account of every pod that names none."""
    if text(obj, "metadata", "name") == "default" and obj.get("automountServiceAccountToken") is not False:
        title, at = "gives its token to every pod that names no account", ("automountServiceAccountToken",)
        words = "automountServiceAccountToken: not false"
        yield tell(world, "token-mounted", obj, at, words, title=title, ops=[put(obj, at, False)])


@check_pods(rules=RULES[4:])
def of_the_node(world: World, pods: Pods) -> Iterator[Finding]:
    """Volumes that are folders, sockets or disks of somewhere else."""
    for place, volume in enumerate(items(pods.spec, "volumes")):
        name, at = text(volume, "name"), (*pods.spec_path, "volumes", place)
        path = text(mapping(volume, "hostPath"), "path")
        if path:
            may_write = _writers(pods, name)
            if path.endswith(SOCKETS):
                yield tell(world, "runtime-socket", pods.obj, at, f"hostPath: {path}")
            elif may_write and (path.rstrip("/") or "/") in SENSITIVE:
                yield tell(world, "host-path-sensitive", pods.obj, at, f"hostPath: {path}, writable in {', '.join(may_write)}")
            else:
                how = f"writable in {', '.join(may_write)}" if may_write else "read-only"
                yield tell(world, "host-path", pods.obj, at, f"hostPath: {path}, {how}")
        for source in volume:
            if source not in RESTRICTED and volume[source] is not None:
                yield tell(world, "volume-type", pods.obj, (*at, source), f"volume {name}: {source}")


def _writers(pods: Pods, volume: str) -> list[str]:
    """The containers that may write to a volume."""
    return [
        each.name
        for each in pods.containers
        for mount in items(each.spec, "volumeMounts")
        if mount.get("name") == volume and mount.get("readOnly") is not True
    ]
