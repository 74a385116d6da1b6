"""The API server on a port, and the clients people use: kubectl, Helm and the kubernetes package."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import uvloop

import tools
from seatrial.twin.admission.chain import standard
from seatrial.twin.api import certificates, serving
from seatrial.twin.api.app import Api
from seatrial.twin.api.authentication import admin
from seatrial.twin.clock import RealClock
from seatrial.twin.kubelet.runtime import ExecResult
from seatrial.twin.kubelet.streaming import ExecStream, Output
from seatrial.twin.registry.bootstrap import bootstrap
from seatrial.twin.registry.registry import Registry
from seatrial.twin.registry.resources import ResourceTable, builtin_resources
from seatrial.twin.store import Store
from seatrial.world.objects import Obj

CHART = Path(__file__).parents[2] / "fidelity/recordings/charts/shop"
TOKEN = "t0k3n"

Done = Callable[[ExecResult], None]

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: twin
clusters: [{{name: twin, cluster: {{server: {url}, certificate-authority-data: {authority}}}}}]
users: [{{name: admin, user: {{token: {token}}}}}]
contexts: [{{name: twin, context: {{cluster: twin, user: admin}}}}]
"""


class Shouting:
    """A kubelet that knows two commands: one says its input louder, one fails."""

    def exec_stream(
        self, pod: Obj, container: str, command: tuple[str, ...], output: Output, done: Done, **how: bool
    ) -> ExecStream:
        return Shout(command, output, done)


class Shout:
    def __init__(self, command: tuple[str, ...], output: Output, done: Done) -> None:
        self._output, self._done = output, done
        if command == ("fail",):
            done(ExecResult(3, ""))

    def write(self, data: bytes) -> None:
        self._output(1, data.upper())

    def close_stdin(self) -> None:
        self._done(ExecResult(0, ""))

    def resize(self, width: int, height: int) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Server:
    kubeconfig: Path

    def run(self, *command: str, stdin: str = "", fails: bool = False) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HELM_NO_PLUGINS": "1"}
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, env=environment, timeout=60)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def kubectl(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        return self.run(tools.kubectl(), *arguments, stdin=stdin, fails=fails)

    def helm(self, *arguments: str) -> str:
        return self.run(tools.helm(), *arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server with an empty cluster behind it: no controllers, no kubelet."""
    folder, started, stop = tmp_path_factory.mktemp("twin"), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def life() -> None:
        registry = Registry(Store(), RealClock(), ResourceTable(builtin_resources()), admission=standard())
        bootstrap(registry)
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
        registry.create("serviceaccounts", account)
        issuer = certificates.authority()
        files = certificates.write(folder / "pki", issuer, certificates.server(issuer))
        api = Api(registry, {TOKEN: admin()}, commands=Shouting())
        served = await serving.serve(api, certfile=files.certificate, keyfile=files.key, authority=files.authority)
        for name, groups in {"anna": ["crew", "deck"], "boss": ["system:masters"]}.items():
            pair = certificates.client(issuer, name, groups)
            (folder / f"{name}.crt").write_bytes(pair.certificate)
            (folder / f"{name}.key").write_bytes(pair.key)
        stranger = certificates.client(certificates.authority(), "boss", ["system:masters"])
        (folder / "stranger.crt").write_bytes(stranger.certificate)
        (folder / "stranger.key").write_bytes(stranger.key)
        authority = base64.b64encode(issuer.certificate).decode()
        (folder / "kubeconfig").write_text(KUBECONFIG.format(url=served.url, authority=authority, token=TOKEN))
        loops.append(asyncio.get_running_loop())
        started.set()
        await stop.wait()
        await served.stop()

    thread = threading.Thread(target=uvloop.run, args=(life(),))
    thread.start()
    assert started.wait(20)
    yield Server(folder / "kubeconfig")
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(20)
    assert not thread.is_alive()


def test_the_files_of_a_server_are_its_owners_alone(server: Server) -> None:
    folder = server.kubeconfig.parent / "pki"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_kubectl_lives_with_an_object(server: Server) -> None:
    assert server.kubectl("create", "namespace", "one") == "namespace/one created\n"
    assert (
        server.kubectl("-n", "one", "create", "deployment", "web", "--image=busybox", "--replicas=2")
        == "deployment.apps/web created\n"
    )
    assert server.kubectl("-n", "one", "scale", "deployment/web", "--replicas=3") == "deployment.apps/web scaled\n"
    assert server.kubectl("-n", "one", "label", "deployment/web", "tier=front") == "deployment.apps/web labeled\n"
    assert server.kubectl("-n", "one", "set", "env", "deployment/web", "A=1") == "deployment.apps/web env updated\n"
    shown = server.kubectl("-n", "one", "get", "deployment", "web", "--no-headers", "-o", "wide").split()
    assert shown[:4] + shown[5:] == ["web", "0/3", "0", "0", "busybox", "busybox", "app=web"]
    assert "A: 1" in " ".join(server.kubectl("-n", "one", "describe", "deployment", "web").split())
    assert server.kubectl("-n", "one", "delete", "deployment", "web") == 'deployment.apps "web" deleted from one namespace\n'
    said = server.kubectl("-n", "one", "get", "deployment", "web", fails=True)
    assert said == 'Error from server (NotFound): deployments.apps "web" not found\n'


def test_kubectl_apply_from_both_sides(server: Server) -> None:
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: both}, data: {a: '1'}}"
    assert server.kubectl("apply", "-f", "-", stdin=manifest) == "configmap/both created\n"
    assert server.kubectl("apply", "-f", "-", stdin=manifest) == "configmap/both unchanged\n"
    changed = manifest.replace("'1'", "'2'")
    assert "conflict with" in server.kubectl(
        "apply", "--server-side", "--field-manager=other", "-f", "-", stdin=changed, fails=True
    )
    forced = ("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-")
    assert server.kubectl(*forced, stdin=changed) == "configmap/both serverside-applied\n"
    assert server.kubectl("get", "configmap", "both", "-o", "jsonpath={.data.a}") == "2"
    misspelt = server.kubectl(
        "create", "-f", "-", stdin="{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, dat: {}}", fails=True
    )
    assert 'strict decoding error: unknown field "dat"' in misspelt


def test_kubectl_waits_for_what_a_watch_tells(server: Server) -> None:
    server.kubectl("create", "configmap", "going")
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
    command = [tools.kubectl(), "get", "configmaps", "-w", "--no-headers", "--field-selector=metadata.name=going"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().split()[:2] == ["going", "0"]
        patch = '{"data":{"a":"1"}}'
        server.kubectl("patch", "configmap", "going", "--type=merge", "-p", patch)
        assert watch.stdout.readline().split()[:2] == ["going", "1"]
        watch.terminate()


def test_kubectl_finds_its_way_about(server: Server) -> None:
    assert "v1.36." in server.kubectl("version")
    assert server.kubectl("get", "--raw", "/readyz") == "ok"
    resources = server.kubectl("api-resources", "--no-headers", "-o", "name").split()
    assert {"pods", "deployments.apps", "horizontalpodautoscalers.autoscaling", "leases.coordination.k8s.io"} <= set(resources)
    assert {"v1", "apps/v1", "autoscaling/v1", "autoscaling/v2"} <= set(server.kubectl("api-versions").split())
    assert "maxSurge" in server.kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    assert server.kubectl("auth", "can-i", "create", "deployments") == "yes\n"
    assert server.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == "admin"
    assert server.kubectl("create", "token", "default").startswith("eyJ")


def test_a_certificate_comes_before_the_token_of_a_kubeconfig(server: Server) -> None:
    shown = server.kubeconfig.parent / "anna"
    flags = (f"--client-certificate={shown}.crt", f"--client-key={shown}.key")
    assert server.kubectl("auth", "whoami", *flags, "-o", "jsonpath={.status.userInfo.username}") == "anna"


def test_kubectl_shows_a_certificate(server: Server) -> None:
    folder, url = server.kubeconfig.parent, server.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
    place = (f"--server={url}", f"--certificate-authority={folder / 'pki' / 'ca.crt'}")

    def by(name: str) -> tuple[str, ...]:
        return (
            "--kubeconfig=/dev/null",
            *place,
            f"--client-certificate={folder / name}.crt",
            f"--client-key={folder / name}.key",
        )

    assert (
        server.kubectl("auth", "whoami", "-o", "jsonpath={.status.userInfo.groups}")
        == '["system:masters","system:authenticated"]'
    )
    told = server.kubectl("auth", "whoami", *by("anna"), "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}")
    assert told == 'anna ["crew","deck","system:authenticated"]'
    assert server.kubectl("auth", "whoami", *by("boss"), "-o", "jsonpath={.status.userInfo.username}") == "boss"
    assert server.kubectl("get", "secrets", *by("anna"), fails=True) == (
        'Error from server (Forbidden): secrets is forbidden: User "anna" cannot list resource "secrets" in API group ""'
        ' in the namespace "default"\n'
    )
    server.kubectl("create", "rolebinding", "deck", "--clusterrole=view", "--group=deck")
    assert server.kubectl("get", "pods", *by("anna"), "-o", "name") == ""
    server.kubectl("create", "secret", "generic", "deep", *by("boss"))
    refused = server.kubectl("get", "pods", *by("stranger"), fails=True)
    # the handshake ends there; whether kubectl sees the alert, the end or the reset first is the network's choice
    assert any(word in refused for word in ("unknown certificate authority", "EOF", "connection reset")), refused


def test_kubectl_asks_what_may_be_done(server: Server) -> None:
    as_otto = ("--as=otto", "--as-group=watch")
    server.kubectl("create", "role", "looker", "--verb=get,list", "--resource=pods,pods/log")
    server.kubectl("create", "rolebinding", "watch-looks", "--role=looker", "--group=watch")
    assert server.kubectl("auth", "can-i", "list", "pods", *as_otto) == "yes\n"
    assert server.kubectl("auth", "can-i", "get", "pods", "--subresource=log", *as_otto) == "yes\n"
    listed = [line.split()[0] for line in server.kubectl("auth", "can-i", "--list", "--no-headers", *as_otto).splitlines()]
    assert {"pods", "pods/log", "selfsubjectreviews.authentication.k8s.io"} <= set(listed)
    said = server.kubectl("create", "role", "more", "--verb=create", "--resource=roles", *as_otto, fails=True)
    assert 'User "otto" cannot create resource "roles" in API group "rbac.authorization.k8s.io"' in said
    server.kubectl("create", "role", "author", "--verb=create,get,update,patch", "--resource=roles.rbac.authorization.k8s.io")
    server.kubectl("create", "rolebinding", "otto-writes", "--role=author", "--user=otto")
    said = server.kubectl("create", "role", "more", "--verb=delete", "--resource=pods", *as_otto, fails=True)
    assert (
        'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}' in said
    )
    manifest = server.kubectl(
        "create", "role", "looker", "-n", "default", "--verb=get,list", "--resource=pods", "--dry-run=client", "-o", "yaml"
    )
    assert "reconciled" in server.kubectl("auth", "reconcile", "-f", "-", stdin=manifest)


def test_helm_installs_upgrades_and_takes_away(server: Server) -> None:
    assert server.helm("list", "-o", "json") == "[]\n"
    server.helm("install", "shop", str(CHART))
    server.helm("upgrade", "shop", str(CHART), "--set", "greeting=hi")
    assert server.kubectl("get", "configmap", "shop-conf", "-o", "jsonpath={.data}") == '{"greeting":"hi"}'
    history = server.helm("history", "shop")
    assert [line.split()[0] for line in history.splitlines()[1:]] == ["1", "2"]
    assert server.helm("uninstall", "shop") == 'release "shop" uninstalled\n'
    assert server.kubectl("get", "deployments,services", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name") == ""


def test_kubectl_runs_commands_and_forwards_ports(server: Server) -> None:
    server.kubectl("run", "box", "--image=busybox")
    patch = '{"status":{"phase":"Running","podIP":"127.0.0.1","containerStatuses":[%s]}}'
    running = '{"name":"box","image":"","imageID":"","ready":true,"restartCount":0,"containerID":"x://1","state":{"running":{}}}'
    binding = '{"apiVersion":"v1","kind":"Binding","metadata":{"name":"box"},"target":{"kind":"Node","name":"n"}}'
    server.kubectl("create", "--raw", "/api/v1/namespaces/default/pods/box/binding", "-f", "-", stdin=binding)
    server.kubectl("patch", "pod", "box", "--subresource=status", "--type=merge", "-p", patch % running)
    assert server.kubectl("exec", "-i", "box", "--", "shout", stdin="hello") == "HELLO"
    assert "command terminated with exit code 3" in server.kubectl("exec", "box", "--", "fail", fails=True)
    with socket.create_server(("127.0.0.1", 0)) as pod_port:
        command = [tools.kubectl(), "port-forward", "pod/box", f":{pod_port.getsockname()[1]}"]
        environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as forward:
            assert forward.stdout is not None
            port = int(forward.stdout.readline().split(":")[1].split()[0])
            with socket.create_connection(("127.0.0.1", port), 10) as ours:
                ours.sendall(b"ping")
                theirs, _ = pod_port.accept()
                with theirs:
                    assert theirs.recv(4) == b"ping"
                    theirs.sendall(b"pong")
                assert ours.recv(4) == b"pong"
            forward.terminate()


@pytest.fixture
def core(server: Server) -> Iterator[Any]:
    with kubernetes.config.new_client_from_config(str(server.kubeconfig)) as client:
        yield kubernetes.client.CoreV1Api(client)


def test_the_python_client_writes_reads_and_watches(core: Any) -> None:
    api = kubernetes.client
    body = api.V1ConfigMap(metadata=api.V1ObjectMeta(name="python", labels={"by": "python"}), data={"a": "1"})
    created = core.create_namespaced_config_map("default", body)
    assert created.metadata.uid
    created.data["a"] = "2"
    core.replace_namespaced_config_map("python", "default", created)
    with pytest.raises(api.ApiException) as refused:
        core.replace_namespaced_config_map("python", "default", created)
    assert refused.value.status == 409
    watch = kubernetes.watch.Watch()
    events = watch.stream(core.list_namespaced_config_map, "default", label_selector="by=python", timeout_seconds=5)
    assert next(events)["object"].data == {"a": "2"}
    core.delete_namespaced_config_map("python", "default")
    assert next(events)["type"] == "DELETED"
    watch.stop()


def test_the_python_client_lists_by_pages(core: Any) -> None:
    for number in range(3):
        core.create_namespaced_secret("default", {"metadata": {"name": f"page-{number}", "labels": {"paged": "yes"}}})
    first = core.list_namespaced_secret("default", label_selector="paged=yes", limit=2)
    rest = core.list_namespaced_secret("default", label_selector="paged=yes", limit=2, _continue=first.metadata._continue)
    assert [item.metadata.name for item in first.items + rest.items] == ["page-0", "page-1", "page-2"]
