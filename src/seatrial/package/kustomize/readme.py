"""The words of a Kustomize tree: its README, and what each kustomization says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.package.files import FileTree

_ABOUT = {
    "base": "What every environment has, each object in the form that the others are made of with the least change.",
    "components/common": "The labels, version and image tags of everything.",
    "transformers/facts": "What an overlay's namespace and image tags are filled into, after all its patches.",
}


def about(folder: str) -> str:
    """What a kustomization is for, in a sentence."""
    if folder in _ABOUT:
        return _ABOUT[folder]
    kind, _, name = folder.partition("/")
    if kind == "overlays":
        return f"What {name} alone has, and what it changes."
    if folder.startswith("transformers/jobs"):
        return "What the jobs of a service have because the service has it, copied to them at the end."
    if kind == "transformers":
        return "What is filled into what the environments in its name have, and others lack."
    return "What the environments in its name share, and others lack."


def readme(files: FileTree, namespaces: Mapping[str, str], image: str, migrates: bool) -> str:
    """What lies where, how it is applied, and how it is changed. `image` is that of a service whose version follows its tag."""
    lines = ["# The Kustomize tree", "", _MADE, ""]
    width = max(map(len, namespaces))
    for environment, namespace in namespaces.items():
        into = f"   # into {namespace}" if namespace else ""
        lines.append(f"    kubectl apply -k overlays/{environment:{width}}{into}".rstrip())
    lines += ["", "| folder | what is in it |", "|---|---|"]
    folders = dict.fromkeys(path.rsplit("/kustomization.yaml")[0] for path in files if path.endswith("/kustomization.yaml"))
    lines += [f"| `{folder}` | {about(folder)} |" for folder in sorted(folders)]
    lines += [
        "",
        "Nothing is said in two places. A patch is a strategic merge; where the order of a list matters it is a JSON patch.",
    ]
    if any(path.startswith("transformers/") for path in files):
        lines += ["", *_FILLED, "", *_edits(files, namespaces, image)]
    if migrates and image:
        lines += ["", *_MIGRATION]
    if any("/secrets/" in path for path in files):
        lines += ["", "Secrets that can be read are in `overlays/ENV/secrets`, which `.gitignore` keeps out of version control."]
    return "\n".join(lines) + "\n"


_MADE = "Made by `seatrial render -o kustomize` from the app file. Change that and render again; what is changed here is lost."
_FILLED = [
    "Words in capitals (`NAMESPACE`, `ENVIRONMENT`, `VERSION`, `SERVICE`, `MIGRATION`) are filled in by `transformers` when an",
    "overlay is built, after its own patches: `kubectl kustomize overlays/ENV` shows the result. In the folder of an overlay:",
]
_MIGRATION = [
    "A migration that ran cannot be changed, and is named after what it ran: with another tag, delete its Job before you apply,",
    "or render again, which gives it another name.",
]


def _edits(files: FileTree, namespaces: Mapping[str, str], image: str) -> list[str]:
    """The changes that one line makes."""
    said = "".join(text for path, text in files.items() if path.startswith("transformers/"))
    moved = f"    kustomize edit set namespace {next(iter(namespaces.values()))}"
    tagged = f"    kustomize edit set image {image}:NEW"
    width = max(len(moved), len(tagged) if image else 0)
    lines = [f"{moved:{width}}   # queries, policies and accounts follow"] if "name: namespace\n" in said else []
    return [*lines, *([f"{tagged:{width}}   # labels and variables follow; a tag, not a digest"] if image else [])]
