# ruff: noqa: E501 - a line of the table is one saying
"""Containers that cannot be made: a ConfigMap, Secret or key that is missing, a user that is not allowed, a volume that does not mount."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from seatrial.rules.alive.pods import Container, containers, is_going, is_over, is_ready, named, one_of, refs, said, whose
from seatrial.rules.finding import Fact, Finding, Rule, Severity, check
from seatrial.world.objects import Obj, dig, name_of, namespace_of, ref_of
from seatrial.world.world import World, event_count

_STUCK = "Pods of the new version wait for ever before their first line of log."

RULES = {
    rule.id: rule
    for rule in (
        Rule("config-object-missing", "error", "a ConfigMap or Secret that a container needs does not exist", _STUCK,
             "Create it in the same namespace before the workload, or mark the reference optional."),
        Rule("config-key-missing", "error", "a key that a container needs is not in its ConfigMap or Secret", _STUCK,
             "Add the key, or correct its name; keys are case-sensitive."),
        Rule("config-root", "error", "an image runs as root where the pod forbids it", _STUCK,
             "Set runAsUser to a number above 0 that the image can run as, or build the image with USER."),
        Rule("config-invalid", "error", "a container's configuration is not possible", _STUCK, "Correct what the message names."),
        Rule("mount-object-missing", "error", "a ConfigMap or Secret that a volume is made of does not exist", _STUCK,
             "Create it in the same namespace before the workload, or mark the volume optional."),
        Rule("mount-key-missing", "error", "a key that a volume is made of does not exist", _STUCK, "Add the key, or correct items[].key."),
        Rule("mount-claim-missing", "error", "a PersistentVolumeClaim that a pod mounts does not exist", _STUCK,
             "Create the claim, or correct claimName."),
        Rule("mount-busy", "warning", "a volume is still attached to another node", _STUCK,
             "A ReadWriteOnce volume moves only when its old pod is gone: use strategy Recreate, or a StatefulSet."),
        Rule("mount-failed", "warning", "a volume does not mount", _STUCK, "The message says what the node or the driver answered."),
    )
}  # fmt: skip

#: What the kubelet says of a container that it cannot make -> rule; groups name the object and the key.
CONFIG_WORDS = tuple(
    (rule, re.compile(words, re.IGNORECASE))
    for rule, words in (
        ("config-key-missing", r"couldn't find key (?P<key>\S+) in (?P<kind>ConfigMap|Secret) (?:[^/\s]+/)?(?P<name>\S+)"),
        ("config-object-missing", r"(?P<kind>configmap|secret)s? \"(?P<name>[^\"]+)\" not found"),
        ("config-root", r"runAsNonRoot|non-root|non-numeric user"),
    )
)
MOUNT_WORDS = tuple(
    (rule, re.compile(words, re.IGNORECASE))
    for rule, words in (
        ("mount-key-missing", r"references non-existent (?P<kind>config|secret) key: (?P<key>\S+)"),
        ("mount-object-missing", r"(?P<kind>configmap|secret)s? \"(?P<name>[^\"]+)\" not found"),
        ("mount-claim-missing", r"(?P<kind>persistentvolumeclaim)s? \"(?P<name>[^\"]+)\" not found"),
        ("mount-busy", r"Multi-Attach error"),
    )
)  # fmt: skip

_VOLUME = re.compile(r'for volume "([^"]+)"')

#: Kinds that make a Secret or ConfigMap, and where they say its name; the object's own name where they do not.
MAKERS = {
    "ExternalSecret": "spec.target.name",
    "SealedSecret": "spec.template.metadata.name",
    "Certificate": "spec.secretName",
    "VaultStaticSecret": "spec.destination.name",
    "VaultDynamicSecret": "spec.destination.name",
    "OnePasswordItem": "metadata.name",
    "PushSecret": "metadata.name",
    "Bundle": "metadata.name",
    "Cluster": "",  # CloudNativePG: <name>-app, <name>-superuser
}
#: ConfigMaps that every namespace has.
ALWAYS = {"kube-root-ca.crt", "istio-ca-root-cert"}
_KINDS = {"configmap": "ConfigMap", "config": "ConfigMap", "secret": "Secret", "persistentvolumeclaim": "PersistentVolumeClaim"}


@check("Pod", rules=[rule for rule in RULES.values() if rule.id.startswith("config-")], live=True)
def configured(world: World, pod: Obj) -> Iterator[Finding]:
    if is_going(pod):
        return
    for container in containers(pod):
        if container.waiting.get("reason") == "CreateContainerConfigError":
            yield _config(world, container)


def _config(world: World, container: Container) -> Finding:
    message = str(container.waiting.get("message", ""))
    rule, parts = _told(message, CONFIG_WORDS, "config-invalid")
    fact = Fact(f"CreateContainerConfigError: {message}", world.source(ref_of(container.pod), f"{container.path}.state.waiting"))
    words = _WORDS[rule].format(message=message, **parts)
    return _finding(world, container.pod, rule, parts, f"{named(container)} of {whose(world, container.pod)} {words}", fact,
                    container.name, 1)  # fmt: skip


@check("Pod", rules=[rule for rule in RULES.values() if rule.id.startswith("mount-")], live=True)
def mounted(world: World, pod: Obj) -> Iterator[Finding]:
    if is_going(pod) or is_ready(pod) or is_over(pod) or any(each.running or each.ends for each in containers(pod)):
        return  # what has run once has its volumes
    told: set[tuple[str, str]] = set()
    for event in reversed(world.events(pod, "FailedMount", "FailedAttachVolume")):
        message = str(event.get("message", ""))
        rule, parts = _told(message, MOUNT_WORDS, "mount-failed")
        if rule == "mount-key-missing":
            parts |= _of_volume(pod, message)
        if (rule, parts["name"]) in told or (rule == "mount-failed" and told):
            continue
        told.add((rule, parts["name"]))
        of = f" of {parts['kind']} {parts['name']}" if parts["name"] else ""
        words = _WORDS[rule].format(message=message, of=of, **parts)
        yield _finding(world, pod, rule, parts, f"{one_of(world, pod)} {words}", said(event, pod), "", event_count(event))


_WORDS = {
    "config-object-missing": "needs {kind} {name}, which does not exist",
    "config-key-missing": "needs key {key} of {kind} {name}, which it does not have",
    "config-root": "would run as root, which its securityContext forbids",
    "config-invalid": "cannot be made: {message}",
    "mount-object-missing": "mounts {kind} {name}, which does not exist",
    "mount-key-missing": "mounts key {key}{of}, which is not there",
    "mount-claim-missing": "mounts claim {name}, which does not exist",
    "mount-busy": "waits for a volume that another node still holds",
    "mount-failed": "waits for a volume: {message}",
}


def _of_volume(pod: Obj, message: str) -> dict[str, str]:
    """What a volume is made of: the kubelet names the volume and the key, and not the object."""
    named = _VOLUME.search(message)
    volume: Obj = next((each for each in dig(pod, "spec.volumes", []) if named and each.get("name") == named[1]), {})
    for source in (volume, *dig(volume, "projected.sources", [])):
        for field, kind, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
            name = dig(source, f"{field}.{key}") or dig(source, f"{field}.name")
            if name:
                return {"kind": kind, "name": str(name)}
    return {"kind": "", "name": ""}


def _told(message: str, words: tuple[tuple[str, re.Pattern[str]], ...], otherwise: str) -> tuple[str, dict[str, str]]:
    for rule, pattern in words:
        found = pattern.search(message)
        if found:
            parts = {"kind": "", "name": "", "key": "", **{k: v for k, v in found.groupdict().items() if v}}
            parts["kind"] = _KINDS.get(parts["kind"].lower(), parts["kind"])
            return rule, parts
    return otherwise, {"kind": "", "name": "", "key": ""}


def _finding(
    world: World, pod: Obj, rule: str, parts: dict[str, str], title: str, fact: Fact, container: str, count: int
) -> Finding:
    maker = _maker(world, namespace_of(pod), parts["kind"], parts["name"])
    severity: Severity = RULES[rule].severity
    facts = [fact]
    if maker is not None:  # somebody makes it: it may come yet
        severity = "warning"
        facts.append(Fact(f"{maker['kind']} {name_of(maker)} makes it: {_state(maker)}", world.source(ref_of(maker), "status")))
    elif parts["kind"] in ("ConfigMap", "Secret") and parts["name"]:
        facts += _near(world, namespace_of(pod), parts["kind"], parts["name"], parts["key"])
    details = {"count": count, **({"container": container} if container else {}), **{k: v for k, v in parts.items() if v}}
    return Finding(
        rule, severity, title, refs(world, pod), tuple(facts), RULES[rule].title, RULES[rule].fix, details=details
    )  # fmt: skip


def _near(world: World, namespace: str, kind: str, name: str, key: str) -> list[Fact]:
    """What there is instead: the keys of the object where it is there, else the objects of its kind, nearest name first."""
    obj = world.find(kind, namespace, name, "")
    if obj is not None:
        keys = [*(obj.get("data") or {}), *(obj.get("binaryData") or {})]
        return [Fact(f"keys of {kind} {name}: {', '.join(keys) or 'none'}", str(ref_of(obj)))] if key else []
    names = [name_of(each) for each in world.of(kind) if namespace_of(each) == namespace and name_of(each) not in ALWAYS]
    names.sort(key=lambda each: -SequenceMatcher(None, each, name).ratio())
    return [Fact(f"{kind}s of {namespace}: {', '.join(names[:5])}")] if names else []


def _maker(world: World, namespace: str, kind: str, name: str) -> Obj | None:
    """The object that makes a Secret or ConfigMap, where there is one."""
    if kind not in ("Secret", "ConfigMap") or not name:
        return None
    for obj in world.of(*MAKERS):
        if namespace_of(obj) not in ("", namespace):
            continue
        own, path = name_of(obj), MAKERS[obj["kind"]]
        if name == ((dig(obj, path) if path else None) or own) or (not path and name.startswith(f"{own}-")):
            return obj
    return None


def _state(obj: Obj) -> str:
    for each in dig(obj, "status.conditions", []):
        if each.get("type") == "Ready":
            return f"Ready {each.get('status')}" + (f", {each['message']}" if each.get("message") else "")
    return "it says nothing of its state yet"
