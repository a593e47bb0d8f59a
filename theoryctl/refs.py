"""Provider refs: `namespace/name@version`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from theoryctl.errors import BadRef
from theoryctl.hints import again

MAX_SEGMENT = 63

_SEGMENT = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MAX_SEGMENT - 1}}}", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

#: What only image references have: a tag, or a digest.
_IMAGE = re.compile(r"^[^@]*[A-Za-z0-9]:[A-Za-z0-9_][A-Za-z0-9_.-]*$|@sha256:", re.ASCII)

#: A whole ref, in what regular expressions of Python and of JSON Schema have in common.
PATTERN = f"^{_SEGMENT.pattern}/{_SEGMENT.pattern}@{_VERSION.pattern}$"

#: The providers that come along, which people name without their namespace.
BUNDLED = {"litellm": "llm", "mock": "llm"}

FORM = "namespace/name@version, for example llm/litellm@1"


@dataclass(frozen=True, slots=True)
class ProviderRef:
    """The name of a provider: `namespace/name@version`.

    Namespace and name are lower-case letters, digits, `-`, `_` and `.`, at most 63, and start with a letter or digit;
    the version is a positive integer of at most nine digits.
    """

    namespace: str
    name: str
    version: int

    @classmethod
    def parse(cls, text: str, source: str | None = None) -> ProviderRef:
        """Read `namespace/name@version`. Raises BadRef (`ERR_REF`), which quotes the input and says what is wrong, and
        names its source where one is given."""
        path, at, version = text.partition("@")
        namespace, slash, name = path.partition("/")
        problem = (
            _whole_problem(text, at, slash)
            or _segment_problem("namespace", namespace)
            or _segment_problem("name", name)
            or _version_problem(version)
        )
        if problem:
            where = f"{source}: " if source else ""
            raise BadRef(f"{where}{text!r} is not a provider ref: {problem}", hint=_hint(text))
        return cls(namespace, name, int(version))

    def __lt__(
        self, other: ProviderRef
    ) -> bool:  # all that sorting needs, and a fifth of what order=True costs to make
        return (self.namespace, self.name, self.version) < (other.namespace, other.name, other.version)

    @property
    def file(self) -> str:
        """Path of its manifest below a manifests folder."""
        return f"{self.namespace}/{self.name}@{self.version}.yaml"

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}@{self.version}"


def _whole_problem(text: str, at: str, slash: str) -> str | None:
    if not text:
        return "it is empty"
    if _IMAGE.search(text):
        return "it is an image reference, which --oci takes"
    if text.count("/") > 1 or "://" in text:
        return "it has more than one '/'"
    if not slash:
        return "there is no '/' between namespace and name"
    if not at:
        return "there is no '@version' at its end"
    return None


def _segment_problem(part: str, text: str) -> str | None:
    if not text:
        return f"the {part} is empty"
    if _SEGMENT.fullmatch(text):
        return None
    if text != text.lower():
        return f"the {part} {text!r} has upper-case letters"
    if len(text) > MAX_SEGMENT:
        return f"the {part} is longer than {MAX_SEGMENT} characters"
    return f"the {part} {text!r} may hold only a-z, 0-9, '-', '_' and '.', and must start with a letter or digit"


def _version_problem(text: str) -> str | None:
    if _VERSION.fullmatch(text):
        return None
    return f"the version {text!r} is not a positive integer" if text else "the version is empty"


def _hint(text: str) -> str:
    corrected = meant(text)
    return again(f"use {corrected}", ref=corrected) if corrected else f"write it as {FORM}"


def meant(text: str) -> str | None:
    """The ref that was probably meant, if correcting it takes no guess."""
    corrected = text.strip().lower()
    if namespace := BUNDLED.get(corrected.partition("@")[0]):
        corrected = f"{namespace}/{corrected}"
    if "@" not in corrected and corrected.count("/") == 1:
        corrected += "@1"
    corrected = re.sub(r"@(latest|1(\.0)+)$", "@1", corrected.replace("@v", "@"))
    path, _, version = corrected.partition("@")
    parts = path.split("/")
    is_ref = len(parts) == 2 and all(map(_SEGMENT.fullmatch, parts)) and _VERSION.fullmatch(version)
    return corrected if is_ref else None
