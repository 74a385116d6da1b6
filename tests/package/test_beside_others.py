"""What an app has in a namespace that all share is called after its own namespace, and is one object in a chart and in a tree."""

from __future__ import annotations

import yaml

from seatrial.app import loads, resolve
from seatrial.package.compare import compare
from seatrial.package.helm.chart import chart
from seatrial.package.kustomize.tree import kustomize
from seatrial.package.paths import own_namespace, plain_name
from seatrial.render import render

APP = """\
app: shop
version: "1"
services:
  web: {image: acme/web, port: 8080, expose: shop.example.com}
environments:
  staging: {services: {web: {expose: shop.staging.example.com}}}
  production: {namespace: shop}
  dev: {}
platform: {ingress: istio, mesh: istio, issuer: letsencrypt}
"""


def worlds(*environments):
    app = loads(APP)
    return {environment: render(resolve(app, environment)) for environment in environments}


def certificates(objects):
    return [obj for obj in objects if obj["kind"] == "Certificate"]


def test_the_certificate_at_istios_gateway_is_called_after_the_namespace_of_its_app():
    for environment, name in (("staging", "shop-staging-web-tls"), ("production", "shop-web-tls")):
        (found,) = certificates(worlds(environment)[environment])
        assert (found["metadata"]["namespace"], found["metadata"]["name"]) == ("istio-system", name)


def test_it_is_one_template_of_a_chart_that_follows_the_release_and_asks_no_value_of_its_own():
    files = chart("shop", worlds("staging", "production", "dev"), base="production")
    (path,) = [path for path in files if "certificate" in path]
    assert path == "templates/web/tls-certificate.yaml"
    assert 'name: "{{ .Release.Namespace }}-web-tls"' in files[path]
    assert 'secretName: "{{ .Release.Namespace }}-web-tls"' in files[path]
    assert "- {{ .Values.services.web.expose.host | quote }}" in files[path]
    assert not any("ertificate" in yaml.safe_dump(yaml.safe_load(files[name])) for name in ("values.yaml", "values-staging.yaml"))


def test_it_is_one_file_of_a_tree_to_which_each_overlay_gives_its_name():
    files = kustomize(worlds("staging", "production"))
    assert [path for path in files if "certificate" in path and "patches" not in path] == ["base/web/tls-certificate.yaml"]
    for environment, name in (("staging", "shop-staging-web-tls"), ("production", "shop-web-tls")):
        patch = yaml.safe_load(files[f"overlays/{environment}/patches/web-tls-certificate.yaml"])
        assert patch["metadata"]["name"] == name


def test_it_neither_comes_nor_goes_between_two_environments():
    found = compare(*worlds("staging", "production").values())
    assert [(each.sign, each.path) for each in found if each.object == "Certificate/web-tls"] == [("~", "spec.dnsNames[0]")]


def test_what_is_in_the_namespace_of_the_app_keeps_its_whole_name():
    space = {"kind": "Namespace", "metadata": {"name": "shop"}}
    assert own_namespace([space]) == "shop"
    assert own_namespace([space, space]) == ""
    assert plain_name({"kind": "Service", "metadata": {"name": "shop-web", "namespace": "shop"}}, "shop") == "shop-web"
    assert plain_name({"kind": "ClusterRole", "metadata": {"name": "shop-web"}}, "shop") == "shop-web"
    assert plain_name({"kind": "Secret", "metadata": {"name": "shop-web", "namespace": "infra"}}, "shop") == "web"
