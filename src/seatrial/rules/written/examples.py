"""Manifests for the examples of rules: what every workload has, with the few lines that an example is about.

The examples are shown in the rules' pages and run as their tests; a container's image and name stand here, once.
"""

from __future__ import annotations

import textwrap

from seatrial.world.patterns import pattern

IMAGE = "image: registry.example/api:1.4.2"


_MANY = pattern(r"<(\d+) characters>")


def spelled(text: str) -> str:
    """An example with the many characters that its `<1100000 characters>` stand for."""
    return _MANY.sub(lambda found: "x" * int(found[1]), text)


def dedent(text: str) -> str:
    """As textwrap has it; nearly all examples are of one line, and all of them are made whenever the rules are imported."""
    return textwrap.dedent(text) if "\n" in text else text.strip()


def indent(text: str, by: str) -> str:
    return textwrap.indent(text, by) if "\n" in text else by + text if text else ""


def lines(text: str, by: int) -> str:
    return indent(dedent(text).strip("\n"), " " * by)


def container(fields: str, *, pod: str = "", spec: str = "", kind: str = "Deployment") -> str:
    """A workload with one container of these fields; `pod` are further fields of its pod spec, `spec` of its spec."""
    own = dedent(fields).strip("\n")
    if not any(line.startswith("image:") for line in own.splitlines()):
        own = f"{IMAGE}\n{own}".rstrip("\n")
    first = f"- name: api\n{indent(own, '  ')}"
    parts = [
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: api\n  namespace: shop\nspec:",
        lines(spec, 2),
        "  selector:\n    matchLabels: {app: api}\n  template:\n    metadata:\n      labels: {app: api}\n    spec:",
        lines(pod, 6),
        "      containers:",
        indent(first, " " * 8),
    ]
    return "\n".join(part for part in parts if part.strip()) + "\n"


def job(fields: str = "", *, spec: str = "", pod: str = "restartPolicy: Never") -> str:
    """A Job with one container."""
    parts = [
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  namespace: shop\nspec:",
        lines(spec, 2),
        "  template:\n    spec:",
        lines(pod, 6),
        f"      containers:\n        - name: migrate\n          {IMAGE}",
        lines(fields, 10),
    ]
    return "\n".join(part for part in parts if part.strip()) + "\n"


def cronjob(fields: str, *, job: str = "") -> str:
    """A CronJob with these fields in its spec; `job` are fields of its Job's spec."""
    parts = [
        "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: report\n  namespace: shop\nspec:",
        lines(fields, 2),
        "  jobTemplate:\n    spec:",
        lines(job, 6),
        f"      template:\n        spec:\n          restartPolicy: Never\n          containers:\n"
        f"            - name: report\n              {IMAGE}",
    ]
    return "\n".join(part for part in parts if part.strip()) + "\n"


def manifest(api_version: str, kind: str, body: str, *, name: str = "api", namespace: str = "shop") -> str:
    """Any object: its head, and the rest as given."""
    where = f"\n  namespace: {namespace}" if namespace else ""
    head = f"apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}{where}\n"
    return head + dedent(body).strip("\n") + "\n"


def together(*documents: str) -> str:
    """Several manifests as one stream."""
    return "---\n".join(documents)
