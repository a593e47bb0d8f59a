"""The mode, the time-out and the configuration with which a place is asked, for one request or for many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from theoryctl.runtimes.config import provider_config
from theoryctl_providers.contract import is_mock, resolve_mode

if TYPE_CHECKING:
    from theoryctl.actions.targets import Target
    from theoryctl.manifests.model import Manifest
    from theoryctl.requests.mock_flags import MockFlags
    from theoryctl.settings import Settings
    from theoryctl_providers.contract import Mode, ProviderConfig

#: The inputs of many requests, none of which decides for all.
_NONE: Mapping[str, Any] = MappingProxyType({})


class Asking(Protocol):
    """The flags that every command takes which asks a provider; `timeout` is in seconds, and None means not given."""

    @property
    def mode(self) -> str | None: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def env_file(self) -> str | None: ...
    @property
    def mocks(self) -> MockFlags: ...


def mode_of(flags: Asking, target: Target, settings: Settings, inputs: Mapping[str, Any] = _NONE) -> Mode:
    """Return the mode of the flag, else of the inputs, of the settings, or of the target.

    Raises ProviderError `ERR_INPUTS` for a mode in the inputs that is none, and UsageError for one in the settings.
    """
    is_said = flags.mode is not None or inputs.get("mode") is not None
    # A mode that is said needs no settings, which may be wrong.
    default = target.mode if is_said else settings.text("mode") or target.mode
    return resolve_mode(inputs, flags.mode, default)


def timeout_of(flags: Asking, settings: Settings) -> float | None:
    """Return the seconds of the flag, else of the settings; None where neither says any. Raises UsageError."""
    found = settings.value("timeout") if flags.timeout is None else None
    return found.read if found else flags.timeout


def model_of(settings: Settings, manifest: Manifest) -> str | None:
    """Return the model of the settings, for inputs that name none; None where the manifest's inputs take no model."""
    return settings.text("model") if "model" in manifest.inputs.get("properties", {}) else None


def check_place(flags: Asking, target: Target, manifest: Manifest, mode: Mode) -> None:
    """Raise what can be known to be wrong with a place, or with flags that it takes at its start alone."""
    target.check(manifest, mode)
    flags.mocks.check(mode)  # before an instance is asked to be started with flags that the mode excludes
    env_file = {} if flags.env_file is None else {"--env-file": flags.env_file}
    target.check_flags({**env_file, **flags.mocks.given()}, mode)


def config_of(flags: Asking, target: Target, manifest: Manifest, mode: Mode, *, asks: bool = True) -> ProviderConfig:
    """Make the provider's configuration for a target. Secrets are read where it has none of its own and needs some.

    Unless it `asks`, none is read. Raises what `provider_config` raises.
    """
    return provider_config(
        manifest,
        runtime=target.runtime,
        mode=mode,
        mocks=flags.mocks,
        env_file=flags.env_file,
        with_secrets=asks and not is_mock(mode) and not target.has_secrets,
    )


def notes(
    flags: Asking, target: Target, settings: Settings, config: ProviderConfig, inputs: Mapping[str, Any] = _NONE
) -> Iterator[str]:
    """Yield lines on what is odd about that which is to be asked, before anybody is."""
    if not is_mock(config.mode) and "real" not in (flags.mode, inputs.get("mode")):
        named = settings.value("mode")
        yield f"real mode, as {named.source if named else f'the {target.runtime} instance'} says: a vendor is asked"
    yield from config.script.warnings if config.script else ()
