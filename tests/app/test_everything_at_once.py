"""Whatever is wrong with an app file, at however many places, is told in one run: each once, at its line; nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.app import AppFileErrors, loads

IMAGE = "image: acme/x, port: 80"
CANARY = f"{IMAGE}, metrics: /m, expose: NAME.example.com"

#: A line of a file in which nothing is wrong, the same line with a mistake, and what is told of that. NAME is a name of its own.
SERVICES = [
    # misspelt
    (f"{{{IMAGE}, health: /h}}", f"{{{IMAGE}, helth: /h}}", "unknown key `helth`"),
    (f"{{{CANARY}, canary: [10]}}", f"{{{CANARY.replace('metrics', 'metrcs')}, canary: [10]}}", "unknown key `metrcs`"),
    (f"{{{CANARY}, canary: [10]}}", f"{{{CANARY}, canry: [10]}}", "unknown key `canry`"),
    (f"{{{IMAGE}, scale: {{min: 2, max: 4}}}}", f"{{{IMAGE}, scale: {{min: 2, mx: 4}}}}", "unknown key `mx`"),
    (f"{{{IMAGE}}}", f"{{{IMAGE}, zzz: 1}}", "unknown key `zzz`"),
    (f"{{{IMAGE}, size: large}}", f"{{{IMAGE}, size: lage}}", "there is no size `lage`"),
    (f"{{{IMAGE}, runtime: jvm}}", f"{{{IMAGE}, runtime: jvn}}", 'the text "jvn" is not a value of `runtime`'),
    # of a wrong type
    (f"{{{IMAGE}, replicas: 3}}", f"{{{IMAGE}, replicas: three}}", "a number of replicas is wanted here"),
    (f"{{{IMAGE}, metrics: /m, slo: 99%}}", f"{{{IMAGE}, metrics: [m], slo: 99%}}", "a path is wanted here, not a list"),
    (
        "{image: acme/x, port: 80, expose: NAME.example.com}",
        "{image: acme/x, port: http, expose: NAME.example.com}",
        "a port is wanted",
    ),
    (
        f"{{{IMAGE}, scale: {{min: 2, max: 4}}}}",
        f"{{{IMAGE}, scale: {{min: two, max: 1}}}}",
        "a number of replicas is wanted here",
    ),
    (f"{{{IMAGE}, config: {{A: b}}}}", f"{{{IMAGE}, config: {{A: [b]}}}}", "a single value is wanted here"),
    (f"{{{IMAGE}, secrets: [A]}}", f"{{{IMAGE}, secrets: A}}", "`secrets` takes a list"),
    (f"{{{IMAGE}}}", "just a text", "`NAME` takes a map"),
    ("{image: acme/x}", "{port: 80}", "`services.NAME` has no `image`"),
    # names that mean nothing
    (f"{{{IMAGE}, calls: [db]}}", f"{{{IMAGE}, calls: [nowhere]}}", "`NAME` calls `nowhere`, which is no service or store"),
    (f"{{{IMAGE}, calls: [anchor]}}", f"{{{IMAGE}, calls: [anchr]}}", "`NAME` calls `anchr`, which is no service or store"),
    (f"{{{IMAGE}, calls: [db]}}", f"{{{IMAGE}, calls: [NAME]}}", "`NAME` calls itself"),
    # what cannot be together
    (f"{{{IMAGE}, scale: {{min: 2, max: 4}}}}", f"{{{IMAGE}, scale: {{min: 4, max: 2}}}}", "`min` is 4 and `max` 2"),
    (f"{{{IMAGE}, scale: {{max: 4}}}}", f"{{{IMAGE}, replicas: 2, scale: {{max: 4}}}}", "`replicas` (2) fixes the number"),
    (f"{{{CANARY}, canary: [10]}}", f"{{{CANARY}, canary: [10, 5]}}", "the steps of `NAME` do not grow: 10%, 5%"),
    (f"{{{IMAGE}, metrics: /m, slo: 99%}}", f"{{{IMAGE}, slo: 99%}}", "`NAME` promises something and shows no metrics"),
    (f"{{{IMAGE}, calls: [anchor]}}", f"{{{IMAGE}, calls: [worker]}}", "`NAME` calls `worker`, which has no `port`"),
    (f"{{{IMAGE}}}", f"{{{IMAGE}, config: {{PORT: 1}}}}", "`PORT` comes from `port` already"),
    (f"{{{IMAGE}, secrets: [A]}}", f"{{{IMAGE}, config: {{A: b}}, secrets: [A]}}", "`A` is in `config` as well"),
    (f"{{{IMAGE}, writable: [/data]}}", f"{{{IMAGE}, writable: [/usr]}}", "an empty folder over `/usr`"),
    (
        f"{{{IMAGE}, scale: {{max: 4, on: [{{list: q, store: cache, target: 5}}]}}}}",
        f"{{{IMAGE}, scale: {{max: 4, on: [{{list: q, store: db, target: 5}}]}}}}",
        "the list `q` of `NAME` is in `db`, which is no Redis",
    ),
]
STORES = [
    ("{postgres: 16, storage: 1Gi}", "{postgres: 16}", "in production and staging `NAME` would keep its data nowhere"),
    ("{postgres: 16, storage: 1Gi}", "{postgres: 16, storrage: 1Gi}", "unknown key `storrage`"),
    ("{postgres: 16, storage: 1Gi}", "{postgres: 16, storage: large}", '"large" is not an amount of storage'),
    ("{redis: 7}", "{redis: 7, postgres: 16, storage: 1Gi}", "`NAME` is both postgres and redis"),
    ("{redis: 7}", "{redis: 7, instances: 3}", "in production and staging nothing looks after the 3 instances of `NAME`"),
]
#: Of each environment by itself: one line for each of `services`, which changes the service `anchor` no other speaks of.
ENVIRONMENTS = [
    ("{config: {A: b}}", "{confg: {A: b}}", "unknown key `confg`"),
    ("{scale: {max: 9}}", "{scale: {max: 1}}", "in ENV `anchor` has at least 2 replicas and at most 1"),
    ("{config: {A: b}}", "{config: {POD_IP: b}}", "`POD_IP` comes from the pod's address already"),
    ("{grace: 10s}", "{grace: long}", '"long" is not a duration'),
    ("{calls: [db]}", "{calls: [dbb]}", "`anchor` calls `dbb`, which is no service or store"),
    ("{calls: [db]}", "{calls: [{x: 'http://localhost:1'}]}", "in ENV `anchor` calls http://localhost:1"),
]
PLATFORM = [
    ("recommendations: vpa", "recommendations: vap", 'the text "vap" is not a value of `recommendations`'),
    ("zones: 3", "zonse: 3", "unknown key `zonse`"),
    ("dashboards: true", "dashboards: often", "`dashboards` takes true or false"),
    ("storageClass: fast", "gateway: infra/public", "in production and staging the world comes in by `ingress: nginx`"),
    ("region: eu-west-1", "otlp: 'http://a.b:4318'", "in production and staging there is a collector at http://a.b:4318"),
]

ALL = [(where, number) for where, rows in enumerate((SERVICES, STORES, PLATFORM)) for number in range(len(rows))]
HERE = st.sampled_from([None, *range(len(ENVIRONMENTS))])


def written(planted: set[tuple[int, int]], here: dict[str, int | None]) -> tuple[str, set[tuple[int, str]]]:
    """A file with these mistakes, and what is to be told: line and beginning."""
    lines = ["app: shop", 'version: "1"', "services:"]
    lines += ["  anchor: {image: acme/a, port: 80, scale: {min: 2, max: 4}}", "  worker: {image: acme/w, calls: [cache]}"]
    told = set()

    def rows(where: int, table: list, form: str) -> None:
        for number, (good, bad, message) in enumerate(table):
            name = f"{'sbp'[where]}{number}"
            lines.append(form.format(name, (bad if (where, number) in planted else good).replace("NAME", name)))
            if (where, number) in planted:
                told.add((len(lines), message.replace("NAME", name)))

    rows(0, SERVICES, "  {}: {}")
    lines.extend(["stores:", "  db: {postgres: 16, storage: 1Gi}", "  cache: {redis: 7}"])
    rows(1, STORES, "  {}: {}")
    lines.append("platform:")
    lines.extend(["  rollouts: argo-rollouts", "  monitoring: prometheus-operator", "  autoscaling: keda"])
    rows(2, PLATFORM, "  {1}")
    lines.append("environments:")
    for name, number in here.items():
        good, bad, message = ENVIRONMENTS[number or 0]
        lines.extend([f"  {name}:", "    services:", f"      anchor: {good if number is None else bad}"])
        if number is not None:
            told.add((len(lines), message.replace("ENV", name)))
    return "\n".join(lines) + "\n", told


def problems(text: str) -> list[tuple[int, str]]:
    try:
        loads(text)
    except AppFileErrors as errors:
        return [(problem.line, problem.message) for problem in errors.problems]
    return []


def agree(text: str, told: set[tuple[int, str]]) -> None:
    found = problems(text)
    shown = "\n".join([*(f"{number:3} {line}" for number, line in enumerate(text.splitlines(), 1)), "", *map(str, found)])
    for line, message in told:
        assert sum(place == line and said.startswith(message) for place, said in found) == 1, f"{line}: {message}\n{shown}"
    assert len(found) == len(told), shown


def test_there_is_nothing_wrong_with_the_file_in_which_mistakes_are_planted() -> None:
    assert problems(written(set(), {"production": None, "staging": None})[0]) == []


@pytest.mark.parametrize("where", ALL, ids=lambda where: (SERVICES, STORES, PLATFORM)[where[0]][where[1]][2])
def test_each_mistake_by_itself(where: tuple[int, int]) -> None:
    agree(*written({where}, {"production": None, "staging": None}))


@settings(max_examples=25, deadline=None)
@given(st.sets(st.sampled_from(ALL)), HERE, HERE)
def test_any_of_them_together(planted: set[tuple[int, int]], one: int | None, other: int | None) -> None:
    agree(*written(planted, {"production": one, "staging": other}))


def test_all_of_them_together() -> None:
    agree(*written(set(ALL), {"production": 1, "staging": 3}))
