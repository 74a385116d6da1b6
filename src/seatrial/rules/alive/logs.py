# ruff: noqa: E501 - a line of the table is one saying
"""What containers that run complain of in their logs: rights that they lack, proven with the roles; errors that go on.

They speak only where the time is known (`facts["now"]`), so a release that follows its pods hears nothing from here.  Calls that
fail are for `traffic`, programs that end for `crash`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.rules.alive.log_lines import Printed, alike, errors, goes_on, printed
from seatrial.rules.alive.pods import Container, containers, is_going, is_over, named, refs, whose
from seatrial.rules.alive.telling import status, told
from seatrial.rules.alive.traffic import failing
from seatrial.rules.finding import Fact, Finding, Rule, check
from seatrial.world.objects import Obj, Ref, dig, namespace_of
from seatrial.world.world import World, short

RULES = {
    rule.id: rule
    for rule in (
        Rule("log-forbidden", "error", "a container asks the API server for what its service account may not do", "What the program does with the cluster does not happen: it sees nothing, or changes nothing.",
             "Give the service account a Role with this verb on this resource, by a RoleBinding in the namespace that is asked."),
        Rule("log-errors", "warning", "a container that runs reports errors, again and again", "It looks well to Kubernetes, and part of what it should do fails.",
             "Its own words say what fails; the lines before the first of them, since when."),
    )
}  # fmt: skip
#: How the API server refuses (k8s.io/apiserver, pkg/endpoints/handlers/responsewriters/errors.go).
FORBIDDEN = re.compile(
    r"User \\?\"system:serviceaccount:(?P<space>[\w.-]+):(?P<account>[\w.-]+)\\?\" cannot (?P<verb>\w+) resource \\?\"(?P<resource>[\w./-]+)\\?\""
    r" in API group \\?\"(?P<group>[\w.-]*)\\?\"(?: in the namespace \\?\"(?P<where>[\w.-]+)\\?\")?"
)
#: A part of the recent lines above which errors are no exception.
MANY = 0.2
#: So many different errors are quoted.
QUOTED = 4


@check("Pod", rules=RULES.values(), live=True)
def complaints(world: World, pod: Obj) -> Iterator[Finding]:
    """Of containers that run, each with what it complains of most; those that end say it by ending."""
    if "now" not in world.facts or is_going(pod) or is_over(pod):
        return
    for container in containers(pod):
        said = printed(world, container)
        if not said.lines:
            continue
        finding = _forbidden(world, container, said)
        if finding is None and not said.ended and container.running is not None and failing(world, container, said) is None:
            finding = _errors(world, container, said)
        if finding is not None:
            yield finding


def _forbidden(world: World, container: Container, said: Printed) -> Finding | None:
    matched = [(place, found) for place, line in enumerate(said.lines) if (found := FORBIDDEN.search(line))]
    if not matched or not (said.ended or goes_on([place for place, _ in matched], said.lines)):
        return None
    place, found = matched[-1]
    account, verb, resource, group = found["account"], found["verb"], found["resource"], found["group"] or ""
    where = found["where"] or ""
    what = f"{verb} {resource}{f'.{group}' if group else ''}"
    facts, about, why, fix = _rights(world, found["space"], account, verb, resource, where)
    title = f"{named(container)} of {whose(world, container.pod)} may not {what}{f' in {where}' if where else ''}: {why}"
    lines = [Fact(said.lines[place].strip(), said.source), *facts]
    objects: list[Obj | Ref] = [*refs(world, container.pod), *about]
    return told(RULES["log-forbidden"], title, objects, lines, fix=fix, container=container.name)


def _rights(
    world: World, space: str, account: str, verb: str, resource: str, where: str
) -> tuple[list[Fact], list[Obj], str, str]:
    """What is known of the rights of a service account: (facts, objects, why in words, what to do)."""
    rule = RULES["log-forbidden"]
    bindings = [each for each in world.of("RoleBinding", "ClusterRoleBinding") if namespace_of(each) in ("", where or space)]
    bound = [each for each in bindings if _names(each, space, account)]
    asked = f"a Role with verb {verb} on {resource}"
    if not bound:
        near = [each for each in bindings if _is_strange(world, each, space)]
        facts = [status(world, each, "subjects", f"{short(each)} binds {_subjects(each)}") for each in near[:3]]
        if near:
            why = f"{short(near[0])} binds {_subjects(near[0])}, and not service account {account}"
            return (
                facts,
                near[:1],
                why,
                f"Name service account {account} among the subjects of {short(near[0])}, and let its Role have verb {verb} on {resource}.",
            )
        why = f"nothing is bound to service account {account}"
        return [], [], why, f"Bind {asked} to service account {account}." if account != "default" else rule.fix
    roles = [role for each in bound if (role := _role(world, each)) is not None]
    facts = [status(world, role, "rules", f"{short(role)} permits {_permits(role, resource)}") for role in roles]
    if roles:
        why = f"{short(roles[0])} permits {_permits(roles[0], resource)}"
        return facts, roles, why, f"Add verb {verb} on {resource} to {short(roles[0])}."
    facts = [status(world, each, "roleRef", f"{short(each)} refers to {dig(each, 'roleRef.kind')} {dig(each, 'roleRef.name')}") for each in bound]  # fmt: skip
    return facts, [], f"its roles do not permit it ({', '.join(map(short, bound))})", rule.fix


def _names(binding: Obj, space: str, account: str) -> bool:
    return any(
        each.get("kind") == "ServiceAccount"
        and each.get("name") == account
        and each.get("namespace", namespace_of(binding)) == space
        for each in binding.get("subjects") or ()
    )


def _is_strange(world: World, binding: Obj, space: str) -> bool:
    """Whether a binding of the namespace names a service account that is not there: it was meant for another."""
    subjects = [each for each in binding.get("subjects") or () if each.get("kind") == "ServiceAccount"]
    here = [each for each in subjects if each.get("namespace", namespace_of(binding)) == space]
    return bool(here) and not any(world.find("ServiceAccount", space, str(each.get("name"))) for each in here)


def _subjects(binding: Obj) -> str:
    return ", ".join(f"{each.get('kind', '')} {each.get('name', '')}" for each in binding.get("subjects") or ()) or "nobody"


def _role(world: World, binding: Obj) -> Obj | None:
    kind, name = str(dig(binding, "roleRef.kind", "")), str(dig(binding, "roleRef.name", ""))
    return world.find(kind, namespace_of(binding) if kind == "Role" else "", name)


def _permits(role: Obj, resource: str) -> str:
    """The verbs that a role permits on a resource, and on others where there are none."""
    verbs = [verb for rule in role.get("rules") or () if resource in (rule.get("resources") or ()) for verb in rule.get("verbs") or ()]  # fmt: skip
    if verbs:
        return f"{', '.join(dict.fromkeys(verbs))} on {resource}"
    others = [name for rule in role.get("rules") or () for name in rule.get("resources") or ()]
    return f"nothing on {resource}" + (f", only on {', '.join(dict.fromkeys(others))}" if others else "")


def _errors(world: World, container: Container, said: Printed) -> Finding | None:
    found = list(errors(said.lines))
    if not goes_on([place for place, _ in found], said.lines):
        return None
    kinds: dict[str, list[str]] = {}
    for _, line in found:
        kinds.setdefault(alike(line), []).append(line)
    most = sorted(kinds.values(), key=len, reverse=True)
    if len(found) < 3 and len(said.lines) > 3:
        return None
    often = len(found) / len(said.lines)
    facts = [Fact(f"{lines[-1]}" + (f" ({len(lines)} times)" if len(lines) > 1 else ""), said.source) for lines in most[:QUOTED]]
    facts.append(Fact(f"{len(found)} of its last {len(said.lines)} lines are errors", said.source))
    title = f"{named(container)} of {whose(world, container.pod)} runs, and reports errors: {most[0][-1][:160]}"
    severity = RULES["log-errors"].severity if often >= MANY else "note"
    return told(RULES["log-errors"], title, refs(world, container.pod), facts, severity=severity, container=container.name)
