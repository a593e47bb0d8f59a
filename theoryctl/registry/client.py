"""Asking a registry what a reference is, over the OCI distribution API, and believing only what its digest proves.

Specification: github.com/opencontainers/distribution-spec (v1.1); tokens: distribution's `docs/spec/auth/token.md` and
`oauth.md`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from theoryctl.errors import ImageNotFound, RegistryAuth, RegistryFailed, VerificationFailed
from theoryctl.registry.documents import CONFIG, IMAGE, INDEX, misfit
from theoryctl.registry.login import Challenge, Login, is_loopback
from theoryctl.registry.reference import DEFAULT_REGISTRY, ImageReference
from theoryctl.registry.retries import Again, patiently, retry_after

if TYPE_CHECKING:
    import httpx

#: Without all of these a registry converts what it has to an older format, which has another digest.
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = MANIFEST_TYPES[:2]

#: Where Docker Hub answers.
_HUB = "registry-1.docker.io"
_TIMEOUT = 10.0
#: A manifest or a config is a page of text.
_MAX_BYTES = 4 << 20
#: Characters of a registry's own words that an error repeats.
_MOST_WORDS = 200

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")

#: The login that is kept for a registry, if one is.
Logins = Callable[[str], Login | None]


@dataclass(frozen=True, slots=True)
class RegistryManifest:
    """A manifest or an index, as it came; `digest` is that of its bytes."""

    digest: str
    media_type: str
    document: dict[str, Any]

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True, slots=True)
class _Answer:
    url: str
    status: int
    headers: httpx.Headers
    content: bytes


class RegistryClient(AbstractContextManager["RegistryClient"]):
    """A client for one reference's repository.

    Raises RegistryFailed, RegistryAuth, ImageNotFound and VerificationFailed.
    """

    def __init__(self, reference: ImageReference, logins: Logins) -> None:
        import httpx

        self._reference = reference
        host = _HUB if reference.registry == DEFAULT_REGISTRY else reference.registry
        self._host = host
        self._base = f"{'http' if is_loopback(host) else 'https'}://{host}/v2/{reference.repository}"
        self._logins = logins
        self._authorization: str | None = None
        # A proxy could not reach this machine's own loopback; Docker asks none for it either.
        try:
            self._http = httpx.Client(
                timeout=_TIMEOUT, headers={"User-Agent": "theoryctl"}, trust_env=not is_loopback(host)
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            raise _unusable(error) from None

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def manifest(self, name: str) -> RegistryManifest:
        """The manifest or index of a tag or digest."""
        by_digest = ":" in name
        answer = self._get(f"/manifests/{name}", accept=", ".join(MANIFEST_TYPES), proven=by_digest)
        said = answer.headers.get("docker-content-digest")
        digest = self._verified(answer.content, name if by_digest else said)
        if by_digest and said and said != digest:
            raise self._broken(f"it calls {digest} {said}")
        document = self._document(answer.content)
        media_type = document.get("mediaType") or answer.headers.get("content-type", "").partition(";")[0]
        if media_type not in MANIFEST_TYPES:
            raise not_an_image(self._reference, repr(media_type))
        manifest = RegistryManifest(digest, media_type, document)
        self._must_fit(document, INDEX if manifest.is_index else IMAGE)
        return manifest

    def config(self, manifest: RegistryManifest) -> dict[str, Any]:
        """The config of an image: its platform among others."""
        digest = manifest.document["config"]["digest"]
        content = self._get(f"/blobs/{digest}", accept="*/*", proven=True).content
        self._verified(content, digest)
        config = self._document(content)
        self._must_fit(config, CONFIG)
        return config

    def _get(self, path: str, accept: str, *, proven: bool) -> _Answer:
        """The answer to one question; one that is `proven` by a digest may come from wherever the registry sends us."""
        try:
            return patiently(lambda: self._ask(f"{self._base}{path}", {"Accept": accept}, proven))
        except TimeoutError as error:
            raise self._failure(str(error)) from None

    def _ask(self, url: str, headers: dict[str, str], proven: bool) -> _Answer:
        answer = self._send(url, headers, proven)
        # Only the registry itself may ask who we are, not a host that it redirects to.
        if answer.status == 401 and self._authorization is None and self._is_ours(answer.url):
            self._authorization = self._authorize(answer.headers.get("www-authenticate", ""))
            answer = self._send(url, headers, proven)
        if answer.status in (401, 403):
            raise self._refused(f"it answered {answer.status}{_words(answer.content)}")
        if answer.status == 404:
            raise ImageNotFound(f"{self._reference}: the registry has no such image", hint="look at its name and tag")
        if answer.status != 200:
            raise self._failure(f"it answered {answer.status}{_words(answer.content)}")
        return answer

    def _send(self, url: str, headers: dict[str, str], proven: bool) -> _Answer:
        """Send one request and follow its redirects: over TLS still, and to another host without credentials."""
        for _ in range(4):
            own = {"Authorization": self._authorization} if self._authorization and self._is_ours(url) else {}
            answer = self._read(url, {**headers, **own})
            self._must_be_final(answer, "it")
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            url = self._following(url, answer.headers.get("location", ""), proven)
        raise self._failure("it redirects without end")

    def _following(self, url: str, location: str, proven: bool) -> str:
        try:
            following = urljoin(url, location)
            host = urlsplit(following).netloc
        except ValueError as error:
            raise self._failure(f"it redirects to an invalid address: {error}") from None
        if not _may_follow(url, following):
            raise self._failure(f"it redirects to {host} without TLS")
        if not (proven or self._is_ours(following)):
            raise self._failure(f"it redirects the look-up of a tag to {host}")
        return following

    def _read(
        self,
        url: str,
        headers: dict[str, str],
        params: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
    ) -> _Answer:
        """The answer to a GET, or with a `form` to a POST of it."""
        import httpx

        content = bytearray()
        method = "GET" if form is None else "POST"
        try:
            with self._http.stream(method, url, headers=headers, params=params, data=form) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > _MAX_BYTES:
                        raise self._failure(f"it sent more than {_MAX_BYTES} bytes where a manifest was expected")
        except (httpx.TransportError, httpx.DecodingError) as error:
            what = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
            is_away = isinstance(error, httpx.ConnectError)
            raise Again(self._failure(f"no connection: {what}" if is_away else what), None) from None
        except (httpx.InvalidURL, UnicodeError, OverflowError) as error:  # hosts and ports that are none
            raise self._failure(f"{urlsplit(url).netloc} is no address: {error}") from None
        return _Answer(url, answer.status_code, answer.headers, bytes(content))

    def _authorize(self, header: str) -> str | None:
        """Make the Authorization for a registry that wants to know who asks."""
        challenge = Challenge.parse(header)
        login = self._logins(self._reference.registry)
        if challenge.scheme == "basic":
            return login.basic if login else None
        if challenge.scheme != "bearer":
            raise self._refused("it does not say how to log in")
        if not challenge.may_be_asked(self._host):
            raise self._refused(f"its tokens come from {challenge.realm!r}, which is not https")
        trusted = challenge.belongs_to(self._host)
        return self._token(challenge, login if trusted else None)

    def _token(self, challenge: Challenge, login: Login | None) -> str:
        query = challenge.query(f"repository:{self._reference.repository}:pull")
        if login and login.identity_token:
            answer = self._read(challenge.realm, {}, form=login.refresh_form(query))
        else:
            own = {"Authorization": login.basic} if login and login.basic else {}
            answer = self._read(challenge.realm, own, query)
        self._must_be_final(answer, "its token service")
        if answer.status != 200:
            raise self._refused(f"its token service answered {answer.status}")
        found = self._document(answer.content)
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):
            raise self._refused("its token service sent no token")
        return f"Bearer {token}"

    def _must_be_final(self, answer: _Answer, who: str) -> None:
        if answer.status == 429 or answer.status >= 500:
            after = retry_after(answer.headers.get("retry-after", ""))
            failure = self._failure(f"{who} answered {answer.status}{_words(answer.content)}")
            if after:
                failure.hint = f"wait {math.ceil(after)} seconds, and run the command again"
            raise Again(failure, after)

    def _is_ours(self, url: str) -> bool:
        return urlsplit(url)[:2] == urlsplit(self._base)[:2]

    def _verified(self, content: bytes, wanted: str | None) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if wanted is not None and wanted != digest:
            raise self._broken(f"{wanted} was expected, and {digest} came")
        return digest

    def _document(self, content: bytes) -> dict[str, Any]:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._failure("it sent something that is not a JSON object")
        return found

    def _must_fit(self, document: dict[str, Any], schema: dict[str, Any]) -> None:
        if wrong := misfit(document, schema):
            raise not_an_image(self._reference, wrong)

    def _broken(self, what: str) -> VerificationFailed:
        hint = "the registry or what lies before it is broken: do not use this image"
        return VerificationFailed(f"{self._reference}: {what}", hint=hint)

    def _failure(self, what: str) -> RegistryFailed:
        return RegistryFailed(
            f"the registry {self._host}: {what}", hint="check that it answers, and run the command again"
        )

    def _refused(self, what: str) -> RegistryAuth:
        return RegistryAuth(f"the registry {self._host}: {what}", hint=f"docker login {self._reference.registry}")


def not_an_image(reference: ImageReference, what: str) -> RegistryFailed:
    """Make the error for a document that is no image."""
    return RegistryFailed(
        f"{reference}: expected an image from the registry, got something else: {what}", hint="look at its name"
    )


def _words(content: bytes) -> str:
    """Read what a registry says of a failure, as text after its status; "" for an answer that is not in its form
    (distribution-spec v1.1, "Error Codes")."""
    try:
        error = json.loads(content)["errors"][0]
        words = ": ".join(str(error[name]) for name in ("code", "message") if error.get(name))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return ""
    return f": {words[:_MOST_WORDS]}" if words else ""


def _unusable(error: Exception) -> RegistryFailed:
    """The variables that HTTPX could not make use of. Their values stay untold: a proxy's may hold a password."""
    kinds = ("SSL_CERT_FILE", "SSL_CERT_DIR") if isinstance(error, OSError) else _PROXIES
    names = [name for kind in kinds for name in (kind, kind.lower()) if os.environ.get(name)]
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    if isinstance(error, ImportError):
        reason = "a SOCKS proxy needs the package socksio"
    return RegistryFailed(f"{' or '.join(names)} cannot be used: {reason}", hint=f"echo ${' $'.join(names)}")


def _may_follow(url: str, following: str) -> bool:
    return urlsplit(following).scheme == "https" or (
        urlsplit(url).scheme == "http" and is_loopback(urlsplit(following).netloc)
    )
