"""Every mistake in an app file is told at once, with its line and column, what is wrong and the nearest thing that is right."""

from textwrap import dedent

import pytest

from seatrial.app import AppFileErrors, load, loads

GOOD = """\
app: shop
version: "1.4"
services:
  web: {image: acme/web, port: 8080, calls: [api]}
  api: {image: acme/api, port: 3000}
"""


def mistakes(text):
    """The mistakes in a text, as `line:column message | hint`."""
    with pytest.raises(AppFileErrors) as caught:
        loads(dedent(text))
    return [f"{p.line}:{p.column} {p.message}" + (f" | {p.hint}" if p.hint else "") for p in caught.value.problems]


def in_service(lines):
    """The mistakes in a service whose keys are `lines`; they begin in line 6, column 5."""
    body = "".join(f"    {line}\n" for line in dedent(lines).splitlines())
    return mistakes(
        f"app: shop\nversion: '1'\nservices:\n  web:\n    image: acme/web\n{body}stores:\n  db: {{postgres: 16, storage: 1Gi}}\n"
    )


def test_an_app_file_without_mistakes_loads():
    assert loads(GOOD).services["web"].port == 8080


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("prt: 80", "6:5 unknown key `prt` | did you mean `port`?"),
        ("port: 99999", "6:11 99999 is not a port: it is between 1 and 65535"),
        ("port: [80]", "6:11 a port is wanted here, not a list"),
        ("port: true", "6:11 a port is wanted here, not `true`"),
        ("port: 80\nhealth: healthz", '7:13 "healthz" is not a path | it begins with a slash, such as /healthz'),
        ("port: 80\nhealth: {life: /x}", "7:14 unknown key `life` | did you mean `live`?"),
        ("port: 80\nhealth: {live: /x, startup: soon}", '7:33 "soon" is not a duration | such as 30s, 5m, 1h30m'),
        ("port: 80\nhealth: [/x]", "7:13 `health` takes a map, not a list"),
        (
            "port: 80\nexpose: https://shop.example.com",
            '7:13 "https://shop.example.com" is not a host name | such as shop.example.com',
        ),
        ("image: Acme/Web", "6:5 duplicate key `image`; it is already given in line 5"),
        ("calls: [dbb]", "6:13 `web` calls `dbb`, which is no service or store | did you mean `db`?"),
        ("calls: [web]", "6:13 `web` calls itself | a process reaches itself without the network"),
        ("calls: [db, {pay: gopher://x}]", '6:17 "gopher://x" is not a URL | it begins with http:// or https://'),
        ("calls: [{a: 'https://x', b: 'https://y'}]", "6:13 one `name: URL` is wanted in each entry, not 2"),
        ("calls: db", '6:12 `calls` takes a list, not the text "db"'),
        ("scale: {min: 5, max: 2}", "6:18 `min` is 5 and `max` 2: min is more than max"),
        ("scale: {max: 4, cpu: 170%}", '6:26 the text "170%" is not a percentage | between 1% and 100%, such as 70%'),
        ("replicas: 2\nscale: {max: 4}", "6:15 `replicas` (2) fixes the number that `scale` moves: give one of them"),
        ("replicas: 0", "6:15 0 is not a number of replicas: it is between 1 and 1000"),
        ("size: mediun", "6:11 there is no size `mediun` | did you mean `medium`?"),
        ("jobs: {tidy: {schedule: '61 * * * *', run: ls}}", '6:29 "61 * * * *" is not a schedule: bad minute | minute, hour'),
        (
            "jobs: {tidy: {schedule: '* * *', run: ls}}",
            '6:29 "* * *" is not a schedule: it has 3 fields, not five | minute, hour',
        ),
        (
            "jobs: {tidy: {run: ls}}",
            "6:12 `services.web.jobs.tidy` has no `schedule` | When, in cron's five fields or as @daily.",
        ),
        ("migrate: 'echo \"a'", "6:14 this is not a command: no closing quotation | a quote that is opened must be closed"),
        ("config: {LOG LEVEL: x}", '6:14 "LOG LEVEL" is not the name of a variable | letters, digits and underscores'),
        ("config: {A: }", '6:17 a value is wanted here, not nothing | for an empty text write ""'),
        ("config: {A: {b: c}}", "6:17 a single value is wanted here, not a map | variables are texts"),
        ("secrets: PAYMENTS_KEY", '6:14 `secrets` takes a list, not the text "PAYMENTS_KEY"'),
        ("config: {A: x}\nsecrets: [A]", "7:15 `A` is in `config` as well, for everybody to see | keep one of them"),
        ("config: {DB_URL: x}\ncalls: [db]", "6:22 `DB_URL` comes from calling `db` already"),
        ("runtime: jvn", '6:14 the text "jvn" is not a value of `runtime` | did you mean `jvm`?'),
        ("build: ../elsewhere", '6:12 "../elsewhere" is not a folder | relative to the app file and inside its folder'),
        ("user: 0", "6:11 0 is not a user's number: it is between 1 and 2147483647"),
        ("expose: shop.example.com", "6:13 `web` has no `port`, so it cannot be exposed | add `port:`"),
        ("metrics: /metrics", "6:14 `web` has no `port`, so it cannot be asked for metrics | add `port:`"),
        ("health: /x", "6:13 `web` has no `port`, so nothing can be asked at `/x` | add `port:`"),
    ],
)
def test_a_mistake_in_a_service_is_told_with_its_place(keys, told):
    assert any(found.startswith(told) for found in in_service(keys)), in_service(keys)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: {web: {image: a/b:1}}", "1:1 the file has no `app` | The name of the application."),
        ("app: shop", "1:1 the file has no `services` | What the team runs."),
        ("app: Shop\nservices: {web: {image: a/b:1}}", '1:6 "Shop" is not a name | lower-case letters'),
        ("app: shop\nservices: {}", "2:11 `services` has no entry; it takes at least one"),
        ("app: shop\nservices: {web: {image: a/b}}", "2:25 the image of `web` has no tag, and the file no `version` | add"),
        (
            "app: shop\nversion: 1.4+x\nservices: {web: {image: a/b}}",
            "2:10 `1.4+x` cannot be the tag of an image: a tag has no `+`",
        ),
        ("app: shop\nservices: {web: {}}", "2:12 `services.web` has no `image` | The image;"),
        ("app: shop\nservices: {Web: {image: a/b:1}}", '2:12 "Web" is not a name'),
        ("app: shop\nservices: {web: {image: a/b:1}}\nstores: {web: {redis: 7}}", "3:10 `web` is already a service"),
        ("app: shop\nservices: {web: {image: a/b:1}}\nstores: {db: {}}", "3:14 `db` does not say what it is"),
        (
            "app: shop\nservices: {web: {image: a/b:1}}\nstores: {db: {redis: 7, postgres: 16}}",
            "3:14 `db` is both postgres and redis",
        ),
        (
            "app: shop\nservices: {web: {image: a/b:1}}\nstores: {db: {postgres: 16}}\nenvironments: {production: }",
            "3:14 in production `db` would keep its data nowhere",
        ),
        (
            "app: shop\nservices: {web: {image: a/b:1}}\nstores: {db: {postgres: 16, storage: 20GB}}",
            '3:38 "20GB" is not an amount of storage',
        ),
        (
            "app: shop\nservices: {web: {image: a/b:1}}\nstores: {db: {postgres: 16, storage: 1e999999999}}",
            '3:38 "1e999999999" is not an amount',
        ),
        (
            "app: shop\nservices: {web: {image: a/b:1}}\nplatform: {ingress: ngnix}",
            '3:21 the text "ngnix" is not a value of `ingress` | did you mean `nginx`?',
        ),
        ("app: shop\nservices: {web: {image: a/b:1}}\nsizes: {huge: {cpu: 4}}", "3:9 `sizes.huge` has no `memory`"),
        ("- app: shop", "1:1 an app file is a map, this is a list"),
        ("app: !!python/object x\nservices: {web: {image: a/b:1}}", "1:6 tag `tag:yaml.org,2002:python/object` means nothing"),
        ("app: shop\nservices: {web: {image: a/b:1}}\n---\na: 1", "3:1 a second document begins here"),
        ("app: shop\nservices: {web: *nowhere}", "2:17 `*nowhere` has no anchor `&nowhere` before it"),
        ("? [a]\n: b", "1:3 a key must be a text"),
        ("app: &a [*a]\nservices: {}", "1:10 `*a` has no anchor `&a` before it"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_place(text, told):
    assert any(found.startswith(told) for found in mistakes(text)), mistakes(text)


@pytest.mark.parametrize(
    ("environments", "told"),
    [
        ("a: {extends: b}\n  b: {extends: a}", "7:16 environments extend one another in a circle: a → b → a"),
        ("a: {extends: a}", "7:16 environments extend one another in a circle: a → a"),
        (
            "staging: {extends: prod}\n  production: {}",
            "7:22 `staging` extends `prod`, which is no environment | did you mean `production`?",
        ),
        ("staging: {services: {wbe: {}}}", "7:24 `staging` changes `wbe`, which is no service | did you mean `web`?"),
        ("staging: {replica: 1}", "7:13 unknown key `replica` | did you mean `replicas`?"),
        (
            "staging: {services: {web: {calls: [ap]}}}",
            "7:38 `web` calls `ap`, which is no service or store | did you mean `api`?",
        ),
        ("staging: {size: hug}", "7:19 there is no size `hug` | sizes: small, medium, large"),
    ],
)
def test_a_mistake_in_an_environment_is_told_with_its_place(environments, told):
    found = mistakes(f"{GOOD}environments:\n  {environments}\n")
    assert any(one.startswith(told) for one in found), found


def test_a_circle_is_told_once():
    found = mistakes(f"{GOOD}environments: {{a: {{extends: b}}, b: {{extends: c}}, c: {{extends: a}}}}")
    assert len(found) == 1


def test_a_range_that_an_environment_turns_around_is_told_at_the_environment():
    text = (
        GOOD.replace("port: 3000", "port: 3000, scale: {min: 4, max: 9}")
        + "environments: {tiny: {services: {api: {scale: {max: 2}}}}}\n"
    )
    assert mistakes(text) == ["6:53 in tiny `api` has at least 4 replicas and at most 2 | min is more than max"]


def test_two_services_at_one_address_are_told():
    text = GOOD.replace("8080", "8080, expose: x.example.com").replace("3000", "3000, expose: y.example.com")
    text += "environments: {one: {services: {api: {expose: x.example.com}}}}\n"
    assert mistakes(text) == [
        "6:47 in one `api` and `web` are both exposed at x.example.com/ | give one of them another host or `path`"
    ]


def test_all_mistakes_are_told_in_one_go_in_the_order_of_lines():
    found = mistakes("""\
        app: shop
        servces: {}
        services:
          web: {image: acme/web:1, prt: 1, port: 0, calls: [apii], size: big}
          api: {image: acme/api:1}
          api: {image: acme/api:1}
        environments: {a: {extends: b}}
    """)
    assert [one.split()[0] for one in found] == ["2:1", "4:28", "4:42", "4:53", "4:66", "6:3", "7:29"]


def test_yaml_that_does_not_parse_is_told_with_its_place():
    assert mistakes("app: shop\nservices:\n  web: image: x\n")[0].startswith(
        "3:13 this is not YAML: mapping values are not allowed"
    )
    assert mistakes("app: shop\n\tservices: x\n")[0].startswith("2:1 a tab; YAML is indented with spaces")
    assert mistakes("app: 'shop\nservices: x\n")[0].startswith("3:1 this is not YAML: found unexpected end of stream")
    assert mistakes("app: sh\x07op\n") == ["1:8 control character #x07 is not allowed in YAML"]


def test_aliases_are_followed_and_their_mistakes_told_where_they_are_used():
    app = loads("app: shop\nservices:\n  a: &a {image: x/y:1, port: 80}\n  b: {<<: *a, port: 81}\n")
    assert (app.services["b"].image, app.services["b"].port) == ("x/y:1", 81)
    assert mistakes("app: shop\nservices:\n  a: &a {image: x/y:1, prt: 80}\n  b: *a\n") == [
        "3:24 unknown key `prt` | did you mean `port`?",
        "4:6 unknown key `prt` | did you mean `port`?",
    ]


def test_a_file_that_grows_without_end_through_aliases_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert any("once its aliases are followed" in one for one in mistakes("\n".join(lines)))


def test_a_file_that_is_nested_too_deeply_is_refused():
    assert any("nested more than 40 levels deep" in one for one in mistakes("app: " + "[" * 5000 + "]" * 5000))
    chain = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 2000))])
    assert any("nested more than 40 levels deep" in one for one in mistakes(chain))


def test_numbers_keep_the_text_they_were_written_as():
    app = loads("app: shop\nversion: 1.10\nservices: {web: {image: a/b, config: {A: 0010, B: 1.50, C: true, D: on, E: 1e3}}}\n")
    assert app.version == "1.10"
    assert app.services["web"].config == {"A": "0010", "B": "1.50", "C": "true", "D": "on", "E": "1e3"}


# -- files ---------------------------------------------------------------------------------------------------------------


def refused(path):
    with pytest.raises(AppFileErrors) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    return problem


def test_a_file_of_five_megabytes_is_refused_and_the_limit_said(tmp_path):
    path = tmp_path / "seatrial.yaml"
    path.write_bytes(b"# " + b"x" * 5_000_000)
    assert refused(path).message == "the file has 5,000,002 bytes; an app file may have 1,048,576 (1 MiB)"


def test_bytes_that_are_not_utf8_are_told_with_their_place(tmp_path):
    path = tmp_path / "seatrial.yaml"
    path.write_bytes("app: shop\nteam: café".encode("latin-1"))
    problem = refused(path)
    assert (problem.line, problem.column, problem.message) == (2, 10, "byte 0xe9 is not UTF-8")


@pytest.mark.parametrize("content", ["", "\n", "# only a comment\n", "---\n", "~\n"])
def test_an_empty_file_is_told(tmp_path, content):
    path = tmp_path / "seatrial.yaml"
    path.write_text(content)
    assert refused(path).message == "the file is empty"


def test_a_missing_file_and_a_folder_without_one_are_told(tmp_path):
    assert refused(tmp_path / "no.yaml").message == "there is no such file"
    assert refused(tmp_path).message == "there is no seatrial.yaml in this folder"
    assert refused(tmp_path).hint == "give the folder of an app, or its file"
    (tmp_path / "Chart.yaml").write_text("name: web")
    assert "seatrial release --chart-path" in refused(tmp_path).hint


def test_a_folder_stands_for_the_app_file_in_it(tmp_path):
    (tmp_path / "seatrial.yaml").write_text(GOOD)
    app = load(tmp_path)
    assert app.folder == tmp_path


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "seatrial.yaml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(tmp_path).app == "shop"


def test_a_secret_key_in_place_of_a_public_one_is_told_and_not_repeated():
    key = "AGE-SECRET-KEY-1" + "Q" * 58
    (said,) = mistakes(f"app: a\nversion: '1'\nservices: {{b: {{image: a/b}}}}\nplatform: {{secrets: sops, age: [{key}]}}\n")
    assert said.startswith("4:33 this is the secret key of age")
    assert "QQQ" not in said
