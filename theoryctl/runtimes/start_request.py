"""All that a runtime is told to start an instance."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from theoryctl.images.choice import ImageWish
from theoryctl.instances.instance import Instance
from theoryctl.instances.key import RecordKey
from theoryctl.manifests.model import Resources
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.secrets import secret_digests
from theoryctl_providers.contract import ProviderConfig, ServerConfig, canonical, missing_rules, secret_names, sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """An instance to start, in the place `key`. `port` is the one to listen on, on 127.0.0.1; 0 takes a free one.

    `wait_seconds` is the time it may take to become ready once its image is here, `record` the absolute path of the
    folder for recordings. `flags` are remembered as those of its start.
    """

    key: RecordKey
    server: ServerConfig
    manifest_digest: str
    image: ImageWish
    resources: Resources
    wait_seconds: float
    progress: Progress
    port: int = 0
    record: str | None = None
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> ProviderRef:
        """The ref to start."""
        return self.key.ref

    @property
    def answers(self) -> str | None:
        """The digest of what mock mode answers from, whatever the mock's version; None for the mock itself."""
        return _answers_digest(self.server.provider)

    @property
    def mock_version(self) -> int | None:
        """The version of the mock's own answers; None for the newest."""
        script = self.server.provider.script
        return script.document.mock_version if script else None

    def instance(self, **where: Any) -> Instance:
        """The record of what is started by this, now, with the fields that only its runtime knows."""
        provider = self.server.provider
        rules = provider.secret_rules
        absent = missing_rules(rules, provider.secrets, provider.default_model or "")
        return Instance(
            ref=str(self.ref),
            runtime=self.key.runtime,
            name=self.key.name,
            mode=provider.mode,
            token=self.server.token,
            started_at=time.time(),
            manifest_digest=self.manifest_digest,
            secrets_present=tuple(name for name in secret_names(rules) if name in provider.secrets),
            secrets_absent=secret_names(absent),
            max_attachment=self.server.limits.attachment,
            secrets=secret_digests(self.server.token, provider.secrets),
            answers=self.answers,
            record=self.record,
            mock_version=self.mock_version,
            flags=self.flags,
            **where,
        )


def _answers_digest(config: ProviderConfig) -> str | None:
    """Return a digest of the script or recordings that answer; None for the mock itself."""
    script = config.script.dump() if config.script else {}
    told: Any = {name: value for name, value in script.items() if name != "mock_version"} or None
    if config.replay is not None:
        told = [recording.dump() for recording in config.replay]
    return None if told is None else sha256(canonical(told, depth=120))
