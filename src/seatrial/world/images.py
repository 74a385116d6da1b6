"""Names of images: registry, repository and tag, as Docker's own rules read them (distribution/reference); and names that
cannot be meant, since no registry has what they name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from seatrial.world.patterns import pattern

DOCKER_HUB = "docker.io"
#: Where else the official images of Docker Hub are served, as the part of the name before theirs.
MIRRORS = ("docker.io/library/", "index.docker.io/library/", "mirror.gcr.io/library/", "public.ecr.aws/docker/library/")


#: distribution's reference grammar, in short: [host[:port]/]path[:tag][@digest].
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = (
    r"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?"
)
REFERENCE = pattern(
    rf"(?:{_HOST}/)?{_NAME}(?:/{_NAME})*(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>[A-Za-z][\w.+-]*:[0-9a-fA-F]{{32,}}))?",
    re.ASCII,
)


class Reference(NamedTuple):
    repository: str  # with its registry: docker.io/library/nginx
    tag: str

    @property
    def official(self) -> str:
        """The short name of an official image (`nginx`), or `user/name` of one on Docker Hub; "" for any other registry."""
        for mirror in MIRRORS:
            if self.repository.startswith(mirror):
                return self.repository.removeprefix(mirror)
        registry, _, path = self.repository.partition("/")
        return path if registry == DOCKER_HUB else ""

    @property
    def major(self) -> int | None:
        """The number that the tag begins with: 16 for `16.4-alpine`."""
        digits = self.tag.removeprefix("v").partition(".")[0].partition("-")[0]
        return int(digits) if digits.isdigit() else None


def parse(image: str) -> Reference:
    name, _, _digest = image.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    registry, slash, rest = path.partition("/")
    if not slash:
        return Reference(f"{DOCKER_HUB}/library/{path}", tag)
    if "." not in registry and ":" not in registry and registry != "localhost":
        return Reference(f"{DOCKER_HUB}/{path}", tag)
    return Reference(f"{registry}/{rest}", tag)


def pull_policy(image: str) -> str:
    """Always for the tag `latest` or no tag at all, else IfNotPresent (pkg/apis/core/v1/defaults.go, pkg/util/parsers)."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "Always" if not colon or tag == "latest" else "IfNotPresent"


#: Official images of Docker Hub that people write by hand.
OFFICIAL = frozenset(
    """
    adminer almalinux alpine amazonlinux arangodb archlinux bash busybox caddy cassandra chronograf consul couchbase
    couchdb debian docker drupal eclipse-mosquitto eclipse-temurin elasticsearch erlang fedora flink fluentd ghost golang
    gradle grafana haproxy hello-world httpd influxdb jenkins joomla kibana kong logstash mariadb matomo maven memcached
    mongo mongo-express mysql nats neo4j nextcloud nginx node odoo openjdk oraclelinux percona perl photon php phpmyadmin
    postgres python rabbitmq redis registry rockylinux ruby rust solr sonarqube swift telegraf tomcat traefik ubuntu
    varnish vault wordpress zookeeper
    """.split()  # noqa: SIM905 - a page of words
)
_PLACEHOLDER = pattern(
    r"(?:^|[/.])(your[-_]?(?:company|organi[sz]ation|org|registry|repo|repository|user|username|account|project|team|name|image|app)"
    r"(?:name|id)?)(?=[/.:@-]|$)",
    re.IGNORECASE,
)
_SAYS_SO = pattern(r"does-?not-?exist|non-?exist(?:ent|ing)?|not-?exist(?:ing)?|no-?such-?(?:image|tag)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def doubt(image: str) -> str:
    """Why nobody can have an image of this name, in words that follow it; "" for all but names that cannot be meant."""
    placeholder = _PLACEHOLDER.search(image.partition("@")[0])
    if placeholder:
        return f"`{placeholder[1]}` is a placeholder"
    if _SAYS_SO.search(image):
        return "its own name says so"
    reference = parse(image)
    name = reference.official
    if "/" in name or not name or name in OFFICIAL or "/" in image.partition("@")[0]:
        return ""
    meant = next((near for near in sorted(OFFICIAL) if len(near) > 3 and is_slip(name, near)), "")
    return f"no official image is called `{name}`; `{meant}` is" if meant else ""


def is_slip(wrong: str, right: str) -> bool:
    """Whether a word is another with a slip of the hand: a letter left out or doubled, or two that changed places."""
    if len(wrong) == len(right):
        return (
            any(wrong == right[:i] + right[i + 1] + right[i] + right[i + 2 :] for i in range(len(right) - 1)) and wrong != right
        )
    if len(wrong) == len(right) - 1:
        return any(wrong == right[:i] + right[i + 1 :] for i in range(len(right)))
    return len(wrong) == len(right) + 1 and any(wrong == right[: i + 1] + right[i:] for i in range(len(right)))
