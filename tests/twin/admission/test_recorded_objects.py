"""The recorded objects of a real server: completed as it completed them, refused in its words."""

from __future__ import annotations

from admitted import RESOURCES, masked, recorded, registry, send

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.registry import Registry
from seatrial.world.objects import Obj

DEFAULTS, INVALID = recorded("defaults.json"), recorded("invalid.json")
#: Answered by the API server in the version asked for, which is the conversion's part and tested there.
CONVERTED = {("autoscaling/v1", "HorizontalPodAutoscaler")}


def completed_alike(entry: Obj, to: Registry) -> bool:
    wanted = {**entry["response"], "metadata": {**entry["response"]["metadata"]}}
    wanted["metadata"].pop("managedFields", None)
    return masked(send(to, entry["request"], dry_run=True)) == wanted


def test_recorded_objects_are_completed_as_the_server_completed_them() -> None:
    to = registry()
    different = [
        (entry["request"]["apiVersion"], entry["request"]["kind"]) for entry in DEFAULTS if not completed_alike(entry, to)
    ]
    print(f"defaults: {len(DEFAULTS) - len(different)} of {len(DEFAULTS)}")
    assert set(different) <= CONVERTED


def causes(status: Obj) -> list[tuple[str, str, str]]:
    listed = (status.get("details") or {}).get("causes") or []
    return sorted((c["reason"], c.get("field", ""), c["message"].replace("10.0.0.0/16", "<cluster-ip>/16")) for c in listed)


def answer(entry: Obj, to: Registry) -> tuple[int, str, list[tuple[str, str, str]], str]:
    """Code, reason, causes, and the message where there are no causes."""
    parts = entry["path"].strip("/").split("/")
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    resource = RESOURCES.at(group, version, parts[-1])
    try:
        send(to, entry["request"], resource, dry_run=True)
    except ApiError as error:
        status = error.status()
        return error.code, error.reason, causes(status), "" if causes(status) else error.message
    return 201, "", [], ""


def test_recorded_mistakes_are_refused_in_the_servers_words() -> None:
    to = registry()
    different = []
    for number, entry in enumerate(INVALID):
        response = entry["response"]
        refused = entry["status"] >= 400
        said = causes(response) if refused else []
        wanted = (
            entry["status"],
            response["reason"] if refused else "",
            said,
            "" if said or not refused else response["message"],
        )
        if answer(entry, to) != wanted:
            different.append((number, entry["path"], response.get("message")))
    print(f"invalid: {len(INVALID) - len(different)} of {len(INVALID)}")
    assert not different
