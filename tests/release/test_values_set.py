"""`--set` by Helm's own grammar: what the real Helm makes of each text, and what we do."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

import tools
from seatrial.release.sources import SourceError, layered, with_set

SAME = [
    "a=1", "a=01", "a=1.5", "a=true", "a=TRUE", "a=", "a={}", "a={x,y}", "a={1,true,null}", "a.b.c=x", "a[2]=x",
    "a[0].b=1,a[0].c=2", r"a\.b=1", r"a=x\,y", "a=b=c", r"a={x\,y,z}", "a=-5", "a=+5", "a= b", 'a="q"', "a[0][1]=z",
    "a.b={1,2},c=3", "a=9223372036854775808", "a=1e3", "a=x}", "a=0", "a=-0", "a=00", "a=x y", "a[1].b=2,a[0].b=1", "a=1,",
    r'nodeSelector."kubernetes\.io/role"=master', "a.b[0].c={p,q}",
]  # fmt: skip


def test_helm_and_we_make_the_same_of_every_text(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: note\nversion: 0.1.0\n")
    (tmp_path / "templates" / "a.yaml").write_text("values: {{ .Values | toJson | quote }}\n")
    texts = [text.replace("a", f"case{number}x", 1) if text[0] == "a" else text for number, text in enumerate(SAME)]
    command = [tools.helm(), "template", "x", str(tmp_path), *(word for text in texts for word in ("--set", text))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours: dict[str, object] = {}
    for text in texts:
        ours = with_set(ours, text)
    assert ours == json.loads(yaml.safe_load(said.partition("---")[2])["values"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "--set a: give it a value"),
        ("a.b,c=1", "give it a value"),
        ("a[x]=1", "an index is a number from 0 to 65536, not 'x'"),
        ("a[-1]=1", "not '-1'"),
        ("a[99999999]=1", "not '99999999'"),
        ("a..b=1", "no path of keys"),
        ("=1", "no path of keys"),
        ("a={x", "a list ends with a brace"),
        ("a=1,a.b=2", "'b' cannot be set below what is no map"),
    ],
)
def test_what_helm_would_not_take_is_told(text, words):
    with pytest.raises(SourceError, match=r"--set") as told:
        with_set({}, text)
    assert words in str(told.value)


def test_layers_go_over_one_another_and_the_secret_ones_are_known(tmp_path):
    one, two, secret = tmp_path / "one.yaml", tmp_path / "two.yaml", tmp_path / "secret.yaml"
    one.write_text("image: {tag: '1', pull: Always}\nhosts: [a, b]\n")
    two.write_text("image: {tag: '2'}\nhosts: [c]\n")
    secret.write_text("password: hunter2\nport: 5432\n")
    values, secrets = layered([one, two], [secret], ["image.pull=null", "hosts[1]=d"])
    assert values == {"image": {"tag": "2", "pull": None}, "hosts": ["c", "d"], "password": "hunter2", "port": 5432}
    assert set(secrets) == {"hunter2", "5432"}


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [1\nb: 2", ":2:2: "), ("- 1", ":1: a values file is a map"), ("\ttab: 1", "found character")],
)
def test_a_broken_values_file_is_told_with_its_line(tmp_path, text, words):
    path = tmp_path / "values.yaml"
    path.write_text(text)
    with pytest.raises(SourceError) as told:
        layered([path])
    assert str(path) in str(told.value)
    assert words in str(told.value)
