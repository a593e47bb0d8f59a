"""Facts of a deployed app, kept in the app's own tags so that every machine finds them.

A digest goes into a tag as 43 characters of base64url, and what is longer than a tag in pieces.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from theoryctl.hints import Hint, command
from theoryctl.manifests.model import Resources
from theoryctl.manifests.pins import check_pin
from theoryctl.modal.names import MAX_TAG, Owner, cut
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import document_of, shaped

PLATFORM = "linux/amd64"

_PREFIX = "theoryctl-"
_SECRET = "secret-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The server of an app, for clients over HTTP.

    `document` is the digest of what it serves, in the app's Volume. `mode`, where it was said, is that of requests
    which name none, and "mock" serves nothing else. With `proxy_auth` Modal's proxy wants a token of its own first.
    `url` is its address, known once it is deployed.
    """

    document: str
    mode: str | None = None
    proxy_auth: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """An app, and what it runs.

    `digest` is that of `repository`'s manifest for linux/amd64, `pin` what the ref's manifest pinned at the start.
    `previous` is the image that the app had before, for a rollback. `resources` are those of that manifest, so that a
    sync changes none. `keeps_answers` tells whether its containers can write answers into its Volume, as those of older
    versions cannot. `endpoint` is the app's server, None where it has none. `registry_secret` names the Modal Secret
    that the image is pulled with. `secret_id` is Modal's ID of the Secret that the containers get, and `fingerprints`
    those of the values in it, by `fingerprint_key`; `generation` tells containers that were started before a sync from
    later ones. `app_id`, `deployed_at` (seconds since the epoch) and `live`, the number of the deployment that is live,
    are Modal's; `version` is the number that this one got.
    """

    ref: ProviderRef
    environment: str
    app: str
    repository: str
    digest: str
    resources: Resources
    owner: Owner | None = None
    pin: str | None = None
    previous: str | None = None
    keeps_answers: bool = True
    registry_secret: str | None = None
    generation: str | None = None
    secret_id: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    endpoint: Endpoint | None = None
    version: int | None = None
    app_id: str | None = None
    deployed_at: float | None = None
    live: int | None = None

    @property
    def image(self) -> str:
        """The image by its digest."""
        return f"{self.repository}@{self.digest}"

    @property
    def rolled_back(self) -> bool:
        """Return whether another deployment is live than the one that this tells of, as after `modal app rollback`."""
        return None not in (self.version, self.live) and self.version != self.live

    @property
    def timeout(self) -> int:
        """Seconds that a request may take at most."""
        return self.resources.timeout

    def start_again(self, **flags: Any) -> Hint:
        """Return the command that deploys its ref again, with `flags` by `modal start`'s parameter names."""
        return command("modal start", ref=self.ref, env=self.environment, **flags)

    def check_pin(self, pinned: str | None) -> None:
        """Raise DigestDrift (`ERR_DIGEST_DRIFT`) where another digest is `pinned` by now than the one that runs."""
        check_pin(self.ref, pinned, self.digest, self.pin, state="deployed", hint=self.start_again())

    @property
    def deploy_tag(self) -> str:
        """The digest as Modal shows it in the app's history."""
        return _short(self.digest)

    @property
    def dashboard(self) -> str | None:
        """Address of the app's page (from `modal.App.get_dashboard_url`)."""
        return f"https://modal.com/id/{self.app_id}" if self.app_id else None


def new_generation() -> str:
    """Return a name for the containers that are started from now on."""
    import secrets

    return secrets.token_hex(8)


def tags_of(deployment: Deployment) -> dict[str, str]:
    """The app's tags."""
    owner, endpoint = deployment.owner, deployment.endpoint
    known = {
        "namespace": deployment.ref.namespace,
        "name": deployment.ref.name,
        "version": str(deployment.ref.version),
        "digest": _short(deployment.digest),
        "branch": owner and owner.branch,
        "user": owner and owner.user,
        "owner": owner and owner.key,
        "pin": deployment.pin and _short(deployment.pin),
        "generation": deployment.generation,
        "runtime-secret": deployment.secret_id,
        "deployed-as": deployment.version and str(deployment.version),
        "endpoint": endpoint and _short(endpoint.document),
        "endpoint-mode": endpoint and endpoint.mode,
        "answers": "kept",
        "proxy-auth": "yes" if endpoint and endpoint.proxy_auth else None,
        **_pieces("resources", json.dumps(document_of(deployment.resources), separators=(",", ":"))),
        **_pieces("repository", deployment.repository),
        **_pieces("registry-secret", deployment.registry_secret or ""),
        **_pieces("previous", deployment.previous or ""),
        **_pieces("url", (endpoint and endpoint.url) or ""),
    }
    known |= {f"{_SECRET}{key}": value for key, value in deployment.fingerprints.items()}
    return {f"{_PREFIX}{key}": value for key, value in known.items() if value}


def from_tags(environment: str, app: str, tags: Mapping[str, str]) -> Deployment | None:
    """Read a deployment from an app's tags; None for an app that is not theoryctl's."""
    known = {key.removeprefix(_PREFIX): value for key, value in tags.items() if key.startswith(_PREFIX)}
    try:
        return Deployment(
            ref=ProviderRef(known["namespace"], known["name"], int(known["version"])),
            environment=environment,
            app=app,
            repository=_joined("repository", known),
            digest=_long(known["digest"]),
            resources=_resources(_joined("resources", known)),
            owner=_owner(known),
            pin=_long(known["pin"]) if "pin" in known else None,
            registry_secret=_joined("registry-secret", known) or None,
            previous=_joined("previous", known) or None,
            keeps_answers="answers" in known,
            generation=known.get("generation"),
            secret_id=known.get("runtime-secret"),
            version=int(known["deployed-as"]) if "deployed-as" in known else None,
            endpoint=_endpoint(known),
            fingerprints={k.removeprefix(_SECRET): v for k, v in known.items() if k.startswith(_SECRET)},
        )
    except (KeyError, ValueError):
        return None


def _resources(text: str) -> Resources:
    # Earlier versions wrote null for what a manifest leaves out.
    said = shaped(dict[str, Any], json.loads(text))
    resources: Resources = shaped(Resources, {name: value for name, value in said.items() if value is not None})
    return resources


def _endpoint(known: Mapping[str, str]) -> Endpoint | None:
    if "endpoint" not in known:
        return None
    return Endpoint(
        document=_long(known["endpoint"]),
        mode=known.get("endpoint-mode"),
        proxy_auth="proxy-auth" in known,
        url=_joined("url", known) or None,
    )


def _owner(known: Mapping[str, str]) -> Owner | None:
    if "branch" not in known or "user" not in known:
        return None
    return Owner(known["branch"], known["user"], known.get("owner", ""))


def fingerprint_key(name: str) -> str:
    """A secret's name, as far as a tag has room for it."""
    return cut(name, MAX_TAG - len(_PREFIX) - len(_SECRET))


def _short(digest: str) -> str:
    """A digest in 43 characters."""
    return _coded(bytes.fromhex(digest.removeprefix("sha256:")))


def _long(short: str) -> str:
    """The digest of those characters. Raises ValueError."""
    data = _decoded(short)
    if len(data) != hashlib.sha256().digest_size:
        raise ValueError(f"{short!r} is no digest")
    return f"sha256:{data.hex()}"


def _pieces(key: str, text: str) -> dict[str, str]:
    """A text of any length and alphabet, as tags."""
    code = _coded(text.encode())
    return {f"{key}-{at // MAX_TAG}": code[at : at + MAX_TAG] for at in range(0, len(code), MAX_TAG)}


def _joined(key: str, known: Mapping[str, str]) -> str:
    """Join the tags that `_pieces` made."""
    return _decoded("".join(_in_order(key, known))).decode()


def _in_order(key: str, known: Mapping[str, str]) -> Iterator[str]:
    at = 0
    while f"{key}-{at}" in known:
        yield known[f"{key}-{at}"]
        at += 1


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(code: str) -> bytes:
    return base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
