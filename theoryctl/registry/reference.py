"""OCI image references, as `docker pull` takes them.

The grammar is that of distribution/reference (github.com/distribution/reference, `regexp.go` and `reference.go`), and
so is what a short name means: `ubuntu` is `docker.io/library/ubuntu`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from theoryctl.errors import UsageError
from theoryctl.refs import PATTERN as PROVIDER_REF

DEFAULT_REGISTRY = "docker.io"
#: Characters of a repository without its registry.
MAX_PATH = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<registry>{_HOST})/)?(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """`registry/repository:tag@digest`. `text` is what was written, and what `str()` gives back."""

    text: str
    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference. Raises UsageError (`ERR_USAGE`) that says what is wrong with it."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise _refused(text, _reason(text))
        registry, path = found["registry"], found["path"]
        if registry is not None and not _is_host(registry):
            registry, path = None, f"{registry}/{path}"
            if not re.fullmatch(rf"{_COMPONENT}(?:/{_COMPONENT})*", path):
                raise _refused(text, "a path has lower-case letters only")
        if re.fullmatch("[0-9a-f]{64}", text):
            raise _refused(text, "64 hexadecimal digits are an image ID, not a name")
        registry = registry or DEFAULT_REGISTRY
        if registry in (DEFAULT_REGISTRY, "index.docker.io"):
            registry, path = DEFAULT_REGISTRY, path if "/" in path else f"library/{path}"
        if len(path) > MAX_PATH:
            raise _refused(text, f"its path is longer than {MAX_PATH} characters")
        return cls(text, registry, path, found["tag"], found["digest"])

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def canonical(self) -> str:
        """The one way to write it: with its registry, and with `latest` where neither tag nor digest is given."""
        tag = self.tag or (None if self.digest else "latest")
        return self.name + (f":{tag}" if tag else "") + (f"@{self.digest}" if self.digest else "")


def _is_host(first: str) -> bool:
    """Tell whether a first component is a registry: it has a dot, a port or an upper-case letter, or is `localhost`."""
    return first == "localhost" or any(mark in first for mark in ".:[") or first != first.lower()


def _refused(text: str, reason: str) -> UsageError:
    return UsageError(
        f"{text!r} is no image reference: {reason}",
        hint="write it like ghcr.io/me/name:1.0",
    )


def _reason(text: str) -> str:
    if not text:
        return "it is empty"
    if text.startswith("/"):
        return "there is nothing before its first '/'"
    if "://" in text:
        return "it is an address; leave out what stands before the host"
    if re.fullmatch(PROVIDER_REF, text):
        return "it is a provider ref, which --ref takes"
    if text != text.strip() or any(mark.isspace() for mark in text):
        return "it has blanks or line ends"
    _, at, digest = text.partition("@")
    if at and not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        return "a digest is sha256: and 64 lower-case hexadecimal digits"
    first, slash, rest = text.partition("@")[0].partition("/")
    path = (rest if slash and _is_host(first) else f"{first}{slash}{rest}").partition(":")[0]
    if path != path.lower():
        return "a path has lower-case letters only"
    return "expected registry/path:tag@sha256:digest"
