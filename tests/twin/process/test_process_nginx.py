"""An nginx configuration, rewritten for a pod: what changes, and that nothing else does."""

import pytest

from seatrial.twin.kubelet.process.entrypoints.nginx import FALLBACKS, options
from seatrial.twin.kubelet.process.entrypoints.nginx_config import Rewriter, parse, split_address

POD = "127.97.0.2"


@pytest.fixture
def rewrite(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "new").mkdir()

    def go(text, root=""):
        rewriter = Rewriter(POD, tmp_path / "new", tmp_path / "run", tmp_path / "conf", FALLBACKS, root)
        return rewriter.main(text).read_text()

    return go


COMPLETE = (
    "daemon off; pid /tmp/x; error_log stderr; http { access_log off; client_body_temp_path /tmp; proxy_temp_path /tmp; "
    'fastcgi_temp_path /tmp; uwsgi_temp_path /tmp; scgi_temp_path /tmp; # as it is: "quoted; braces {" \n'
    "  server { listen 127.0.0.1:80; location ~ \\.php$ { return 200 'a;b{}'; } set $x ${y}z; } }\n"
)


def test_what_says_everything_itself_stays_word_for_word(rewrite):
    assert rewrite(COMPLETE).strip() == COMPLETE.strip()


@pytest.mark.parametrize(
    ("listen", "becomes"),
    [
        ("8080", f"{POD}:8080"),
        ("*:8080 default_server", f"{POD}:8080 default_server"),
        ("0.0.0.0:80", f"{POD}:80"),
        ("[::]:8080 ipv6only=on", f"{POD}:8080 "),
        ("443 ssl", f"{POD}:443 ssl"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("unix:/tmp/nginx.sock", "unix:/tmp/nginx.sock"),
        ("$port", "$port"),
    ],
)
def test_every_address_becomes_the_pods(rewrite, listen, becomes):
    assert f"server {{ listen {becomes}; }}" in rewrite(f"http {{ server {{ listen {listen}; }} }}")


def test_ipv4_and_ipv6_on_one_port_become_one(rewrite):
    text = rewrite("http { server { listen 80; listen [::]:80; } server { listen 80; } }")
    assert text.count(f"listen {POD}:80;") == 2
    assert "[::]" not in text


def test_what_is_not_said_gets_a_place_where_a_pod_may_write(rewrite, tmp_path):
    text = rewrite("events {} http { server { listen 1; } }")
    assert text.startswith(f" daemon off; pid {tmp_path}/run/nginx.pid; error_log stderr notice;\n")
    assert f"client_body_temp_path {tmp_path}/run/client_body;" in text
    assert "daemon on" not in rewrite("daemon on;")


def test_the_links_of_the_official_image_lead_to_the_output(rewrite):
    text = rewrite("error_log /var/log/nginx/error.log warn; http { access_log /var/log/nginx/access.log main; }")
    assert "error_log stderr warn;" in text
    assert "access_log /dev/stdout main;" in text


def test_included_files_are_rewritten_with_it(rewrite, tmp_path):
    (tmp_path / "conf/sites").mkdir()
    (tmp_path / "conf/sites/a.conf").write_text("server { listen 8080; include common.inc; }")
    (tmp_path / "conf/common.inc").write_text("ssl_certificate tls.crt; listen 8443;")
    (tmp_path / "conf/tls.crt").write_text("")
    rewrite("http { include mime.types; include sites/*.conf; include missing/*.conf; }")
    written = {path.name.partition("-")[2] or path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert f"listen {POD}:8080;" in written["a.conf"]
    assert f'ssl_certificate "{tmp_path}/conf/tls.crt"; listen {POD}:8443;' in written["common.inc"]
    assert "text/html" in written["mime.types"]
    assert "missing" not in written["nginx.conf"]


def test_a_plain_process_finds_its_volumes(rewrite, tmp_path):
    (tmp_path / "tree/srv/pages").mkdir(parents=True)
    text = rewrite(
        "pid /run/nginx.pid; http { server { root /srv/pages; location / { alias /elsewhere; } } }", str(tmp_path / "tree")
    )
    assert f'root "{tmp_path}/tree/srv/pages";' in text
    assert "alias /elsewhere;" in text
    assert f"pid {tmp_path}/run/nginx.pid;" in text


def test_broken_configurations_are_left_for_nginx_to_refuse(rewrite):
    for text in ("http {", "}}", "listen", 'a "unclosed', "", "{;};"):
        rewrite(text)


def test_options_are_read_in_both_forms():
    assert options(["-c", "a", "-p/x", "-g", "daemon off;", "-t"]) == ({"-c": "a", "-p": "/x", "-g": "daemon off;"}, ["-t"])


@pytest.mark.parametrize(("text", "parts"), [("[::]:80", ("[::]", "80")), ("[::1]", ("[::1]", "80")), ("a.b:8", ("a.b", "8"))])
def test_addresses_are_split(text, parts):
    assert split_address(text) == parts


def test_statements_know_where_they_are():
    text = "a 'b c' { d; }"
    (block,) = parse(text)
    assert (block.words, block.block[0].words, text[block.close]) == (["a", "b c"], ["d"], "}")
