"""Patches of what runs: as commands that a person may paste into a shell, and applied to the cluster where that is asked for.

Each begins with tests of what it is going to change, so that an object that has changed meanwhile is refused by the API server
and left as it is.  Files are mended elsewhere (`mending`).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from seatrial.world.json_patch import steps_of
from seatrial.world.objects import Obj, Ref, annotations_of, labels_of

if TYPE_CHECKING:
    from seatrial.cluster.client import Client
    from seatrial.rules.finding import Finding
    from seatrial.world.world import World

#: Exit codes: the API server refuses us, it did not take a patch, it does not answer.
REFUSED, FAILED, AWAY = 10, 1, 50
#: Marks of whoever keeps an object as it was written: (label or annotation, who that is).
_KEEPERS = (
    ("meta.helm.sh/release-name", "Helm release"),
    ("argocd.argoproj.io/tracking-id", "Argo CD application"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux release"),
)


def guarded(obj: Obj, operations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The operations, after tests of the values that they replace, and of the names of the items that they pass through."""
    tests: dict[str, Any] = {}
    for each in operations:
        for key in ("path", "from") if obj.get("kind") != "Secret" else ():
            here: Any = obj
            walked = ""
            for step in steps_of(each[key]) if key in each else ():
                if isinstance(here, list):
                    here = here[int(step)] if step.isdigit() and int(step) < len(here) else None
                else:
                    here = here.get(step) if isinstance(here, dict) else None
                walked += "/" + step.replace("~", "~0").replace("/", "~1")
                if isinstance(here, dict) and step.isdigit() and isinstance(here.get("name"), str):
                    tests[f"{walked}/name"] = here["name"]
            if each["op"] == "replace" and not isinstance(here, (dict, list)) and here is not None:
                tests[walked] = here
    return [*({"op": "test", "path": path, "value": value} for path, value in tests.items()), *operations]


def kubectl(part: dict[str, Any], flags: Sequence[str] = ()) -> str:
    """A part of a patch as a command for a shell; `flags` lead kubectl to the cluster."""
    ref = part["ref"]
    kind = ref["kind"].lower() + (f".{ref['group']}" if ref["group"] else "")
    words = ["kubectl", *flags, "patch", kind, ref["name"], *(["-n", ref["namespace"]] if ref["namespace"] else [])]
    return shlex.join([*words, "--type=json", "-p", json.dumps(part["operations"])])


def kept_by(obj: Obj) -> str:
    """Who made an object and may undo what is changed in it by hand; "" where nobody says so."""
    marks = {**labels_of(obj), **annotations_of(obj)}
    for key, who in _KEEPERS:
        if marks.get(key):
            return f"{who} {str(marks[key]).partition(':')[0]}"
    return ""


def told(
    world: World, findings: Iterable[Finding], flags: Sequence[str], clean: Callable[[str], str]
) -> list[tuple[Finding, list[dict[str, Any]], list[str]]]:
    """Each finding with the parts of its patch, guarded, and the lines that tell them: a comment, and a command for each."""
    found = []
    for finding in findings:
        lines, parts = ["", _comment(clean(finding.title))], []
        for part in finding.patch:
            obj = world.get(Ref(**part["ref"])) or {}
            guard = {"ref": part["ref"], "operations": guarded(obj, part["operations"])}
            if keeper := kept_by(obj):
                lines.append(_comment(f"{keeper} keeps this object: change it there too, or the next change there undoes this"))
            lines.append(kubectl(guard, flags))
            parts.append(guard)
        found.append((finding, parts, lines))
    return found


def _comment(text: str) -> str:
    """A line that a shell passes over, whatever is in it."""
    return "# " + " ".join(text.split())


async def apply(client: Client, wanted: Sequence[tuple[str, list[dict[str, Any]]]]) -> int:
    """Apply patches, each told with its title, the others also where one fails; the exit code, 0 where all were taken."""
    from seatrial.cluster.api import Api
    from seatrial.cluster.client import ClusterError

    api = Api(client)
    served = await api.served()
    code = 0
    for title, parts in wanted:
        try:
            for part in parts:
                ref = Ref(**part["ref"])
                resource = served.of_ref(ref)
                if resource is None:
                    raise ClusterError(f"the cluster does not serve {ref.kind}")
                await api.patch(resource, ref.namespace, ref.name, part["operations"])
        except ClusterError as error:
            words = str(error)
            if error.code == 409 or (error.code == 422 and "rejected our request" in words):  # what a test that fails is told as
                words = f"it has changed since it was read, and is left as it is: {words}"
            click.echo(f"failed  {title}: {' '.join(words.split())}", err=True)
            if error.code == 0 and "does not serve" not in words:
                return AWAY
            code = REFUSED if error.code in (401, 403) else code or FAILED
        else:
            click.echo(f"mended  {title}", err=True)
    return code
