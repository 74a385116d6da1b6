"""Pod Security: who is let in at which level, in the recorded words of session 03 and those of the checks."""

from __future__ import annotations

import pytest
from admitted import container, pod, refused, registry, send

from seatrial.twin.errors import ApiError
from seatrial.twin.registry.options import Options
from seatrial.twin.registry.registry import Registry
from seatrial.world.admission.pod_checks import violations
from seatrial.world.objects import Obj, clone

PREFIX = "pod-security.kubernetes.io/"
GOOD = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
#: What the recorded server said of a pod that sets nothing at all.
UNSET = (
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false),'
    ' unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]),'
    ' runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true),'
    ' seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)


def label(to: Registry, warnings: list[str] | None = None, **levels: str) -> None:
    namespace = clone(to.get("namespaces", "", "default"))
    for mode, level in levels.items():
        namespace["metadata"]["labels"][PREFIX + mode.replace("_", "-")] = level
    to.update("namespaces", namespace, Options(warnings=warnings))


def test_a_namespace_without_labels_lets_everything_in() -> None:
    warnings: list[str] = []
    send(registry(), pod(hostNetwork=True), warnings=warnings)
    assert warnings == []


def test_restricted_refuses_in_the_recorded_words() -> None:
    to = registry()
    label(to, enforce="restricted")
    assert refused(to, pod("baseline")) == f'pods "baseline" is forbidden: violates PodSecurity "restricted:latest": {UNSET}'
    root = pod("root", hostNetwork=True, containers=[container(securityContext={"privileged": True})])
    assert refused(to, root) == (
        'pods "root" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true), privileged'
        f' (container "c" must not set securityContext.privileged=true), {UNSET}'
    )
    send(to, pod("good", containers=[container(securityContext=GOOD)]))


def test_a_level_that_is_raised_warns_of_the_pods_already_there() -> None:
    to = registry()
    for name in ("many-b", "many-a", "many-c"):
        send(to, pod(name))
    warnings: list[str] = []
    label(to, warnings, enforce="restricted")
    assert warnings == [
        'existing pods in namespace "default" violate the new PodSecurity enforce level "restricted:latest"',
        "many-a (and 2 other pods): allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true,"
        " seccompProfile",
    ]


def test_warn_lets_in_and_warns_and_workloads_are_warned_of_their_template() -> None:
    to = registry()
    label(to, warn="restricted")
    warnings: list[str] = []
    send(to, pod(), warnings=warnings)
    assert warnings == [f'would violate PodSecurity "restricted:latest": {UNSET}']
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    warnings.clear()
    send(to, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}, warnings=warnings)
    assert warnings == [f'would violate PodSecurity "restricted:latest": {UNSET}']


def test_a_label_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ApiError) as error:
        label(registry(), enforce="strict", warn_version="1.30")
    assert error.value.code == 422
    causes = {cause["field"]: cause["message"] for cause in error.value.status()["details"]["causes"]}
    assert causes == {
        f"metadata.labels[{PREFIX}enforce]": 'Invalid value: "strict": must be one of privileged, baseline, restricted',
        f"metadata.labels[{PREFIX}warn-version]": 'Invalid value: "1.30": must be "latest" or "v1.x"',
    }


def test_a_pod_whose_images_stay_is_not_looked_at_again() -> None:
    to = registry()
    made = send(to, pod())
    label(to, enforce="restricted")
    changed = clone(made)
    changed["metadata"]["labels"] = {"a": "b"}
    to.update("pods", changed)
    changed = clone(to.get("pods", "default", "web"))
    changed["spec"]["containers"][0]["image"] = "busybox:2"
    with pytest.raises(ApiError, match='violates PodSecurity "restricted:latest"'):
        to.update("pods", changed)


def secured(context: Obj, **spec: object) -> Obj:
    return pod(containers=[container(securityContext={**GOOD, **context})], **spec)


@pytest.mark.parametrize(
    ("level", "minor", "given", "said"),
    [
        ("baseline", 36, pod(hostPID=True, hostIPC=True), ("host namespaces", "hostPID=true, hostIPC=true")),
        (
            "baseline",
            36,
            pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
            ("hostPath volumes", 'volume "v"'),
        ),
        (
            "baseline",
            36,
            pod(containers=[container("a", ports=[{"hostPort": 80}]), container("b", ports=[{"hostPort": 81}])]),
            ("hostPort", 'containers "a", "b" use hostPorts 80, 81'),
        ),
        (
            "baseline",
            36,
            pod(containers=[container(securityContext={"capabilities": {"add": ["NET_RAW", "CHOWN"]}})]),
            (
                "non-default capabilities",
                'container "c" must not include "NET_RAW" in securityContext.capabilities.add',
            ),
        ),
        (
            "baseline",
            36,
            pod(containers=[container(livenessProbe={"httpGet": {"port": 80, "host": "1.2.3.4"}})]),
            ("probe or lifecycle host", 'container "c" uses probe or lifecycle host "1.2.3.4"'),
        ),
        (
            "baseline",
            36,
            pod(securityContext={"seccompProfile": {"type": "Unconfined"}}),
            ("seccompProfile", 'pod must not set securityContext.seccompProfile.type to "Unconfined"'),
        ),
        (
            "baseline",
            36,
            pod(securityContext={"seLinuxOptions": {"type": "spc_t", "user": "u"}}),
            ("seLinuxOptions", 'pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set'),
        ),
        (
            "baseline",
            36,
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            ("forbidden sysctls", "kernel.msgmax"),
        ),
        (
            "baseline",
            26,
            pod(securityContext={"sysctls": [{"name": "net.ipv4.ip_local_reserved_ports", "value": "1"}]}),
            ("forbidden sysctls", "net.ipv4.ip_local_reserved_ports"),
        ),
        (
            "restricted",
            36,
            secured({}, volumes=[{"name": "n", "nfs": {"server": "s", "path": "/"}}]),
            ("restricted volume types", 'volume "n" uses restricted volume type "nfs"'),
        ),
        (
            "restricted",
            36,
            secured({"runAsUser": 0}, securityContext={"runAsUser": 0}),
            ("runAsUser=0", 'pod and container "c" must not set runAsUser=0'),
        ),
        (
            "restricted",
            36,
            secured({"runAsNonRoot": False}),
            ("runAsNonRoot != true", 'container "c" must not set securityContext.runAsNonRoot=false'),
        ),
    ],
)
def test_each_check_says_what_it_found(level: str, minor: int, given: Obj, said: tuple[str, str]) -> None:
    assert violations(level, minor, given) == [said]


@pytest.mark.parametrize(
    ("minor", "given"),
    [
        (26, pod(hostPID=False)),
        (33, pod(containers=[container(livenessProbe={"tcpSocket": {"port": 80, "host": "1.2.3.4"}})])),
        (36, pod(hostUsers=False, containers=[container(securityContext={"procMount": "Unmasked"})])),
        (36, pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]})),
    ],
)
def test_what_a_version_of_the_baseline_lets_in(minor: int, given: Obj) -> None:
    assert violations("baseline", minor, given) == []


def test_windows_pods_need_not_say_what_only_linux_has() -> None:
    windows = secured({}, os={"name": "windows"})
    windows["spec"]["containers"][0]["securityContext"] = {"runAsNonRoot": True}
    assert violations("restricted", 36, windows) == []
    assert len(violations("restricted", 24, windows)) == 3
