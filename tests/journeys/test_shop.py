"""The shop, from `seatrial up` to `seatrial down`, as a newcomer and then as a load balancer would see it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from journeys.load import Load
from seatrial.twin.home import Home

ROOT = Path(__file__).parent.parent.parent
SEATRIAL = [sys.executable, "-m", "seatrial"]

pytestmark = pytest.mark.xdist_group("shop")


@dataclass
class Shop:
    """The shop, copied to a folder where the tests may change it, and running on a twin of its own."""

    folder: Path
    home: Home
    url: str

    def up(self) -> list[dict]:
        return run_up(self.folder)

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        import tools

        command = [tools.kubectl(), "--kubeconfig", str(self.home.kubeconfig), "-n", "shop-dev", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done.stdout + done.stderr

    def pods(self) -> dict[str, str]:
        """The running pods of each service and store, by component: name -> uid."""
        rows = json.loads(self.kubectl("get", "pods", "-o", "json", "--field-selector=status.phase=Running"))["items"]
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in rows if "deletionTimestamp" not in pod["metadata"]}

    def of(self, service: str) -> dict[str, str]:
        return {name: uid for name, uid in self.pods().items() if name.startswith(f"{service}-")}

    async def up_under_load(self, path: str):
        async with Load("127.0.0.1", urlsplit(self.url).port, path) as load:
            child = await asyncio.create_subprocess_exec(
                *SEATRIAL, "up", str(self.folder), "--detach", "--name", "shop", stdout=asyncio.subprocess.PIPE
            )
            out, _ = await child.communicate()
        assert child.returncode == 0, out.decode()
        return load.report


def run_up(folder: Path) -> list[dict]:
    command = [*SEATRIAL, "up", str(folder), "--detach", "--name", "shop", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def shop(seatrial_home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop") / "shop"
    shutil.copytree(ROOT / "examples" / "shop", folder, ignore=shutil.ignore_patterns("__pycache__"))
    home = Home("shop")
    try:
        events = run_up(folder)
        yield Shop(folder, home, next(iter(events[-1]["urls"].values())))
    finally:
        home.stop()


@pytest.fixture
def browser():
    """Something that keeps cookies."""
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))


def call(browser, url: str, body: dict | None = None, method: str | None = None, more: dict | None = None):
    headers = {"Content-Type": "application/json", **(more or {})}
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, headers, method=method)
    with browser.open(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_the_page_is_served(shop):
    with urllib.request.urlopen(shop.url, timeout=10) as page:
        assert page.status == 200
        assert b"<html" in page.read()


def test_kubectl_sees_every_part_running_and_ready(shop):
    lines = shop.kubectl("get", "pods", "--no-headers", "--field-selector=status.phase=Running").splitlines()
    assert {line.split()[0].split("-")[0] for line in lines} == {"web", "api", "db", "cache"}
    assert all(line.split()[1] == "1/1" for line in lines)


def test_running_up_again_with_nothing_changed_rolls_nothing(shop):
    before = shop.pods()
    events = shop.up()
    assert shop.pods() == before
    assert any("nothing changed" in event.get("text", "") for event in events)


def test_a_changed_source_rolls_only_that_service_and_loses_no_request(shop):
    web, api = shop.of("web"), shop.of("api")
    with (shop.folder / "api" / "shop_api" / "__init__.py").open("a") as source:
        source.write("\n# changed\n")
    report = asyncio.run(shop.up_under_load("/api/products"))
    assert shop.of("web") == web
    assert not set(shop.of("api").values()) & set(api.values())
    assert report.failed == []
    assert report.answered > 50


def test_web_rolls_without_losing_a_request(shop):
    web, api = shop.of("web"), shop.of("api")
    page = shop.folder / "web" / "nginx.conf"
    page.write_text(page.read_text() + "\n# changed\n")
    report = asyncio.run(shop.up_under_load("/"))
    assert shop.of("api") == api
    assert not set(shop.of("web").values()) & set(web.values())
    assert report.failed == []
    assert report.answered > 50


def test_a_killed_pod_costs_no_more_than_the_requests_in_flight_in_it(shop):
    app_file = shop.folder / "seatrial.yaml"
    app_file.write_text(app_file.read_text().replace("replicas: 1", "replicas: 2"))
    shop.up()
    assert len(shop.of("api")) == 2
    victim = next(
        process
        for process in psutil.Process(shop.home.require().pid).children(recursive=True)
        if process.cmdline()[-2:] == ["-m", "shop_api"]
    )

    async def kill_under_load():
        async with Load("127.0.0.1", urlsplit(shop.url).port, "/api/products") as load:
            await load.more(50)
            in_flight = load.in_flight
            victim.kill()
            await load.more(100)
        return in_flight, load.report

    in_flight, report = asyncio.run(kill_under_load())
    assert not victim.is_running()
    assert len(report.failed) <= in_flight, report.failed
    assert report.answered >= 150 - in_flight


def test_web_and_api_roll_together_without_losing_a_request(shop):
    before = {**shop.of("web"), **shop.of("api")}
    for changed in ("web/nginx.conf", "api/shop_api/__init__.py"):
        with (shop.folder / changed).open("a") as source:
            source.write("\n# changed together\n")
    report = asyncio.run(shop.up_under_load("/api/products"))
    assert not {**shop.of("web"), **shop.of("api")}.keys() & before.keys()
    assert report.failed == []


def test_orders_are_kept_and_carts_belong_to_a_browser(shop, browser):
    headers = {"Idempotency-Key": "0123456789abcdef0123456789abcdef"}
    call(browser, f"{shop.url}/api/cart/compass", {"quantity": 2}, "PUT")
    placed = call(browser, f"{shop.url}/api/orders", {}, "POST", headers)
    again = call(browser, f"{shop.url}/api/orders", {}, "POST", headers)
    assert placed["id"] == again["id"]
    assert [order["id"] for order in call(browser, f"{shop.url}/api/orders")["orders"]] == [placed["id"]]
    assert call(browser, f"{shop.url}/api/cart")["lines"] == []


def test_logs_of_now_and_of_the_container_before_are_there(shop):
    name = next(iter(shop.of("api")))
    assert shop.kubectl("logs", name, "--tail=1").strip()
    assert "previous terminated container" in shop.kubectl("logs", name, "--previous", check=False)


def test_ctrl_c_leaves_no_process_no_port_and_no_folder(seatrial_home, tmp_path):
    folder = tmp_path / "greeter"
    shutil.copytree(ROOT / "examples" / "greeter", folder)
    child = subprocess.Popen(
        [*SEATRIAL, "up", str(folder), "--name", "once", "-o", "json"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert child.stdout is not None
        last = next(event for event in map(json.loads, child.stdout) if event["kind"] in ("ready", "failed"))
        assert last["kind"] == "ready", last
        home = Home("once")
        family = psutil.Process(home.require().pid).children(recursive=True)
        assert family
        child.send_signal(signal.SIGINT)
        child.stdout.read()
        assert child.wait(60) == 0
        assert not home.path.exists()
        assert not psutil.wait_procs(family, timeout=10)[1]
    finally:
        child.kill()


def test_a_killed_twin_takes_everything_with_it(start_twin):
    twin = start_twin("killed")
    twin.kubectl("create", "deployment", "sleeper", "--image=busybox", "--", "sleep", "1000")
    twin.kubectl("rollout", "status", "deployment/sleeper", "--timeout=30s")
    family = psutil.Process(twin.running.pid).children(recursive=True)
    assert any("sleep" in process.name() for process in family)
    os.kill(twin.running.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=15)
    assert not alive
    twin.home.acquire()  # returns when what is left of the killed one has been taken back
    assert sorted(path.name for path in twin.home.path.iterdir()) == ["lock"]
    twin.home.release()
