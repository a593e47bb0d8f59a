"""Results of the commands of `theoryctl image`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theoryctl_providers.contract import ERRORS


@dataclass(frozen=True, slots=True)
class ImageResolved:
    """A reference in its registry: its own digest, and that of each platform's manifest.

    `chosen` is the platform that was asked for, if one was. `digest` is None where a manifest was looked at alone, for
    all its platforms.
    """

    reference: str
    repository: str
    digest: str | None
    platforms: tuple[tuple[str, str], ...]
    chosen: str | None = None
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        platforms = [{"platform": platform, "digest": digest} for platform, digest in self.platforms]
        facts = {"reference": self.reference, "repository": self.repository, "digest": self.digest}
        return {"schema": "theoryctl.image-resolution/v1", **facts, "platforms": platforms}


@dataclass(frozen=True, slots=True)
class ImageBuilt:
    """An image that was built here, or found to be up to date."""

    ref: str
    tag: str
    image_id: str
    platform: str
    base: str
    size: int
    layers: int
    built: bool
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        return {"schema": "theoryctl.image-build/v1", **{name: getattr(self, name) for name in self.__slots__[:-1]}}


@dataclass(frozen=True, slots=True)
class ImagePushed:
    """An image that is in a registry now; `reference` names it by its digest."""

    ref: str
    reference: str
    digest: str
    platform: str
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        facts = {"ref": self.ref, "reference": self.reference, "digest": self.digest, "platform": self.platform}
        return {"schema": "theoryctl.image-push/v1", **facts}


@dataclass(frozen=True, slots=True)
class ImagePublished:
    """An image that is in a registry now, and that the manifest in `file` pins; `changed`: it did not before."""

    ref: str
    reference: str
    digest: str
    platform: str
    file: str
    changed: bool
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        facts = {name: getattr(self, name) for name in self.__slots__[:-1]}
        return {"schema": "theoryctl.image-publication/v1", **facts}


@dataclass(frozen=True, slots=True)
class ImagePinned:
    """The pins of a manifest, for the platforms that were resolved."""

    ref: str
    file: str
    platforms: tuple[tuple[str, str], ...]
    changed: bool
    exit_status: int = 0

    def document(self) -> dict[str, Any]:
        facts = {"ref": self.ref, "file": self.file, "digests": dict(self.platforms), "changed": self.changed}
        return {"schema": "theoryctl.image-pin/v1", **facts}


@dataclass(frozen=True, slots=True)
class ImageVerified:
    """The digests of an image by place, the manifest first; None for a place without one.

    `drift`: two places have different digests. `pinned`: the manifest has one.
    """

    ref: str
    repository: str
    platform: str
    rows: tuple[tuple[str, str | None], ...]

    @property
    def drift(self) -> bool:
        return len({digest for _, digest in self.rows if digest}) > 1

    @property
    def pinned(self) -> bool:
        return self.rows[0][1] is not None

    @property
    def exit_status(self) -> int:
        code = "ERR_DIGEST_DRIFT" if self.drift else "ERR_NOT_PINNED"
        return 0 if self.pinned and not self.drift else ERRORS[code].exit_status

    def document(self) -> dict[str, Any]:
        rows = [{"where": where, "digest": digest} for where, digest in self.rows]
        facts = {"ref": self.ref, "repository": self.repository, "platform": self.platform}
        found = {"drift": self.drift, "pinned": self.pinned, "digests": rows}
        return {"schema": "theoryctl.image-verification/v1", **facts, **found}
