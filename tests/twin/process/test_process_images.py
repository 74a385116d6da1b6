"""Images without an engine: what a name means, what belongs into a snapshot, and what command comes of it."""

import json
import sys
from pathlib import Path

import pytest

from seatrial.twin.kubelet.process.images import Images, build_image, catalogue, source_hash
from seatrial.twin.kubelet.process.images.ignore import files
from seatrial.twin.kubelet.process.images.store import command
from seatrial.world.images import parse


def write(folder, **contents):
    for name, text in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(folder):
    return {path.as_posix() for path in files(folder)}


@pytest.mark.parametrize(
    ("image", "repository", "tag", "official"),
    [
        ("nginx", "docker.io/library/nginx", "latest", "nginx"),
        ("postgres:16-alpine", "docker.io/library/postgres", "16-alpine", "postgres"),
        ("docker.io/library/redis:7", "docker.io/library/redis", "7", "redis"),
        ("public.ecr.aws/docker/library/redis:7", "public.ecr.aws/docker/library/redis", "7", "redis"),
        ("nginxinc/nginx-unprivileged:1", "docker.io/nginxinc/nginx-unprivileged", "1", "nginxinc/nginx-unprivileged"),
        ("ghcr.io/acme/nginx:1", "ghcr.io/acme/nginx", "1", ""),
        ("localhost:5000/a/b", "localhost:5000/a/b", "latest", ""),
        ("localhost/shop-api:src-1@sha256:00", "localhost/shop-api", "src-1", ""),
    ],
)
def test_a_name_is_read_as_docker_reads_it(image, repository, tag, official):
    reference = parse(image)
    assert (reference.repository, reference.tag, reference.official) == (repository, tag, official)


@pytest.mark.parametrize(
    ("image", "command", "first", "ash"),
    [
        ("busybox:1.36", "sh", "sh", True),
        ("python:3.13-alpine", "/bin/sh", "sh", True),
        ("debian:13", "/bin/sh", "/bin/sh", False),
        ("busybox", "/opt/sh", "/opt/sh", True),
    ],
)
def test_the_shell_of_an_image_with_busybox_is_not_debians(image, command, first, ash, tmp_path):
    launch = Images(tmp_path, tmp_path / "bin").resolve(image, (command, "-c", "x"))
    assert launch.argv == (first, "-c", "x")
    assert (str(tmp_path / "bin" / "ash") in launch.path) is ash
    assert (tmp_path / "bin" / "ash" / "sh").resolve().name in ("bash", "busybox")


def test_caches_version_control_and_environments_are_no_source(tmp_path):
    write(tmp_path, **{"app.py": "", ".git__HEAD": "", "pkg____pycache____x.pyc": "", ".env__pyvenv.cfg": "", ".env__bin__x": ""})
    write(tmp_path, **{"pkg__a.py": "", "pkg__a.pyc": "", ".github__ci.yaml": ""})
    (tmp_path / "link").symlink_to("app.py")
    assert names(tmp_path) == {"app.py", "pkg/a.py", ".github/ci.yaml", "link"}


def test_dockerignore_is_read_as_docker_reads_it(tmp_path):
    write(tmp_path, **{".dockerignore": "# tests\ntests\n*.md\n!README.md\n**/*.log\nbuild/*\n!build/keep\n"})
    write(tmp_path, **{"tests__a": "", "sub__tests__a": "", "a.md": "", "README.md": "", "sub__a.md": "", "x.log": ""})
    write(tmp_path, **{"sub__x.log": "", "build__a": "", "build__keep": ""})
    assert names(tmp_path) == {".dockerignore", "sub/tests/a", "README.md", "sub/a.md", "build/keep"}


def test_gitignore_is_read_as_git_reads_it_where_there_is_no_dockerignore(tmp_path):
    write(tmp_path, **{".gitignore": "dist/\n*.tmp\n/top\ndocs/*.html\n[ab].bin\n"})
    write(tmp_path, **{"dist__x": "", "sub__dist__x": "", "sub__x.tmp": "", "top": "", "sub__top": "", "docs__a.html": ""})
    write(tmp_path, **{"sub__docs__a.html": "", "a.bin": "", "c.bin": "", "sub2__dist": "a file"})
    assert names(tmp_path) == {".gitignore", "sub/top", "sub/docs/a.html", "c.bin", "sub2/dist"}


def test_the_hash_of_a_source_changes_with_what_belongs_to_it_alone(tmp_path):
    write(tmp_path, **{"app.py": "1", ".gitignore": "cache\n"})
    first = source_hash(tmp_path)
    write(tmp_path, cache="x")
    assert source_hash(tmp_path) == first
    (tmp_path / "app.py").chmod(0o755)
    second = source_hash(tmp_path)
    write(tmp_path, **{"app.py": "2"})
    third = source_hash(tmp_path)
    (tmp_path / "app.py").rename(tmp_path / "main.py")
    assert len({first, second, third, source_hash(tmp_path)}) == 4


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("nginx -c nginx.conf", ["nginx", "-c", "nginx.conf"]),
        ("python -c 'print(1)'", ["/bin/sh", "-c", "python -c 'print(1)'"]),
        ("serve --title 'My shop'", ["serve", "--title", "My shop"]),
        ("serve --host $POD_IP", ["/bin/sh", "-c", "serve --host $POD_IP"]),
        ("migrate && serve", ["/bin/sh", "-c", "migrate && serve"]),
        (["serve", "a b"], ["serve", "a b"]),
    ],
)
def test_a_command_line_gets_a_shell_only_where_it_needs_one(run, words):
    assert command(run) == words


def test_an_image_is_a_snapshot_that_later_changes_do_not_reach(tmp_path):
    source = write(tmp_path / "src", **{"app.py": "1", "sub__data": "x"})
    image = build_image(tmp_path / "store", "localhost/shop-api", "src-1", source, "python app.py", {"A": "b"}, venv="/venvs/x")
    write(source, **{"app.py": "2"})
    assert (image.root / "app.py").read_text() == "1"
    assert build_image(tmp_path / "store", "localhost/shop-api", "src-1", source, "other", {}) == image
    described = json.loads((tmp_path / "store/localhost/shop-api/src-1/image.json").read_text())
    assert described["entrypoint"] == ["python", "app.py"]

    images = Images(tmp_path / "store", tmp_path / "bin")
    launch = images.resolve("localhost/shop-api:src-1", (), ("--debug",))
    assert launch.argv == ("python", "app.py", "--debug")
    assert launch.path[:3] == ("/venvs/x/bin", str(tmp_path / "bin"), str(Path(sys.prefix) / "bin"))
    assert launch.env == {"VIRTUAL_ENV": "/venvs/x", "A": "b"}
    assert images.resolve("localhost/shop-api:src-1", ("python", "migrate.py")).argv == ("python", "migrate.py")
    assert images.pull("localhost/shop-api:src-2").error.endswith("localhost/shop-api:src-2: not found")


def test_only_the_latest_images_of_a_name_are_kept(tmp_path):
    source = write(tmp_path / "src", **{"app.py": "1"})
    for number in range(12):
        build_image(tmp_path / "store", "localhost/a", f"t{number}", source, "x", {})
    assert len(list((tmp_path / "store/localhost/a").iterdir())) == 8


def test_installed_modules_of_node_are_used_though_they_are_no_source(tmp_path):
    source = write(tmp_path / "src", **{".dockerignore": "node_modules\n", "node_modules__x__index.js": "", "app.js": ""})
    image = build_image(tmp_path / "store", "localhost/web", "1", source, "node app.js", {})
    assert (image.root / "node_modules").readlink() == source / "node_modules"


@pytest.fixture
def images(tmp_path):
    return Images(tmp_path / "store", tmp_path / "bin")


def test_known_images_run_as_their_own_user_with_their_own_command_and_stop_signal(images):
    nginx, postgres, redis = (images.resolve(name) for name in ("nginx:1.27", "postgres:16", "redis:7-alpine"))
    assert (nginx.argv, nginx.uid, nginx.stop_signal) == (("nginx", "-g", "daemon off;"), 101, "SIGQUIT")
    assert (postgres.argv, postgres.uid, postgres.stop_signal) == (("docker-entrypoint.sh", "postgres"), 999, "SIGINT")
    assert (redis.argv, redis.uid, redis.stop_signal) == (("docker-entrypoint.sh", "redis-server"), 999, "SIGTERM")
    assert images.resolve("redis:7", (), ("--appendonly", "yes")).argv == ("docker-entrypoint.sh", "--appendonly", "yes")


@pytest.mark.parametrize(
    ("asked", "served", "said"), [(16, 16, False), (14, 16, True), (17, 18, True), (18, 18, False), (21, 18, True)]
)
def test_a_version_that_no_wheel_has_is_served_by_the_next_and_it_is_said(images, asked, served, said):
    launch = images.resolve(f"postgres:{asked}")
    assert launch.env["PG_MAJOR"] == str(served)
    assert bool(launch.note) == said


def test_a_command_of_this_machine_runs_whatever_the_image(images):
    assert images.resolve("ghcr.io/acme/tools:1", ("sh", "-c", "exit 0")).argv == ("sh", "-c", "exit 0")
    assert images.resolve("busybox", ("no-such-program",)).argv == ("no-such-program",)
    assert images.resolve("ghcr.io/acme/api:1", ("python3", "-c", "print()")) is not None


@pytest.mark.parametrize("wanted", [(), ("no-such-program",), ("python3", "-m", "shop_api"), ("java", "-jar", "x.jar")])
def test_what_needs_its_image_does_not_run_here(images, wanted):
    assert images.resolve("ghcr.io/acme/api:1", wanted) is None


def test_without_its_wheel_an_image_is_simulated(images, monkeypatch):
    monkeypatch.setattr(catalogue, "_package", lambda name: None)
    assert [images.resolve(name) for name in ("nginx", "postgres:16", "redis")] == [None, None, None]
