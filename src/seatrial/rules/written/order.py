# ruff: noqa: E501 - a line of the table is one saying
"""What comes before what: hooks and waves that need objects which come later, canaries and their services, routes and arguments."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.rules.finding import Finding, Rule, check
from seatrial.rules.written.between import out, tell_of
from seatrial.rules.written.examples import job, manifest, together
from seatrial.rules.written.pods import Pods, check_pods
from seatrial.rules.written.reading import items, mapping, strings, text
from seatrial.world.graph.hosts import host
from seatrial.world.objects import Obj, Ref, annotations_of, ref_of
from seatrial.world.world import World

_SECRET = manifest("v1", "Secret", "data: {}", name="db")
_ENV = "env: [{name: DB, valueFrom: {secretKeyRef: {name: db, key: password}}}]"


def _hook(text: str, notes: str) -> str:
    return text.replace("  namespace: shop\n", f"  namespace: shop\n  annotations: {{{notes}}}\n", 1)


_PRE = "helm.sh/hook: 'pre-install,pre-upgrade'"
_ROLLOUT_POD = "selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'r.example/web:1', ports: [{name: http, containerPort: 8080}]}]}}"
_STEPS = "steps: [{setWeight: 20}, {pause: {duration: 5m}}%s]"


def _rollout(canary: str, steps: str = "") -> str:
    return manifest(
        "argoproj.io/v1alpha1",
        "Rollout",
        f"spec: {{replicas: 4, {_ROLLOUT_POD}, strategy: {{canary: {{{canary}, {_STEPS % steps}}}}}}}",
        name="web",
    )


def _service(name: str, app: str = "web") -> str:
    return manifest(
        "v1", "Service", f"spec: {{selector: {{app: {app}}}, ports: [{{name: http, port: 80, targetPort: http}}]}}", name=name
    )


def _virtual(routes: str) -> str:
    return manifest("networking.istio.io/v1", "VirtualService", f"spec: {{hosts: [web], http: {routes}}}", name="web")


_TWO = "canaryService: web-canary, stableService: web"
_MESH = f"{_TWO}, trafficRouting: {{istio: {{virtualService: {{name: web%s}}}}}}"
_BOTH = "{name: main, route: [{destination: {host: web}, weight: 100}, {destination: {host: web-canary}, weight: 0}]}"
_SERVICES = together(_service("web"), _service("web-canary"))
_TEMPLATE = manifest(
    "argoproj.io/v1alpha1",
    "AnalysisTemplate",
    "spec: {args: [{name: service}], metrics: [{name: up, interval: 1m, count: 3, successCondition: 'len(result) == 0 || result[0] > 0', provider: {prometheus: {address: 'http://prometheus.monitoring:9090', query: 'up{job=\"{{args.service}}\"}'}}}]}",
    name="up",
)

RULES = (
    Rule("hook-before-its-needs", "error", "runs before what it needs is there", "On the first installation the hook's pod waits for an object that Helm (or Argo CD) only makes after the hook: the release runs into its timeout.",
         "Make what it needs a hook of a lower weight (or an earlier wave), or run it after: post-install, pre-upgrade.",
         together(_SECRET, _hook(job(_ENV), _PRE)), together(_hook(_SECRET, f"{_PRE}, helm.sh/hook-weight: '-5'"), _hook(job(_ENV), _PRE))),
    Rule("wave-before-its-needs", "warning", "is applied in an earlier wave than what it needs", "Argo CD waits until a wave is healthy before the next: pods that wait for a Secret of a later wave never are.",
         "Give what it needs the same wave or an earlier one.",
         together(_hook(_SECRET, "argocd.argoproj.io/sync-wave: '2'"), _hook(job(_ENV), "argocd.argoproj.io/sync-wave: '1'")), together(_SECRET, _hook(job(_ENV), "argocd.argoproj.io/sync-wave: '1'"))),
    Rule("canary-service-of-others", "error", "has a service that does not select its pods", "Traffic of one version goes to other pods, or to none; the controller marks the Rollout InvalidSpec.",
         "Let both services select the labels of the Rollout's template; the controller adds the version's hash.",
         together(_rollout(_TWO), _service("web"), _service("web-canary", "web2")), together(_rollout(_TWO), _SERVICES)),
    Rule("canary-route-missing", "error", "shifts weights that its route does not have", "The controller looks for both of its services among the destinations: the Rollout stays where it is, `not found in route`.",
         "Give the route a destination for canaryService and one for stableService, or name the subsets under trafficRouting.istio.destinationRule.",
         together(_rollout(_MESH % ""), _SERVICES, _virtual("[{name: main, route: [{destination: {host: web}}]}]")), together(_rollout(_MESH % ""), _SERVICES, _virtual(f"[{_BOTH}]"))),
    Rule("canary-route-unnamed", "error", "does not say which of several routes it shifts", "The controller refuses a VirtualService with several routes unless they are named: `must specify routes`.",
         "List the routes' names under trafficRouting.istio.virtualService.routes.",
         together(_rollout(_MESH % ""), _SERVICES, _virtual(f"[{{match: [{{headers: {{canary: {{exact: 'true'}}}}}}], route: [{{destination: {{host: web-canary}}}}]}}, {_BOTH}]")),
         together(_rollout(_MESH % ", routes: [main]"), _SERVICES, _virtual(f"[{{match: [{{headers: {{canary: {{exact: 'true'}}}}}}], route: [{{destination: {{host: web-canary}}}}]}}, {_BOTH}]"))),
    Rule("analysis-argument-missing", "error", "does not give its analysis an argument that it needs", "The analysis ends at once with `failed to resolve args`, and the release is rolled back.",
         "Give the argument where the Rollout names the template, or a value in the template.",
         together(_TEMPLATE, _rollout(_TWO, ", {analysis: {templates: [{templateName: up}]}}"), _SERVICES),
         together(_TEMPLATE, _rollout(_TWO, ", {analysis: {templates: [{templateName: up}], args: [{name: service, value: web-canary}]}}"), _SERVICES)),
    Rule("analysis-argument-unknown", "note", "gives its analysis an argument that it does not take", "The argument was renamed, or belongs to another template: it has no effect.",
         "Take it out, or declare it in the template.",
         together(_TEMPLATE, _rollout(_TWO, ", {analysis: {templates: [{templateName: up}], args: [{name: service, value: web-canary}, {name: namespace, value: shop}]}}"), _SERVICES),
         together(_TEMPLATE, _rollout(_TWO, ", {analysis: {templates: [{templateName: up}], args: [{name: service, value: web-canary}]}}"), _SERVICES)),
)  # fmt: skip

HOOK, WEIGHT, WAVE, ARGO = "helm.sh/hook", "helm.sh/hook-weight", "argocd.argoproj.io/sync-wave", "argocd.argoproj.io/hook"
#: What a pod cannot start without.
NEEDS = ("env", "envFrom", "volume", "service-account")


@check_pods(rules=RULES[:2])
def hooks(world: World, pods: Pods) -> Iterator[Finding]:
    """Hooks and waves against what their pods need."""
    notes = annotations_of(pods.obj)
    early, first = _is_early(notes), _wave(notes)
    if not early and first is None:
        return
    told = set()
    for reference in out(world, pods.obj, *NEEDS):
        needed = _written_for(world, reference.target)
        if needed is None or reference.optional or reference.target in told or needed is pods.obj:
            continue
        theirs = annotations_of(needed)
        ref = ref_of(needed)
        if early and not _comes_before(theirs, notes):
            told.add(reference.target)
            words = f"{early}; {ref.kind} {ref.name} {_when(theirs)}"
            yield tell_of(
                world,
                "hook-before-its-needs",
                pods.obj,
                reference.path,
                words,
                also=[(ref, "metadata", f"{ref.kind} {ref.name} {_when(theirs)}")],
            )
        elif not early and (_wave(theirs) or 0) > (first or 0):
            told.add(reference.target)
            words = f"wave {first or 0}; {ref.kind} {ref.name} comes in wave {_wave(theirs)}"
            yield tell_of(
                world,
                "wave-before-its-needs",
                pods.obj,
                reference.path,
                words,
                also=[(ref, "metadata.annotations", f"wave {_wave(theirs)}")],
            )


def _written_for(world: World, target: Ref) -> Obj | None:
    """The object that brings a target: itself, or who makes it (an ExternalSecret)."""
    found = world.get(target)
    if found is not None:
        return found
    makers = world.graph.makers(target)
    return world.get(makers[0].source) if len(makers) == 1 else None


def _is_early(notes: dict[str, str]) -> str:
    """The hook by which an object comes before the release's own objects; "" when it does not."""
    helm = str(notes.get(HOOK, ""))
    if "pre-install" in helm:
        return f"{HOOK}: {helm}"
    return f"{ARGO}: PreSync" if "PreSync" in str(notes.get(ARGO, "")) else ""


def _comes_before(theirs: dict[str, str], ours: dict[str, str]) -> bool:
    """Whether an object is there when a hook begins: a hook of the same kind with a lower weight, or a crd or kept object."""
    if not _is_early(theirs):
        return False
    if HOOK in theirs and HOOK in ours:
        return _number(theirs.get(WEIGHT)) <= _number(ours.get(WEIGHT))
    return (_wave(theirs) or 0) <= (_wave(ours) or 0)


def _when(notes: dict[str, str]) -> str:
    if _is_early(notes):
        return f"is a hook of weight {notes.get(WEIGHT, notes.get(WAVE, 0))}"
    return "comes with the release, after the hook"


def _wave(notes: dict[str, str]) -> int | None:
    return _number(notes[WAVE]) if WAVE in notes else None


def _number(text: object) -> int:
    try:
        return int(str(text or 0))
    except ValueError:
        return 0


@check("Rollout", rules=RULES[2:5])
def canary(world: World, obj: Obj) -> Iterator[Finding]:
    """A Rollout's services and routes."""
    templates = world.graph.templates_of(ref_of(obj))
    for reference in out(world, obj, "canary-service", "stable-service"):
        service = world.get(reference.target)
        selector = mapping(service, "spec", "selector")
        if service is None or not templates or not templates[0].labels:
            continue
        wanted = {key: value for key, value in selector.items() if key != "rollouts-pod-template-hash"}
        if not wanted.items() <= templates[0].labels.items():
            pairs = ", ".join(f"{key}: {value}" for key, value in selector.items())
            labels = ", ".join(f"{key}: {value}" for key, value in templates[0].labels.items())
            also = [(reference.target, "spec.selector", f"selector: {pairs}")]
            yield tell_of(
                world,
                "canary-service-of-others",
                obj,
                reference.path,
                f"{reference.target.name} selects {pairs}; the pods have {labels}",
                also=also,
            )
    istio = mapping(obj, "spec", "strategy", "canary", "trafficRouting", "istio")
    for reference in out(world, obj, "traffic"):
        route = world.get(reference.target)
        if route is not None and reference.target.kind == "VirtualService":
            yield from _routes(world, obj, reference.path, route, istio)


def _routes(world: World, obj: Obj, path: str, virtual: Obj, istio: Obj) -> Iterator[Finding]:
    canary = mapping(obj, "spec", "strategy", "canary")
    settings = mapping(istio, "virtualService") or next(
        (each for each in items(istio, "virtualServices") if text(each, "name") == ref_of(virtual).name), {}
    )
    http, named = items(virtual, "spec", "http"), strings(settings, "routes")
    ref = ref_of(virtual)
    if len(http) > 1 and not named:
        also = [(ref, "spec.http", f"{len(http)} routes")]
        yield tell_of(world, "canary-route-unnamed", obj, path, f"routes: not set; {ref.name} has {len(http)}", also=also)
    rule = mapping(istio, "destinationRule")
    wanted = (
        {text(rule, "canarySubsetName"), text(rule, "stableSubsetName")}
        if rule
        else {text(canary, "canaryService"), text(canary, "stableService")}
    )
    for place, route in enumerate(http):
        if named and text(route, "name") not in named:
            continue
        destinations = [mapping(each, "destination") for each in items(route, "route")]
        found = {text(each, "subset") if rule else _name(text(each, "host")) for each in destinations}
        missing = sorted(wanted - found - {""})
        shifts = named or len(http) == 1 or not items(route, "match")
        if missing and shifts:
            kind = "subset" if rule else "host"
            words = f"{ref.name} has no destination with the {kind} {' or '.join(missing)}; it has {', '.join(sorted(found))}"
            also = [(ref, f"spec.http[{place}].route", f"{kind}s: {', '.join(sorted(found))}")]
            yield tell_of(world, "canary-route-missing", obj, path, words, also=also)


def _name(written: str) -> str:
    found = host(written)
    return found.name if found else written


@check("Rollout", rules=RULES[5:])
def arguments(world: World, obj: Obj) -> Iterator[Finding]:
    """The arguments that a Rollout gives to its analyses."""
    canary, green = mapping(obj, "spec", "strategy", "canary"), mapping(obj, "spec", "strategy", "blueGreen")
    at = "spec.strategy.canary"
    found = [
        (f"{at}.steps[{place}].analysis", mapping(step, "analysis"))
        for place, step in enumerate(items(canary, "steps"))
        if "analysis" in step
    ]
    found.append((f"{at}.analysis", mapping(canary, "analysis")))
    found += [
        (f"spec.strategy.blueGreen.{name}", mapping(green, name)) for name in ("prePromotionAnalysis", "postPromotionAnalysis")
    ]
    for path, analysis in found:
        templates = [_template(world, obj, each) for each in items(analysis, "templates")]
        known = [each for each in templates if each is not None]
        given = {text(each, "name") for each in items(analysis, "args")}
        for nth, each in enumerate(items(analysis, "args")):
            if "{{args." in text(each, "value").replace(" ", ""):
                words = f"{text(each, 'name')}: {each['value']}"
                title = f"gives its analysis the argument {text(each, 'name')} as a reference, which nobody resolves"
                yield tell_of(world, "analysis-argument-self", obj, f"{path}.args[{nth}].value", words, title=title)
        taken = {text(each, "name"): each for template in known for each in items(template, "spec", "args")}
        open_ = [name for name, each in taken.items() if name not in given and "value" not in each and "valueFrom" not in each]
        for name in open_:
            also = [(ref_of(known[0]), "spec.args", f"takes {', '.join(taken)}")]
            yield tell_of(
                world,
                "analysis-argument-missing",
                obj,
                f"{path}.args",
                f"args: {', '.join(sorted(given)) or 'none'}; {name} has no value",
                also=also,
                title=f"does not give its analysis the argument {name}",
            )
        if known and len(known) == len(templates):
            for name in sorted(given - taken.keys()):
                also = [(ref_of(known[0]), "spec.args", f"takes {', '.join(taken) or 'none'}")]
                yield tell_of(world, "analysis-argument-unknown", obj, f"{path}.args", f"args: {name}", also=also)


def _template(world: World, obj: Obj, named: Obj) -> Obj | None:
    whole = named.get("clusterScope") is True
    kind = "ClusterAnalysisTemplate" if whole else "AnalysisTemplate"
    return world.graph.find(Ref("argoproj.io", kind, "" if whole else ref_of(obj).namespace, text(named, "templateName")))
