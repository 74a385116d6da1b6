"""What objects count on and do not bring is told: to whoever renders, and to whoever installs the chart."""

import pytest

from seatrial.app import loads, resolve
from seatrial.package.helm import chart
from seatrial.package.needs import needs
from seatrial.render import render, values

APP = """\
app: shop
version: "1"
services:
  api: {image: x/api, port: 80, secrets: [KEY], expose: shop.example.com}
  web: {image: x/web, port: 80, secrets: [TOKEN]}
environments: {production: {}}
platform: {%s}
"""


def world(platform: str) -> list[dict]:
    app = resolve(loads(APP % platform), "production")
    return render(app, secrets=values.complete(app))


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        ("", []),
        (
            "secrets: external-secrets",
            ["ClusterSecretStore shop, which finds shop/production/api, shop/production/web"],
        ),
        ("secrets: external-secrets, secretProvider: aws, region: eu-west-1", []),
        (
            "secrets: external-secrets, secretProvider: aws, region: eu-west-1, secretCredentials: keys",
            ["Secret keys, with the keys by which the SecretStore shop asks"],
        ),
        ("secrets: existing", ["Secret api, with KEY", "Secret web, with TOKEN"]),
        ("secrets: csi, secretProvider: aws, region: eu-west-1", []),
        ("issuer: letsencrypt", ["ClusterIssuer letsencrypt, of cert-manager"]),
        ("ingress: gateway", []),
        ("ingress: gateway, gateway: infra/public", ["Gateway infra/public, which lets the world in"]),
    ],
)
def test_what_is_not_brought_is_told(platform: str, told: list[str]) -> None:
    assert needs(world(platform)) == told


def test_the_notes_of_a_chart_tell_it() -> None:
    notes = chart("shop", {"production": world("secrets: external-secrets")}, base="production")["templates/NOTES.txt"]
    assert "ClusterSecretStore shop, which finds shop/production/api" in notes
    assert "counts on" not in chart("shop", {"production": world("")}, base="production")["templates/NOTES.txt"]
