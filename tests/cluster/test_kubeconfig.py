"""Kubeconfigs as people have them: several joined, commands that give credentials, and broken ones in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from seatrial.cluster.client import Client, ClusterError
from seatrial.cluster.kubeconfig import KubeconfigError, read


def config(name: str = "prod", *, current: bool = True, user: dict[str, Any] | None = None, **cluster: Any) -> dict[str, Any]:
    return {
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443", **cluster}}],
        "users": [{"name": name, "user": user or {"token": "x"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-space"}}],
        "current-context": name if current else "",
    }


def written(folder: Path, name: str, document: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def test_the_files_of_KUBECONFIG_are_joined_and_those_that_are_missing_left_out(tmp_path: Path) -> None:
    first = written(tmp_path, "a", config("staging", current=False))
    second = written(tmp_path, "b", config("prod"))
    environment = {"KUBECONFIG": f"{first}:{tmp_path / 'none'}:{second}"}
    found, _ = read(None, None, environment)
    assert (found.cluster.server, found.namespace) == ("https://prod.example:6443", "prod-space")
    found, _ = read(None, "staging", environment)
    assert found.cluster.server == "https://staging.example:6443"


def test_of_two_files_with_one_name_the_first_counts(tmp_path: Path) -> None:
    first = written(tmp_path, "a", config(server="https://first.example"))
    second = written(tmp_path, "b", config(server="https://second.example"))
    assert read(None, None, {"KUBECONFIG": f"{first}:{second}"})[0].cluster.server == "https://first.example"


def test_files_are_relative_to_the_kubeconfig_that_names_them(tmp_path: Path) -> None:
    written(tmp_path / "keys", "ca.crt", "certificate")
    first = written(tmp_path, "a", config("other", current=False))
    second = written(tmp_path / "keys", "b", config("prod", **{"certificate-authority": "ca.crt"}))
    found, _ = read(None, None, {"KUBECONFIG": f"{first}:{second}"})
    assert found.cluster.certificate_auth == str(tmp_path / "keys" / "ca.crt")


def test_a_command_of_the_newest_protocol_is_told_of_its_version(tmp_path: Path) -> None:
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "env": None, "interactiveMode": "Never"}
    written(tmp_path, "login", "").chmod(0o700)
    found, _ = read(written(tmp_path, "a", config(user={"exec": command})), None)
    assert found.user and found.user.exec and found.user.exec.env
    assert found.user.exec.command == str(tmp_path / "login")
    told = {each.name: each.value for each in found.user.exec.env}["KUBERNETES_EXEC_INFO"]
    assert json.loads(told)["apiVersion"] == "client.authentication.k8s.io/v1"


def test_a_proxy_is_kept(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a", config(**{"proxy-url": "http://proxy:3128"})), None)[1] == "http://proxy:3128"


@pytest.mark.parametrize(
    ("document", "context", "words"),
    [
        ("clusters: [\n", None, "a:2: this is not YAML"),
        ("", None, "this is no kubeconfig: it is empty"),
        ("just words", None, "it has no clusters and no contexts"),
        (config(current=False), None, "no context is in use: say --context (there is prod)"),
        (config(), "dev", "there is no context 'dev'; there is prod"),
        ({**config(), "users": []}, None, "context 'prod' names the user 'prod', which is not there"),
        (config(user={"client-certificate": "/none.crt"}), None, "names /none.crt as its client-certificate, which is not there"),
        ({**config(), "clusters": {"prod": {}}}, None, "clusters is no list"),
        ({**config(), "contexts": [{"context": {}}]}, None, "an entry of contexts has no name"),
        ("[" * 20000, None, "this is not YAML"),
        (config(server=""), None, "cluster 'prod' has no server"),
        (config(server="prod.example:6443"), None, "has the server 'prod.example:6443', which is no address"),
        (config(server="https://me:hidden@prod.example:99999"), None, "the server 'https://prod.example:99999'"),
        (config(user={"client-certificate-data": "eA=="}), None, "user 'prod' has a client-certificate and no client-key"),
        (config(user={"token": "half\na token"}), None, "was it cut, or broken over lines?"),
        (config(user={"auth-provider": {"name": "gcp"}}), None, "let it use an exec command"),
        (config(user={"exec": {"args": ["token"]}}), None, "has an exec without a command"),
        (
            config(user={"exec": {"command": "no-login", "installHint": "Get it at\nhome."}}),
            None,
            "is not installed. Get it at home.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(tmp_path: Path, document: Any, context: str | None, words: str) -> None:
    with pytest.raises(KubeconfigError) as error:
        read(written(tmp_path, "a", document), context)
    assert words in str(error.value)


def test_that_there_is_none_is_said_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"KUBECONFIG names .*nowhere, which is not there"):
        read(None, None, {"KUBECONFIG": str(tmp_path / "nowhere")})


def test_certificates_that_are_none_are_a_mistake_of_the_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="reading the kubeconfig"):
        Client(written(tmp_path, "a", config(**{"certificate-authority-data": "bm9uZQ=="})))


def test_who_is_nobody_asks_as_nobody(tmp_path: Path) -> None:
    document = config()
    del document["contexts"][0]["context"]["user"]
    path = written(tmp_path, "a", document)
    assert read(path, None)[0].user is not None
    assert Client(path).http.auth is None


def test_the_cluster_is_named_with_its_proxy_and_without_passwords(tmp_path: Path) -> None:
    path = written(tmp_path, "a", config(server="http://me:hidden@prod.example", **{"proxy-url": "http://me:hidden@proxy:3128"}))
    assert Client(path).where == "the cluster at http://prod.example (context prod, by way of the proxy http://proxy:3128)"


def test_a_proxy_that_is_none_is_a_mistake_of_the_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="reading the kubeconfig: its proxy-url"):
        Client(written(tmp_path, "a", config(**{"proxy-url": "::::"})))


def test_in_a_pod_without_a_token_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="automountServiceAccountToken"):
        read(None, None, {"KUBECONFIG": str(tmp_path / "none"), "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
