"""`seatrial render --explain Deployment/api:spec.replicas`: the lines of the app file that a value of an object comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from seatrial.app import App, resolve
from seatrial.app.document import Path_
from seatrial.app.problems import did_you_mean
from seatrial.render.provenance import objects_of, sources
from seatrial.render.reasons import reason
from seatrial.world.objects import Obj, name_of

#: kubectl's short names of the kinds that people ask about.
SHORT = {
    "deploy": "Deployment",
    "sts": "StatefulSet",
    "svc": "Service",
    "cm": "ConfigMap",
    "hpa": "HorizontalPodAutoscaler",
    "pdb": "PodDisruptionBudget",
    "netpol": "NetworkPolicy",
    "ing": "Ingress",
    "sa": "ServiceAccount",
    "cj": "CronJob",
    "ns": "Namespace",
    "quota": "ResourceQuota",
    "vpa": "VerticalPodAutoscaler",
}
#: What is too long for one line.
WIDE = 100


def explain_object(app: App, environment: str, key: str) -> str:
    """What is said of `KIND/NAME:PATH`. Raises click.UsageError where there is no such object or path, naming the nearest."""
    title, _, path = key.partition(":")
    obj = _object(objects_of(app, environment), title, app, environment)
    steps = list(_walk(obj, path, title, key)) if path else []
    value = _get([obj], obj, steps)
    if isinstance(obj.get("stringData"), dict) and steps[:1] == ["stringData"]:
        value = "(a secret)"
    found = sources(app, environment, obj, lambda objects: _get(objects, obj, steps), steps)
    lines = [f"{obj['kind']}/{name_of(obj)} {_shown(steps)} = {_short(value)}".replace("  ", " ")]
    rows = [(f"{'.'.join(map(str, path))}: {_short(_at(app.data, path))}", f"{app.file}:{app.mark(path).line}") for path in found]
    rows += _size(app, environment, obj, steps)
    width = max((len(what) for what, _ in rows), default=0)
    lines += [f"    {what:<{width}}  {where}" for what, where in rows]
    why = reason(obj["kind"], _shown(steps))
    if why or not rows:
        lines.append(f"    {why or 'as it is in every app: no line of the file changes it'}")
    return "\n".join(lines) + "\n"


def _object(objects: Sequence[Obj], title: str, app: App, environment: str) -> Obj:
    kind, _, name = title.partition("/")
    kind = SHORT.get(kind.lower(), kind).lower()
    alike = [obj for obj in objects if obj["kind"].lower() in (kind, kind.removesuffix("s"))]
    for obj in alike:
        if name_of(obj) == name or re.sub("-[0-9a-f]{10}$", "", name_of(obj)) == name:
            return obj
    known = [f"{obj['kind']}/{name_of(obj)}" for obj in (alike or objects)]
    kinds = sorted({obj["kind"] for obj in objects})
    spelt = f"{alike[0]['kind']}/{name}" if alike else title
    hint = did_you_mean(spelt, known, "there are") if alike else did_you_mean(title.partition("/")[0], kinds, "there are")
    raise click.UsageError(f"{app.app} has no {title} in {environment}; {hint}")


def _walk(part: Any, path: str, title: str, key: str) -> Iterator[str]:
    """The steps of a path: keys, which may have dots themselves, and items of lists by number or name."""
    passed = ""
    while path := path.lstrip("."):
        if path.startswith("["):
            inside, _, rest = path[1:].partition("]")
            step = _item(part, inside.removeprefix("name=").strip("'\""))
            known = [str(name) for name in _names(part)]
            wanted = inside
        elif isinstance(part, list):
            wanted, _, rest = path.partition(".")
            step = _item(part, wanted)
            known = [str(name) for name in _names(part)]
        else:
            known = [str(name) for name in part] if isinstance(part, dict) else []
            step = max((name for name in known if re.match(rf"{re.escape(name)}(?=[.\[]|$)", path)), key=len, default="")
            wanted = re.split(r"[.\[]", path)[0]
            rest = path[len(step) :]
        if not step:
            hint = (
                did_you_mean(wanted, known, f"{passed.lstrip('.') or title} has")
                if known
                else f"{passed.lstrip('.')} has nothing below it"
            )
            raise click.UsageError(f"there is no {key!r}; {hint}")
        passed += step if step.startswith("[") else f".{step}"
        part = _child(part, step)
        path = rest
        yield step


def _item(part: Any, inside: str) -> str:
    """The step to an item of a list, by the item's name where it has one."""
    names = _names(part)
    if inside.isdecimal() and int(inside) < len(names):
        return f"[{names[int(inside)]}]"
    return f"[{inside}]" if inside in map(str, names) else ""


def _names(part: Any) -> list[str | int]:
    if not isinstance(part, list):
        return []
    return [item["name"] if isinstance(item, dict) and "name" in item else number for number, item in enumerate(part)]


def _child(part: Any, step: str) -> Any:
    if not step.startswith("["):
        return part.get(step) if isinstance(part, dict) else None
    names = [str(name) for name in _names(part)]
    return part[names.index(step[1:-1])] if step[1:-1] in names else None


def _get(objects: Sequence[Obj], like: Obj, steps: Sequence[str]) -> Any:
    """The value at the steps of the object that is called as `like` is; a migration's checksum is none of its name."""
    wanted = like["kind"], re.sub("-[0-9a-f]{10}$", "", name_of(like))
    for obj in objects:
        if (obj["kind"], re.sub("-[0-9a-f]{10}$", "", name_of(obj))) == wanted:
            part: Any = obj
            for step in steps:
                part = _child(part, step)
            return part
    return None


def _at(data: Any, path: Path_) -> Any:
    for step in path:
        data = data[step]
    return data


def _size(app: App, environment: str, obj: Obj, steps: Sequence[str]) -> list[tuple[str, str]]:
    """The size a request or limit comes from, where it is one that every app has."""
    owner = obj.get("metadata", {}).get("labels", {}).get("app.kubernetes.io/name", "")
    resolved = resolve(app, environment)
    part = resolved.services.get(owner) or resolved.stores.get(owner)
    if "resources" not in steps or part is None or not part.size:
        return []
    profile = resolved.sizes[part.size]
    said = f"sizes.{part.size}: {profile.cpu} CPU, {profile.memory}, at most {profile.limits.memory or profile.memory}"
    return [] if part.size in app.sizes else [(said, "a size that every app has")]


def _shown(steps: Sequence[str]) -> str:
    return "".join(step if step.startswith("[") else f".{step}" for step in steps).lstrip(".")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = " ".join(text.split())
    return text if len(text) <= WIDE else f"{text[: WIDE - 1]}…"
