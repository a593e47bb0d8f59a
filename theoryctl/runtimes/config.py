"""The configuration of a provider, made of its manifest and the flags of a command."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from theoryctl.instances.records import all_instances
from theoryctl.manifests.model import Manifest
from theoryctl.platforms import host_platform
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.secrets import on_this_host, read_secrets
from theoryctl_providers.contract import Mode, ProviderConfig, holding_tokens, secret_names, without_instances


def provider_config(
    manifest: Manifest,
    *,
    runtime: str,
    mode: Mode,
    mocks: MockFlags,
    env_file: str | None,
    with_secrets: bool,
    mock_only: bool = False,
) -> ProviderConfig:
    """Make the configuration of a manifest's provider. `mode` counts where a request names none.

    `with_secrets` reads the manifest's secrets from the environment and `env_file`; without it, none is even looked at.
    A runtime that runs images replaces `image`, which is None, and `platform`, which is this machine's.

    Raises UsageError for an env file that cannot be read, and what `MockFlags.applied` raises.
    """
    names = secret_names(manifest.secrets) if with_secrets else ()
    found = read_secrets(names, env_file)
    # With those that `read_secrets` leaves out: an error is to say that a token stands where a key is missing.
    given = {**{name: os.environ[name] for name in names if name in os.environ}, **found}
    config = ProviderConfig(
        provider=manifest.provider,
        ref=manifest.ref,
        runtime=runtime,
        mode=mode,
        default_model=manifest.models.default,
        input_schema=manifest.inputs,
        output_schema=manifest.outputs,
        secret_rules=manifest.secrets,
        secrets=_elsewhere(without_instances(manifest.secrets, found)),
        withheld=holding_tokens(given),
        timeout=manifest.resources.timeout,
        platform=host_platform(),
        mock_only=mock_only,
    )
    return mocks.applied(config, mode, env_file)


def _elsewhere(secrets: dict[str, str]) -> dict[str, str]:
    """The secrets but for addresses of started instances: a real call goes to a vendor, also after `local env`."""
    near = {name: address.port for name, value in secrets.items() if (address := on_this_host(value))}
    ours = {urlsplit(instance.url).port for instance in all_instances() if instance.url} if near else set()
    return {name: value for name, value in secrets.items() if name not in near or near[name] not in ours}
