"""The servers of the catalogue start, answer and stop as their official images do."""

import asyncio
import signal
import socket

import pytest

from seatrial.twin.kubelet.process.entrypoints import postgres, redis
from seatrial.twin.kubelet.process.images import build_image

PASSWORD = {"POSTGRES_PASSWORD": "secret", "POSTGRES_USER": "shop", "POSTGRES_DB": "orders"}


async def answers(container, *command):
    """Ask until it answers, each time something new is in the log."""
    grown = asyncio.Event()
    leave = container.runtime.follow_log(container.id, grown.set)
    while True:
        grown.clear()
        result = await container.exec(*command)
        if result.code == 0:
            leave()
            return result.output
        assert not container._ended.done(), container.log()
        await asyncio.wait_for(grown.wait(), 30)


@pytest.mark.parametrize("tag", ["16", "18"])
def test_postgres_makes_its_database_once_and_keeps_it(run, tag, isolation):
    if isolation == "plain" and tag == "18":
        pytest.skip("what differs between the versions is no different for plain processes")

    async def test(box):
        pod = box.pod("db-0")
        data = "/var/lib/postgresql/data" if tag == "16" else "/var/lib/postgresql"
        pod.mount(data, "claim", claim="shop/data-db-0")
        first = pod.start(image=f"postgres:{tag}", env=PASSWORD, memory_limit=1 << 30)
        await answers(first, "pg_isready", "-h", "127.0.0.1", "-U", "shop")
        query = ("psql", "-U", "shop", "-d", "orders", "-tAc")
        assert (await first.exec(*query, "create table t as select 42 as n; select n from t")).output == "SELECT 1\n42\n"
        refused = await first.exec("psql", f"postgresql://shop:wrong@{pod.address}/orders", "-c", "select 1")
        assert "password authentication failed" in refused.output
        allowed = await first.exec("psql", f"postgresql://shop:secret@{pod.address}/orders", "-tAc", "select n from t")
        assert allowed.output == "42\n"
        first.signal(signal.SIGTERM)
        assert (await first.ended()).code == 0
        assert "received fast shutdown request" in first.log()
        assert "database system is shut down" in first.log()

        again = pod.start(image=f"postgres:{tag}", env=PASSWORD, attempt=1)
        await answers(again, "pg_isready")
        assert "Skipping initialization" in again.log()
        assert (await again.exec(*query, "select n from t")).output == "42\n"

    run(test)


def test_postgres_asks_for_a_password_before_it_makes_a_database(run_isolated):
    async def test(box):
        container = box.pod().start(image="postgres:16")
        assert (await container.ended()).code == 1
        assert "superuser password is not specified" in container.log()

    run_isolated(test)


def test_postgres_takes_its_password_from_a_file_and_runs_the_scripts_of_the_image_folder(run_isolated):
    async def test(box):
        pod = box.pod()
        pod.mount("/run/secrets/pg", files={"password": "from a file\n"})
        pod.mount(
            "/docker-entrypoint-initdb.d", files={"1.sql": "create table made (n int);", "2.sh": "echo a script as $PGUSER"}
        )
        container = pod.start(image="postgres:16", env={"POSTGRES_PASSWORD_FILE": "/run/secrets/pg/password"})
        await container.says("database system is ready to accept connections")
        await answers(container, "pg_isready", "-h", pod.address)
        url = f"postgresql://postgres@{pod.address}/postgres"
        listed = await container.exec("sh", "-c", f"PGPASSWORD='from a file' psql {url} -tAc '\\dt'")
        assert "made" in listed.output
        assert "a script as postgres" in container.log()

    run_isolated(test)


def test_redis_answers_others_and_keeps_what_its_volume_holds(run):
    async def test(box):
        pod = box.pod("cache-0")
        pod.mount("/data", "claim", claim="shop/data-cache-0")
        first = pod.start(image="redis:7", args=("--appendonly", "yes"), read_only_root=True)
        await first.says("Ready to accept connections")
        assert await answers(first, "redis-cli", "ping") == "PONG\n"
        reader, writer = await asyncio.open_connection(pod.address, 6379)
        writer.write(b"SET colour blue\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()
        first.signal(signal.SIGTERM)
        assert (await first.ended()).code == 0
        again = pod.start(image="redis:7", args=("--appendonly", "yes"), attempt=1)
        await again.says("Ready to accept connections")
        assert await answers(again, "redis-cli", "-h", "localhost", "get", "colour") == "blue\n"

    run(test)


async def get(address, port, path="/"):
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


def test_nginx_serves_a_teams_folder_with_its_own_configuration(run, tmp_path):
    source = tmp_path / "web"
    (source / "public").mkdir(parents=True)
    (source / "public/index.html").write_text("the page")
    (source / "nginx.conf").write_text(
        "pid /tmp/nginx.pid; events {} http { upstream api { server api:3000; }"
        " server { listen 8080; root public; location /api { proxy_pass http://api; } } }"
    )

    async def test(box):
        build_image(box.root / "images", "localhost/web", "1", source, "nginx -c nginx.conf", {})
        api, pods = box.pod("api-0"), [box.pod(f"web-{n}") for n in range(2)]
        box.runtime.set_hosts("shop", f"{api.address}\tapi\n")
        await api.start("python3", "-u", "-m", "http.server", "3000", image="python:3").says("Serving")
        for pod in pods:
            pod.mount("/tmp", "empty")
            web = pod.start(image="localhost/web:1", run_as_user=10001, read_only_root=True)
            await web.says("start worker process")
            assert (await get(pod.address, 8080)).endswith("the page")
            assert "404" in await get(pod.address, 8080, "/api")
            await web.says('"GET / HTTP/1.0" 200')
        web.signal(signal.SIGTERM)
        assert (await web.ended()).code == 0
        assert "gracefully shutting down" in web.log()

    run(test)


def test_nginx_without_a_configuration_serves_the_pages_it_was_given(run_isolated):
    async def test(box):
        pod = box.pod()
        pod.mount("/usr/share/nginx/html", files={"index.html": "hello"})
        conf = "server { listen 8080; location / { root /usr/share/nginx/html; } }"
        pod.mount("/etc/nginx/conf.d", files={"default.conf": conf})
        container = pod.start(image="nginx:1.27")
        await container.says("start worker process")
        assert (await get(pod.address, 8080)).endswith("hello")

    run_isolated(test)


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ([], ["--bind", "POD", "--protected-mode", "no"]),
        (["--port", "7000"], ["--port", "7000", "--bind", "POD", "--protected-mode", "no"]),
        (["--bind", "0.0.0.0", "::", "--save", ""], ["--save", "", "--bind", "POD", "--protected-mode", "no"]),
        (["--bind", "127.0.0.1"], ["--bind", "127.0.0.1"]),
        (["--version"], ["--version"]),
    ],
)
def test_redis_listens_where_its_image_would(given, becomes):
    expected = [word.replace("POD", "127.97.0.2") for word in becomes]
    if "0.0.0.0" in given:
        expected = expected[:-2]  # whoever binds is trusted to have meant it
    assert redis.server_arguments(given, "127.97.0.2") == expected


def test_a_configuration_of_redis_is_asked_first(tmp_path):
    config = tmp_path / "redis.conf"
    config.write_text("# mine\nbind 10.0.0.1\nprotected-mode yes\n")
    assert redis.server_arguments([str(config)], "POD") == [str(config)]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["-c", "max_connections=200"], ["-c", "max_connections=200"]),
        (["-c", "listen_addresses=*", "-c", "a=b"], ["-c", "a=b"]),
        (["--listen-addresses=*", "--a=b"], ["--a=b"]),
        (["-h", "*"], []),
    ],
)
def test_options_of_postgres_are_kept_but_for_the_addresses(given, kept):
    assert postgres.own_options(given) == kept


def test_the_ports_of_a_container_are_free_when_it_has_ended(run):
    async def test(box):
        pod = box.pod()
        first = pod.start("python3", "-u", "-m", "http.server", "8080", image="python:3")
        await first.says("Serving")
        first.signal(signal.SIGKILL)
        await first.ended()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of earlier tests linger for a minute
            probe.bind((pod.address, 8080))

    run(test)
