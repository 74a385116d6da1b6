"""Volumes: what is in them, what is said when they cannot be made, and how they follow what they were made of."""

import base64

import pytest
from quay import Quay, container


@pytest.fixture
def quay():
    return Quay()


def mounted(quay, source, name="v"):
    quay.pod("p", container(), volumes=[{"name": name, **source}], labels={"app": "web", "tier": "front"})
    quay.run(1)
    return quay.runtime.volume(quay.get()["metadata"]["uid"], name)


def test_a_config_map_is_a_folder_of_its_keys(quay):
    quay.create("ConfigMap", "cfg", data={"a": "1"}, binaryData={"b": base64.b64encode(b"\x00\x01").decode()})
    volume = mounted(quay, {"configMap": {"name": "cfg", "defaultMode": 0o400}})
    assert (volume.kind, volume.files, volume.mode) == ("files", {"a": b"1", "b": b"\x00\x01"}, 0o400)


def test_single_keys_go_where_they_are_wanted(quay):
    quay.create("Secret", "keys", data={"k": base64.b64encode(b"x").decode(), "other": ""})
    volume = mounted(quay, {"secret": {"secretName": "keys", "items": [{"key": "k", "path": "sub/key", "mode": 0o600}]}})
    assert (volume.files, volume.modes) == ({"sub/key": b"x"}, {"sub/key": 0o600})


def test_a_pod_shows_itself_as_files(quay):
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "memory", "resourceFieldRef": {"containerName": "c", "resource": "requests.memory"}},
    ]
    volume = mounted(quay, {"downwardAPI": {"items": items}})
    assert volume.files == {"labels": b'app="web"\ntier="front"', "memory": b"0"}


def test_several_sources_share_one_volume(quay):
    quay.create("ConfigMap", "cfg", data={"a": "1"})
    quay.create("Secret", "keys", data={"b": base64.b64encode(b"2").decode()})
    sources = [
        {"configMap": {"name": "cfg"}},
        {"secret": {"name": "keys"}},
        {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 1200}},
    ]
    volume = mounted(quay, {"projected": {"sources": sources}})
    assert {name: volume.files[name] for name in ("a", "b", "name")} == {"a": b"1", "b": b"2", "name": b"p"}
    claims = quay.registry.signer.verify(volume.files["token"].decode(), quay.clock.now())
    assert claims["aud"] == ["vault"]
    assert claims["kubernetes.io"]["pod"]["name"] == "p"
    assert claims["exp"] - claims["iat"] == 1200


def test_a_token_is_renewed_before_it_expires(quay):
    source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}}
    first = mounted(quay, {"projected": {"sources": [source]}}).files["token"]
    quay.run(799)
    uid = quay.get()["metadata"]["uid"]
    assert quay.runtime.volume(uid, "v").files["token"] == first
    quay.run(801)
    assert quay.runtime.volume(uid, "v").files["token"] != first


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ({"emptyDir": {}}, "empty"),
        ({"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}, "memory"),
        ({"hostPath": {"path": "/srv"}}, "host"),
        ({}, "empty"),
    ],
)
def test_folders_are_of_their_kind(quay, source, kind):
    volume = mounted(quay, source)
    assert volume.kind == kind
    assert volume.size_limit == (64 << 20 if kind == "memory" else None)
    assert volume.path == ("/srv" if kind == "host" else "")


# what cannot be mounted


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMap": {"name": "absent"}}, 'configmap "absent" not found'),
        ({"secret": {"secretName": "absent"}}, 'secret "absent" not found'),
        (
            {"configMap": {"name": "there", "items": [{"key": "k", "path": "k"}]}},
            "configmap references non-existent config key: k",
        ),
        ({"secret": {"secretName": "there", "items": [{"key": "k", "path": "k"}]}}, "references non-existent secret key: k"),
        (
            {"projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": "y"}}]}},
            '[configmap "x" not found, secret "y" not found]',
        ),
    ],
)
def test_a_volume_that_cannot_be_made_keeps_the_pod_in_creation(quay, source, message):
    quay.create("ConfigMap", "there", data={})
    quay.create("Secret", "there", data={})
    quay.pod("p", container(), volumes=[{"name": "v", **source}])
    quay.run(0.4)
    assert quay.events("FailedMount") == [f'FailedMount: MountVolume.SetUp failed for volume "v" : {message}']
    assert quay.state() == {"waiting": {"reason": "ContainerCreating"}}
    assert quay.conditions()["PodReadyToStartContainers"] == "False"


def test_a_mount_is_tried_again_after_half_a_second_doubling(quay):
    quay.pod("p", container(), volumes=[{"name": "v", "configMap": {"name": "late"}}])
    quay.run(7)
    assert quay.events("FailedMount")[0].endswith("not found (x4)")  # at 0, 0.5, 1.5 and 3.5
    quay.create("ConfigMap", "late", data={})
    quay.run(9)
    assert "running" in quay.state()


@pytest.mark.parametrize(
    "source", [{"configMap": {"name": "x", "optional": True}}, {"secret": {"secretName": "x", "optional": True}}]
)
def test_an_optional_source_may_be_missing(quay, source):
    assert mounted(quay, source).files == {}
    assert "running" in quay.state()


def test_an_optional_key_may_be_missing(quay):
    quay.create("ConfigMap", "cfg", data={"a": "1"})
    items = [{"key": "a", "path": "a"}, {"key": "b", "path": "b"}]
    assert mounted(quay, {"configMap": {"name": "cfg", "optional": True, "items": items}}).files == {"a": b"1"}


# what follows


def test_a_changed_config_map_is_in_the_files_a_minute_later(quay):
    quay.create("ConfigMap", "cfg", data={"a": "1"})
    mounted(quay, {"configMap": {"name": "cfg"}})
    uid = quay.get()["metadata"]["uid"]
    quay.run(10)
    quay.change("configmaps", "cfg", data={"a": "2"})
    quay.run(69)
    assert quay.runtime.volume(uid, "v").files == {"a": b"1"}
    quay.run(71)
    assert quay.runtime.volume(uid, "v").files == {"a": b"2"}
    assert quay.container()["restartCount"] == 0


def test_a_secret_in_a_projected_volume_is_followed_too(quay):
    quay.create("Secret", "keys", data={"b": base64.b64encode(b"1").decode()})
    mounted(quay, {"projected": {"sources": [{"secret": {"name": "keys"}}]}})
    quay.change("secrets", "keys", data={"b": base64.b64encode(b"2").decode()})
    quay.run(70)
    assert quay.runtime.volume(quay.get()["metadata"]["uid"], "v").files == {"b": b"2"}


def test_an_optional_config_map_that_appears_is_mounted(quay):
    mounted(quay, {"configMap": {"name": "late", "optional": True}})
    quay.create("ConfigMap", "late", data={"a": "1"})
    quay.run(70)
    assert quay.runtime.volume(quay.get()["metadata"]["uid"], "v").files == {"a": b"1"}


def test_a_config_map_that_vanishes_leaves_the_files_as_they_were(quay):
    quay.create("ConfigMap", "cfg", data={"a": "1"})
    mounted(quay, {"configMap": {"name": "cfg"}})
    quay.registry.delete("configmaps", "default", "cfg")
    quay.run(70)
    assert quay.runtime.volume(quay.get()["metadata"]["uid"], "v").files == {"a": b"1"}
    assert "running" in quay.state()


# claims


def claim(quay, name, **spec):
    size = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
    quay.create("PersistentVolumeClaim", name, spec={**size, **spec})


def test_a_claim_is_bound_when_its_pod_has_a_node_and_is_kept_under_its_name(quay):
    claim(quay, "data")
    quay.pod("p", container(), volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], nodeName="")
    quay.run(5)
    uid = quay.get()["metadata"]["uid"]
    volume = quay.runtime.volume(uid, "v")
    assert (volume.kind, volume.claim) == ("claim", "default/data")
    assert quay.registry.get("persistentvolumeclaims", "default", "data")["status"]["phase"] == "Bound"


def test_what_a_claim_kept_goes_when_it_is_deleted(quay, monkeypatch):
    gone = []
    monkeypatch.setattr(quay.runtime, "remove_claim", gone.append)
    claim(quay, "data")
    quay.run(1)
    quay.registry.delete("persistentvolumeclaims", "default", "data")
    quay.run(2)
    assert gone == ["default/data"]


def test_a_pod_put_on_a_node_with_a_missing_claim_says_so(quay):
    quay.pod("p", container(), volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "absent"}}])
    quay.run(0.4)
    assert quay.events("FailedMount")[0].endswith(
        'failed to fetch PVC from API server: persistentvolumeclaims "absent" not found'
    )
