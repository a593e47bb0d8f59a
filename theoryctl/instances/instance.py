"""A started provider, as its record has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from theoryctl.instances.key import RecordKey
from theoryctl.refs import ProviderRef
from theoryctl_providers.contract import Must

#: Empty while the instance is being started. A port is at most 65535.
_PORT = r"[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_URL = rf"^(http://127\.0\.0\.1:({_PORT}))?$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A started provider.

    `name` tells it from others of the same ref and runtime. `url` is where it listens, `token` what every request must
    carry, and `server_port` the port that its own server listens on, where that is another than the URL's. `pid` and
    `pid_started` (in the system's own count) name the process of a process: a pid alone may be another's by now;
    `container` is the ID of a container. `started_at` is seconds since the epoch, `max_attachment` bytes.

    Of a container `image` is the reference it was started from and `digest` that image's: of its manifest, or where it
    was built here its ID. `pin` is what the manifest pinned for `platform` at the start; `source` tells whether another
    start would choose the same image.

    `secrets` has a digest of each secret that it was given, keyed with the token (`secrets.secret_digests`).
    `answers` is the digest of the script or the recordings that mock mode answers from, `record` the folder that real
    exchanges are written to, `mock_version` that of the mock's own answers, None for the newest. `code` is the digest
    of the files that a process imports its provider from, None where that is installed. `flags` are those of its start,
    by the names of `local start`'s parameters, with absolute paths.
    """

    ref: str
    runtime: str
    name: str | None = None
    url: Annotated[str, Must({"pattern": _URL})]
    mode: str
    token: str = field(repr=False)
    started_at: float
    manifest_digest: str
    secrets_present: tuple[str, ...]
    secrets_absent: tuple[str, ...]
    max_attachment: int
    platform: str
    server_port: int | None = None
    pid: int | None = None
    pid_started: float | None = None
    log: str | None = None
    container: str | None = None
    image: str | None = None
    digest: str | None = None
    pin: str | None = None
    source: str | None = None
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    answers: str | None = None
    record: str | None = None
    mock_version: int | None = None
    code: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> RecordKey:
        """The place of its record."""
        return RecordKey(ProviderRef.parse(self.ref), self.runtime, self.name)

    @property
    def where(self) -> str:
        """Its runtime, with its name behind a colon if it has one."""
        return f"{self.runtime}:{self.name}" if self.name else self.runtime

    @property
    def serves(self) -> str:
        """The requests that it answers, in words: those of mocks alone, or of both modes with one as the default."""
        return f"{self.mode} only" if self.flags.get("mode") == "mock" else f"{self.mode} by default"

    @property
    def replayed(self) -> str | None:
        """The folder of recordings that it was started to answer from, as an absolute path; None without one."""
        folder = self.flags.get("replay") or self.flags.get("record_missing")
        return folder if isinstance(folder, str) else None

    def is_same(self, other: Instance) -> bool:
        """Return whether both are of the same process or container."""
        return _identity(self) == _identity(other)


def _identity(instance: Instance) -> tuple[Any, ...]:
    return instance.pid, instance.pid_started, instance.container
