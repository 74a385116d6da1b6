"""The variables of a container: where they come from, how they refer to one another, what is said of those that are missing."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quay import Quay, container

from seatrial.twin.kubelet.environment import expand
from seatrial.twin.kubelet.fields import FieldError, container_resource, pod_field
from seatrial.twin.kubelet.launch import container_spec


@pytest.fixture
def quay():
    return Quay()


def spec_of(quay, **content):
    quay.pod("p", container("c", **content), labels={"app": "web"}, annotations={"team": 'a "b"'})
    quay.run(1)
    worker = quay.kubelet.worker("default", "p")
    return container_spec(worker, worker.containers["c"])


def variables(quay, *env, **content):
    return spec_of(quay, env=list(env), **content).env


def value(name, text):
    return {"name": name, "value": text}


# expansion


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("$(", "$("),
        ("$", "$"),
        ("$$", "$"),
        ("a$", "a$"),
        ("$(A)$(A)", "11"),
        ("$($(A))", "$($(A))"),
        ("$()", "$()"),
        ("", ""),
    ],
)
def test_references_are_replaced_as_in_kubernetes(text, expanded):
    assert expand(text, {"A": "1", "B": "2"}) == expanded


@given(st.text(alphabet="ab$ ()", max_size=20))
def test_a_text_whose_dollars_are_doubled_comes_out_as_it_was(text):
    assert expand(text.replace("$", "$$"), {"a": "x"}) == text


def test_a_variable_may_refer_to_those_before_it_but_not_behind(quay):
    found = variables(quay, value("A", "1"), value("B", "$(A)2"), value("C", "$(D)"), value("D", "3"))
    assert (found["B"], found["C"]) == ("12", "$(D)")


def test_command_and_arguments_are_expanded(quay):
    spec = spec_of(quay, command=["run", "$(A)"], args=["--n=$(A)", "$$(A)", "$(X)"], env=[value("A", "1")])
    assert spec.command == ("run", "1")
    assert spec.args == ("--n=1", "$(A)", "$(X)")


# sources


def test_values_come_from_config_maps_and_secrets(quay):
    quay.create("ConfigMap", "settings", data={"level": "info"})
    quay.create("Secret", "keys", data={"token": base64.b64encode(b"s3cr3t").decode()})
    found = variables(
        quay,
        {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
    )
    assert (found["LEVEL"], found["TOKEN"]) == ("info", "s3cr3t")


def test_values_that_are_taken_from_elsewhere_are_not_expanded(quay):
    quay.create("ConfigMap", "settings", data={"text": "$(A)"})
    ref = {"configMapKeyRef": {"name": "settings", "key": "text"}}
    assert variables(quay, value("A", "1"), {"name": "B", "valueFrom": ref})["B"] == "$(A)"


def test_all_keys_of_a_config_map_come_with_a_prefix_and_give_way_to_single_variables(quay):
    quay.create("ConfigMap", "settings", data={"LEVEL": "info", "MODE": "fast"})
    source = [{"configMapRef": {"name": "settings"}, "prefix": "APP_"}]
    found = variables(quay, value("APP_MODE", "slow"), value("ALL", "$(APP_LEVEL)"), envFrom=source)
    assert (found["APP_LEVEL"], found["APP_MODE"], found["ALL"]) == ("info", "slow", "info")


def test_of_two_sources_the_later_wins(quay):
    quay.create("ConfigMap", "one", data={"A": "1", "B": "1"})
    quay.create("Secret", "two", data={"B": base64.b64encode(b"2").decode()})
    found = variables(quay, envFrom=[{"configMapRef": {"name": "one"}}, {"secretRef": {"name": "two"}}])
    assert (found["A"], found["B"]) == ("1", "2")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k"}}}, 'configmap "absent" not found'),
        ({"valueFrom": {"secretKeyRef": {"name": "absent", "key": "k"}}}, 'secret "absent" not found'),
        ({"valueFrom": {"configMapKeyRef": {"name": "there", "key": "k"}}}, "couldn't find key k in ConfigMap default/there"),
        ({"valueFrom": {"secretKeyRef": {"name": "there", "key": "k"}}}, "couldn't find key k in Secret default/there"),
    ],
)
def test_what_is_missing_is_a_configuration_error(quay, env, message):
    quay.create("ConfigMap", "there", data={})
    quay.create("Secret", "there", data={})
    quay.pod("p", container("c", env=[{"name": "A", **env}]))
    quay.run(1)
    assert quay.state() == {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    assert quay.events("Failed")[0].startswith(f"Failed: Error: {message}")


def test_a_container_starts_once_its_configuration_is_there(quay):
    quay.pod("p", container("c", envFrom=[{"configMapRef": {"name": "settings"}}]))
    quay.run(5)
    assert quay.state()["waiting"]["message"] == 'configmap "settings" not found'
    quay.create("ConfigMap", "settings", data={"A": "1"})
    quay.run(15)
    assert "running" in quay.state()


def test_what_is_optional_may_be_missing(quay):
    found = variables(
        quay,
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k", "optional": True}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "k", "optional": True}}},
        value("C", "$(A)"),
        envFrom=[{"configMapRef": {"name": "absent", "optional": True}}, {"secretRef": {"name": "absent", "optional": True}}],
    )
    assert "A" not in found
    assert "B" not in found
    assert found["C"] == "$(A)"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "default"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['team']", 'a "b"'),
        ("metadata.labels['none']", ""),
        ("spec.nodeName", "node-a"),
        ("spec.serviceAccountName", "default"),
    ],
)
def test_fields_of_the_pod_are_values(quay, path, expected):
    assert variables(quay, {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}})["A"] == expected


def test_addresses_are_values(quay):
    refs = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"status.{name}"}}} for name in ("podIP", "hostIP")]
    found = variables(quay, *refs, value("URL", "http://$(podIP):80"))
    assert found["URL"] == f"http://{quay.status()['podIP']}:80"
    assert found["hostIP"] == quay.status()["hostIP"]


def test_an_unknown_field_is_an_error():
    with pytest.raises(FieldError, match="unsupported fieldPath"):
        pod_field({"metadata": {}, "spec": {}}, "status.phase", {})


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({"resource": "limits.memory"}, str(64 << 20)),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "250"),
        ({"resource": "limits.cpu"}, "4"),  # none given: what the node can give
        ({"resource": "requests.memory"}, "0"),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "1"),  # rounded up
    ],
)
def test_resources_of_the_container_are_values(ref, expected):
    pod = {"spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}}]}}
    assert container_resource(pod, ref, "c", {"cpu": "4", "memory": "8Gi"}) == expected


# Services


def service(quay, name, ports, **spec):
    quay.create("Service", name, spec={"ports": ports, **spec})
    return quay.registry.get("services", "default", name)["spec"]["clusterIP"]


def test_services_of_the_namespace_are_named_by_variables(quay):
    address = service(quay, "shop-api", [{"name": "http", "port": 80}, {"name": "metrics-x", "port": 9090}])
    found = variables(quay)
    assert {name: text for name, text in found.items() if name.startswith("SHOP_API")} == {
        "SHOP_API_SERVICE_HOST": address,
        "SHOP_API_SERVICE_PORT": "80",
        "SHOP_API_SERVICE_PORT_HTTP": "80",
        "SHOP_API_SERVICE_PORT_METRICS_X": "9090",
        "SHOP_API_PORT": f"tcp://{address}:80",
        "SHOP_API_PORT_80_TCP": f"tcp://{address}:80",
        "SHOP_API_PORT_80_TCP_PROTO": "tcp",
        "SHOP_API_PORT_80_TCP_PORT": "80",
        "SHOP_API_PORT_80_TCP_ADDR": address,
        "SHOP_API_PORT_9090_TCP": f"tcp://{address}:9090",
        "SHOP_API_PORT_9090_TCP_PROTO": "tcp",
        "SHOP_API_PORT_9090_TCP_PORT": "9090",
        "SHOP_API_PORT_9090_TCP_ADDR": address,
    }


def test_a_headless_service_has_no_variables(quay):
    service(quay, "db", [{"port": 5432}], clusterIP="None")
    assert not [name for name in variables(quay) if name.startswith("DB_")]


def test_a_variable_may_refer_to_a_service_and_replace_its_variable(quay):
    address = service(quay, "api", [{"port": 80}])
    found = variables(quay, value("URL", "http://$(API_SERVICE_HOST)"), value("API_SERVICE_PORT", "1"))
    assert (found["URL"], found["API_SERVICE_PORT"]) == (f"http://{address}", "1")


def test_a_pod_can_do_without_service_variables_but_for_kubernetes(quay):
    service(quay, "api", [{"port": 80}])
    quay.pod("p", container(), enableServiceLinks=False)
    quay.run(1)
    worker = quay.kubelet.worker("default", "p")
    found = container_spec(worker, worker.containers["c"]).env
    assert "API_SERVICE_HOST" not in found
    assert found["KUBERNETES_SERVICE_PORT"] == "443"


# what else a runtime is told


def test_the_security_context_of_a_container_goes_before_the_pods(quay):
    quay.pod("p", container(securityContext={"runAsUser": 2}), securityContext={"runAsUser": 1, "runAsGroup": 3})
    quay.run(1)
    worker = quay.kubelet.worker("default", "p")
    spec = container_spec(worker, worker.containers["c"])
    assert (spec.run_as_user, spec.run_as_group) == (2, 3)


def test_root_is_refused_where_it_is_ruled_out(quay):
    quay.pod("p", container(securityContext={"runAsUser": 0, "runAsNonRoot": True}))
    quay.run(1)
    assert quay.state()["waiting"]["message"].startswith("container's runAsUser breaks non-root policy (pod: \"p_default(")


def test_limits_and_mounts_reach_the_runtime(quay):
    mounts = [{"name": "v", "mountPath": "/data", "subPathExpr": "$(NAME)/x", "readOnly": True}]
    resources = {"limits": {"memory": "64Mi", "cpu": "1500m"}}
    spec = container(env=[value("NAME", "n")], volumeMounts=mounts, resources=resources, workingDir="/w")
    quay.pod("p", spec, volumes=[{"name": "v", "emptyDir": {}}])
    quay.run(1)
    worker = quay.kubelet.worker("default", "p")
    told = container_spec(worker, worker.containers["c"])
    assert (told.memory_limit, told.cpu_limit, told.working_dir) == (64 << 20, 1500, "/w")
    assert [(m.volume, m.path, m.read_only, m.sub_path) for m in told.mounts] == [("v", "/data", True, "n/x")]
