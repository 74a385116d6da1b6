"""Objects from bytes: what is read, the lines of objects and fields, and how each way to be broken is told."""

import json
import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.world.load import careful, quick, read
from seatrial.world.objects import ref_of

ROOT = Path(__file__).parent.parent
GOLDEN = sorted((ROOT / "golden").glob("*/yaml/*.yaml"))

TWO = b"""\
# a comment
---
# another

apiVersion: v1
kind: Service
metadata:
  name: web   # its name
spec:
  ports:
    - name: http
      port: 80
    - {name: metrics, port: 9090}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data:
  text: |
    ---not a mark
    key: value
"""


def told(data: bytes, **options: bool) -> list[str]:
    return [str(problem) for problem in read(data, "f.yaml", **options).problems]


def names(data: bytes) -> list[str]:
    return [obj["metadata"]["name"] for obj, _ in read(data, "f.yaml").objects]


def line(data: bytes, path: str = "", nth: int = 0) -> str:
    place = read(data, "f.yaml").objects[nth][1](path)
    return f"{place.line}:{place.column}"


def test_every_document_of_a_file_is_read_with_its_line():
    assert names(TWO) == ["web", "conf"]
    assert [line(TWO, nth=0), line(TWO, nth=1)] == ["5:1", "15:1"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "8:3"),
        ("spec.ports[0]", "11:7"),
        ("spec.ports[0].port", "12:7"),
        ("spec.ports[1].port", "13:23"),
        ("spec.ports[1].targetPort", "13:7"),
        ("spec.selector.app", "9:1"),
        ("status", "5:1"),
    ],
)
def test_a_field_has_the_line_of_its_key_and_a_missing_one_that_of_what_would_hold_it(path, expected):
    assert line(TWO, path) == expected


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_quick_way_reads_what_the_careful_one_reads(path):
    documents = [f"{part}\n".encode() for part in path.read_text().split("\n---\n") if part.strip()]
    taken = [document for document in documents if quick.load(document)[0]]
    assert len(taken) > len(documents) * 0.8
    for document in taken:
        assert quick.load(document)[1] == yaml.load(document, Loader=yaml.CSafeLoader)


TEXT = """a -x yes No null ~ 0 -1 007 1e3 1.50 12:30 2024-01-01 0x1F 1_000 .inf nan 100m 1.2.3 8002fe 1e5f 16-alpine 10.0.0.0/8
a:b a#b 'it''s' "q" {} [] - : = << .5 +1 @a `a` %a é $(A) http://x:80/?a=b *x | >"""
SCALARS = [
    *TEXT.split(),
    "a: b",
    "a #b",
    "[a, b]",
    "{a: b}",
    "[a, {b: 1}]",
    "&x a",
    "!x a",
    "? a",
    "- a",
    "a b c",
    "\t",
    "a\t",
    '"\\n"',
]
SCALARS += [
    ".a.b",
    ".infx",
    "^a$",
    "50MB/s",
    "1/2",
    "a b\n      c, d",
    "a\n     & b\n     'c",
    "a\n     - b",
    "a\n   b\n     c",
    "a\n     b: c",
]
SCALARS += [
    "'a\n     b'",
    "'a: ''\n     # b\n     c'",
    "'a\n\n     b'",
    "a\n     # b",
    "a\n     b #c",
    "'a \n     b'",
    "a\n     ?b",
]
SCALARS += ["|-\n    x\n     y\n\n    z", "|\n   # x", "> \n    x", "'a\n  b'", "|\n  x\n\n"]
KEYS = ["a", "b-c", "on", "y", "1", "true", '"q"', "'s'", "f:spec", ".", "a.b/c", "é", "? k", "<<", "null", "a b", "-a"]


@st.composite
def documents(draw):
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        indent = " " * draw(st.sampled_from([0, 0, 0, 1, 2, 2, 4]))
        form = draw(st.sampled_from(["{k}: {v}", "{k}: {v}", "{k}:", "- {k}: {v}", "- {v}", "{v}", "# c", "", "{k}: {v} # c"]))
        lines.append(indent + form.format(k=draw(st.sampled_from(KEYS)), v=draw(st.sampled_from(SCALARS))))
    return ("\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n"]))).encode()


@settings(max_examples=400, deadline=None)
@given(documents())
def test_what_the_quick_way_takes_means_the_same_to_the_careful_one(document):
    taken, data = quick.load(document)
    if taken:
        found, problems = careful.load(document, "f.yaml", 1)
        assert not problems
        assert repr(found) == repr([data])


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("".join(f"k{number}:\n" for number in range(400)), id="JSON that is much longer than the YAML"),
        pytest.param("".join(f"{' ' * number}k:\n" for number in range(50)), id="a deep tree"),
        pytest.param("a: {b: [{}, {c: '} {', d: [e, 1]}], f: []} # g\n", id="braces in one another"),
        pytest.param("a: |\n  x\n\n\n  y\n\n", id="empty lines in and after a block"),
        pytest.param("a: b\n  | c ...\n  'd'\nf:\n  g: 'h:\n    ''i'' # j'\n  k: .ll[0]\n", id="texts that go on below"),
        pytest.param("a: |\n  x\n# c\nb:   # c\n- 'it''s'\n- {}\n", id="comments after a block and a key"),
    ],
)
def test_the_quick_way_takes_what_is_rare_and_plain(document):
    taken, data = quick.load(document.encode())
    assert taken
    assert data == yaml.load(document, Loader=yaml.CSafeLoader)


@pytest.mark.parametrize(
    "document",
    [
        "".join(f"{' ' * number}k:\n" for number in range(70)),
        "nO: 1\n",
        "a: -iNf # c\n",
        "- [a, yEs]\n",
        "a: {b: {c: d} e}\n",
        "a: [{b: on}]\n",
        "a:\n  b: 1\n- c\n",
    ],
)
def test_the_quick_way_leaves_what_it_is_not_sure_of(document):
    assert quick.load(document.encode()) == (False, None)


def test_changed_manifests_are_read_alike_or_left_to_the_careful_way():
    chance = random.Random(7)
    parts = [part for path in GOLDEN[:3] for part in path.read_text().split("\n---\n")]
    bits = [" ", "  ", "\n", ":", "- ", "#", "'", '"', "[", "{", "|", "1", "~", "&a", "\t", "key: value\n", "- x\n"]
    taken = 0
    for _ in range(1500):
        text = chance.choice(parts)
        at = chance.randrange(len(text))
        text = text[:at] + (chance.choice(bits) + text[at:] if chance.random() < 0.6 else text[at + chance.choice([1, 2, 8]) :])
        ok, data = quick.load(text.encode() + b"\n")
        if ok:
            taken += 1
            found, problems = careful.load(text.encode() + b"\n", "f.yaml", 1)
            assert not problems, text
            assert repr(found) == repr([data]), text
    assert taken > 300


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", True),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("0777", 511),
        ("1e3", 1000.0),
        ("=", "="),
        ("0o17", 15),
        ("!!binary aGk=", "aGk="),
        ("{2: a, true: b, null: c}", {"2": "a", "true": "b", "null": "c"}),
        ("1" + "0" * 30, 1e30),
    ],
)
def test_scalars_mean_what_they_mean_to_kubectl(written, meant):
    assert careful.load(f"a: {written}\n".encode(), "f", 1)[0] == [{"a": meant}]


def test_a_broken_document_leaves_the_others_of_its_file():
    data = TWO + b"---\nkind: [\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: last}\n"
    assert names(data) == ["web", "conf", "last"]
    assert told(data) == ["f.yaml:23:7: this is not YAML: did not find expected node content (while parsing a flow node)"]


GOOD = b"apiVersion: v1\nkind: Service\nmetadata: {name: good}\n---\n"
NEST, POD = 100_000, b"apiVersion: v1\nkind: Pod\n"
BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 106)
)
BROKEN = {
    "a tab": (b"a:\n\tb: 1\n", "f.yaml:6:1: a tab; YAML is indented with spaces"),
    "a template": (b"a: {{ .Values.x }}\n", "f.yaml:5:5: this is a template, not YAML"),
    "a bad indentation": (b"a:\n    b: 1\n  c: 2\n", "f.yaml:7:3: this is not YAML"),
    "an alias bomb": (BOMB, "values once its aliases are followed"),
    "an alias to itself": (b"a: &a [*a]\n", "an anchor contains an alias to itself"),
    "a deep nest": (b"a: " + b"[" * NEST + b"]" * NEST + b"\n", "f.yaml:5:503: nested more than 500 levels deep"),
    "a deep list": (b"- " * NEST + b"a\n", "nested more than 500 levels deep"),
    "a key twice": (POD + b"metadata: {name: a}\nkind: Pod\n", "f.yaml:8:1: the key `kind` is here twice"),
    "an unknown alias": (b"a: *x\n", "f.yaml:5:4: this is not YAML: found undefined alias"),
    "a tag": (b"a: !ruby/object x\n", "f.yaml:5:4: this is not YAML: could not determine a constructor for the tag"),
    "a tag that does not fit": (b"a: !!bool maybe\n", "f.yaml:5:1: this cannot be read: a value does not fit its tag"),
    "no kind": (b"apiVersion: v1\nmetadata: {name: a}\n", "f.yaml:5:1: this is no Kubernetes object: it has no kind"),
    "no map": (b"- a\n", "f.yaml:5:1: this is no Kubernetes object: it is a list"),
    "no name": (POD + b"metadata: {labels: {}}\n", "f.yaml:7:1: this Pod has no name"),
    "no metadata": (POD, "f.yaml:6:1: a Pod needs metadata with a name"),
    "labels that are a list": (POD + b"metadata: {name: a, labels: [a]}\n", "`metadata.labels` must be a map, this is a list"),
    "a number for a name": (POD + b"metadata: {name: 1}\n", "`metadata.name` must be a text, this is a number"),
    "a huge number": (b"a: 1" + b"0" * 5000 + b"\n", "a number of more than 400 digits"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_is_wrong_is_told_by_its_line_and_the_rest_is_read(what):
    data, words = BROKEN[what]
    assert names(GOOD + data)[0] == "good"
    assert any(words in one for one in told(GOOD + data)), told(GOOD + data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x7fELF\x02\x01\x00\x00", "f.yaml: this is a binary file, no text"),
        (b"a: b\x07\n", "f.yaml:1:5: control character #x07, which YAML does not allow"),
        (b"a: \xff\n", "f.yaml:1:4: byte 0xff is not UTF-8"),
        (b"\xff\xfea\x00:", "f.yaml:1:1: it begins as UTF-16-LE text and is not"),
    ],
)
def test_what_is_no_text_is_told_once(data, words):
    assert told(data, strict=False)[:1] == [words]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks_of_byte_order_and_line_ends_of_windows_are_read_over(encoding):
    data = TWO.decode().replace("\n", "\r\n").encode(encoding)
    assert names(data) == ["web", "conf"]
    assert line(data, "spec.ports[1].port") == "13:23"


LISTED = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: a
- apiVersion: v1
  kind: Pod
  metadata:
    name: b
    annotations:
      text: 'two

        lines'
- apiVersion: v1
  kind: Pod
  metadata:
    name: c
kind: List
metadata:
  resourceVersion: ""
"""


def test_the_items_of_a_list_have_lines_of_their_own():
    assert names(LISTED.encode()) == ["a", "b", "c"]
    assert [line(LISTED.encode(), nth=nth) for nth in range(3)] == ["3:1", "7:1", "15:1"]
    assert line(LISTED.encode(), "metadata.name", 2) == "18:5"


def test_a_broken_item_of_a_list_leaves_the_others():
    data = LISTED.replace("    name: b\n", "    name: [\n").encode()
    assert names(data) == ["a", "c"]
    assert told(data)[0].startswith("f.yaml:12:")


def test_an_anchor_of_one_item_is_known_in_the_next():
    data = LISTED.replace("name: a", "name: &n a").replace("name: c", "name: *n").encode()
    assert names(data) == ["a", "b", "a"]


def test_an_anchor_may_be_set_anew_as_kubectl_has_it():
    data = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: &a one, labels: {app: *a}}\ndata: {b: &a two, c: *a}\n"
    ((obj, _),) = read(data, "f.yaml").objects
    assert (obj["metadata"]["labels"], obj["data"]) == ({"app": "one"}, {"b": "two", "c": "two"})
    assert line(data, "data.c") == "4:19"


def test_a_list_inside_of_a_flow_or_of_one_kind_is_a_list_too():
    data = b"{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}},\n  {metadata: {name: b}}]}\n"
    found = read(data, "f.yaml").objects
    assert [(obj["kind"], obj["apiVersion"]) for obj, _ in found] == [("Pod", "v1")] * 2
    assert line(data, nth=1) == "2:3"


@pytest.mark.parametrize("indent", [4, 2, None])
def test_json_has_lines_too(indent):
    document = {"apiVersion": "v1", "kind": "List", "items": [obj for obj, _ in read(LISTED.encode(), "f").objects]}
    data = json.dumps(document, indent=indent).encode()
    found = read(data, "f.json")
    assert [obj["metadata"]["name"] for obj, _ in found.objects] == ["a", "b", "c"]
    lines = data.decode().splitlines()
    for obj, written in found.objects:
        assert f'"name": "{obj["metadata"]["name"]}"' in lines[written("metadata.name").line - 1]


def test_json_that_breaks_is_told_where():
    assert told(b'{"apiVersion": "v1",\n "kind": }\n')[0].startswith("f.yaml:2:")


def test_two_jobs_that_get_their_names_later_are_two_objects_with_one_name():
    data = b"apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: load-}\n"
    assert ref_of(read(data, "f").objects[0][0]).name == "load-*"
