"""Who keeps the secrets, where, and who asks for them: what must be said together, and identities of another cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from seatrial.app.model import Service, StoreKeys
from seatrial.app.resolve import DEV, ResolvedApp
from seatrial.app.wrong import OfApp, OfService, OfStore, Wrong

FETCHED = ("csi", "external-secrets")
CLOUDS = {"aws": "AWS", "gcp": "Google", "azure": "Azure"}
#: What says where secrets are, by who keeps them: a pattern, and what to write.
VAULTS: Mapping[str, tuple[str, str]] = {
    "aws": (r"[a-z]{2}(?:-[a-z]+)+-[0-9]", "a region, such as eu-central-1"),
    "gcp": (r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*[a-z0-9]", "the id of a project, such as acme-prod"),
    "azure": (r"https://[a-z0-9-]+\..+", "the URL of a key vault, such as https://acme.vault.azure.net"),
    "vault": (r"https?://.+", "the URL of Vault, such as https://vault.example.com:8200"),
}
#: Whose buckets there are.
BUCKETS = {"s3": "aws", "gs": "gcp", "https": "azure"}


def cloud_of(identity: str) -> str:
    """The cloud at which an identity is somebody."""
    if identity.startswith("arn:"):
        return "aws"
    return "gcp" if identity.endswith(".iam.gserviceaccount.com") else "azure"


# -- the platform --------------------------------------------------------------------------------------------------------


def _provider(app: ResolvedApp) -> Iterator[Wrong]:
    if app.platform.secrets == "csi" and not app.platform.secretProvider:
        message = "secrets come by the CSI driver, and nothing says from whom"
        yield Wrong(("platform", "secrets"), message, "add `secretProvider: aws`, gcp, azure or vault", here=True)


def _vault(app: ResolvedApp) -> Iterator[Wrong]:
    platform, at = app.platform, ("platform", "secretProvider")
    provider = platform.secretProvider
    if not provider or platform.secrets not in FETCHED:
        return
    pattern, such = VAULTS[provider]
    if platform.secretVault:
        if not re.fullmatch(pattern, platform.secretVault):
            message = f'secrets are kept by {provider}, and `secretVault` is "{platform.secretVault}"'
            yield Wrong(("platform", "secretVault"), message, f"it takes {such}", here=True)
    elif provider != "aws" or not platform.region:
        hint = f"add `secretVault`: {such}" + (", or `region`" if provider == "aws" else "")
        yield Wrong(at, f"secrets are kept by {provider}, and nothing says where", hint, here=True)


def _tenant(app: ResolvedApp) -> Iterator[Wrong]:
    platform = app.platform
    if platform.secretProvider == "azure" and platform.secrets in FETCHED and not platform.secretTenant:
        message = "secrets are kept by azure, and nothing says in which tenant"
        yield Wrong(("platform", "secretProvider"), message, "add `secretTenant`", here=True)


def _asker(app: ResolvedApp) -> Iterator[Wrong]:
    """Who asks, and whether that cloud knows them."""
    platform = app.platform
    who, provider = platform.secretIdentity, platform.secretProvider
    if not who or provider not in CLOUDS or platform.secrets not in FETCHED or cloud_of(who) == provider:
        return
    message = f"secrets are kept by {provider}, and `secretIdentity` is somebody at {CLOUDS[cloud_of(who)]}"
    yield Wrong(("platform", "secretIdentity"), message, f"give an identity of {CLOUDS[provider]}", here=True)


def _sops(app: ResolvedApp) -> Iterator[Wrong]:
    if app.platform.secrets == "sops" and not app.platform.age:
        message = "secrets are encrypted by SOPS, and nothing says for whom"
        yield Wrong(("platform", "secrets"), message, "add the public keys: `age: [age1…]`", here=True)


def _in_git(app: ResolvedApp) -> Iterator[Wrong]:
    """Secrets that come with the release, where the release is what stands in git."""
    if app.platform.gitops in (None, "none") or app.platform.secrets != "kubernetes":
        return
    with_secrets = [name for name, service in app.services.items() if service.secrets]
    with_secrets += [name for name, store in app.stores.items() if store.postgres or store.password]
    if with_secrets:
        git = f"{app.platform.gitops} takes from git, where all can read it"
        message = f"the Secret of `{with_secrets[0]}` comes with the release, which {git}"
        hint = "have `secrets: sops` or `external-secrets`; or `existing`, where somebody else makes them"
        yield Wrong(("platform", "gitops"), message, hint, here=True, odd=True)


OF_APP: tuple[OfApp, ...] = (_provider, _vault, _tenant, _asker, _sops, _in_git)

# -- services and stores -------------------------------------------------------------------------------------------------


def _reads_secrets(app: ResolvedApp, service: Service) -> bool:
    called = [app.stores[call.name] for call in service.calls or () if call.name in app.stores and not call.url]
    return bool(service.secrets) or any(store.postgres or store.password for store in called)


def _mounts(app: ResolvedApp, name: str, service: Service) -> Iterator[Wrong]:
    """With the CSI driver it is the pod that asks, as whoever it is."""
    platform = app.platform
    provider = platform.secretProvider
    if platform.secrets != "csi" or provider not in CLOUDS or not _reads_secrets(app, service):
        return
    if service.identity and cloud_of(service.identity) != provider:
        message = f"`{name}` asks {CLOUDS[provider]} for its secrets, and is somebody at {CLOUDS[cloud_of(service.identity)]}"
        hint = f"give it an `identity` of {CLOUDS[provider]}"
        yield Wrong(("services", name, "identity"), message, hint, here=True)
    elif provider == "azure" and not service.identity and not platform.secretIdentity:
        message = f"`{name}` asks Azure for secrets, and nothing says who it is there"
        yield Wrong(("services", name), message, "add `secretIdentity` to the platform, or give it an `identity`", here=True)


OF_SERVICE: tuple[OfService, ...] = (_mounts,)


def _backup(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if not store.backup or store.host or app.environment == DEV:
        return
    cloud = BUCKETS[store.backup.partition("://")[0]]
    if store.identity and cloud_of(store.identity) != cloud:
        message = f"`{name}` writes its backups to {store.backup} and is somebody at {CLOUDS[cloud_of(store.identity)]}"
        yield Wrong(("stores", name, "identity"), message, f"give it an `identity` of {CLOUDS[cloud]}", here=True)


def _nobody(app: ResolvedApp, name: str, store: StoreKeys) -> Iterator[Wrong]:
    if store.identity and not store.backup and not store.host and app.environment != DEV:
        message = f"`{name}` is somebody at {CLOUDS[cloud_of(store.identity)]}, and nothing asks it: it writes no backups"
        yield Wrong(("stores", name, "identity"), message, "such as `backup: s3://acme-backups/shop`", here=True, odd=True)


OF_STORE: tuple[OfStore, ...] = (_backup, _nobody)
