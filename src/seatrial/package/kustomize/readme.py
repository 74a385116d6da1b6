"""The words of a Kustomize tree: its README, and what each kustomization says of itself."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.package.files import FileTree

_ABOUT = {
    "base": "What every environment has, each object in the form that the others are made of with the least change.",
    "components/common": "The labels, version and image tags of everything.",
    "transformers": "What an overlay's namespace and image tags are filled into, after all its patches.",
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
        return "What is filled into the objects that the environments in its name share, and others lack."
    return "What the environments in its name share, and others lack."


def readme(files: FileTree, namespaces: Mapping[str, str]) -> str:
    """What lies where, how it is applied, and how it is changed."""
    lines = ["# The Kustomize tree", ""]
    lines += [
        "Made by `seatrial render -o kustomize` from the app file. Change that and render again; what is changed here is lost."
    ]
    lines += [""]
    width = max(map(len, namespaces))
    for environment, namespace in namespaces.items():
        lines.append(f"    kubectl apply -k overlays/{environment:{width}}   # into {namespace}".rstrip(" #into"))
    lines += ["", "| folder | what is in it |", "|---|---|"]
    folders = dict.fromkeys(path.rsplit("/kustomization.yaml")[0] for path in files if path.endswith("/kustomization.yaml"))
    lines += [f"| `{folder}` | {about(folder)} |" for folder in sorted(folders)]
    lines += ["", *_told(files)]
    return "\n".join(lines) + "\n"


def _told(files: FileTree) -> list[str]:
    lines = ["Nothing is said in two places. A patch is a strategic merge; where the order of a list matters it is a JSON patch."]
    if any(path.startswith("transformers/") for path in files):
        lines += [
            "",
            "`NAMESPACE`, `ENVIRONMENT` and `VERSION` in a file are filled in by `transformers` when an overlay is built: from",
            "its `namespace`, from the label of its Namespace, and from the tags of its images. So these are enough:",
            "",
            "    kustomize edit set namespace shop-next            # in overlays/ENV: queries, policies and accounts follow",
            "    kustomize edit set image ghcr.io/acme/api:1.5     # in overlays/ENV: labels and variables follow",
        ]
    if any("/secrets/" in path for path in files):
        lines += ["", "Secrets that can be read are in `overlays/ENV/secrets`, which `.gitignore` keeps out of version control."]
    return lines
