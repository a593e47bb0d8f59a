"""The configuration of a server: one JSON document on its standard input, or a token in its environment."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from theoryctl_providers.contract import SERVES_VARIABLE, TOKEN_VARIABLE, ProviderConfig, ProviderError, told_limits
from theoryctl_providers.contract.wire import ServerConfig

#: The shortest token that is taken, in characters.
_SHORTEST = 32

#: Folder of this package in an image (providers/Dockerfile).
_IN_IMAGE = "/opt/theoryctl/code/"


def told() -> ServerConfig:
    """Read the configuration, and take token and standard input away from all that runs later.

    A document counts before the environment. Without one the server serves mocks only, as `llm/litellm@1`. Raises
    ProviderError `ERR_INPUTS` for a document that is none, and for a token that is unset or too short.
    """
    data = _standard_input()
    token = os.environ.pop(TOKEN_VARIABLE, "")
    config = _by_token(token) if not data.strip() and token else ServerConfig.load(data)
    config = replace(config, provider=told_limits(config.provider))
    if config.provider.mock_only or os.environ.get(SERVES_VARIABLE) == "mock":
        config = replace(config, provider=replace(config.provider, mode="mock", mock_only=True, secrets={}))
    return config


def _standard_input() -> bytes:
    """Read it to its end, but for a terminal, where none would come; nothing that runs later may read a secret there,
    and a provider's child must not inherit it."""
    data = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return data


def _by_token(token: str) -> ServerConfig:
    if len(token) < _SHORTEST or not (token.isascii() and token.isprintable()) or " " in token:
        message = f"{TOKEN_VARIABLE}: expected {_SHORTEST} or more signs of ASCII, got {len(token)} characters"
        raise ProviderError("ERR_INPUTS", message, hint="set it to what `openssl rand -hex 32` prints")
    runtime = "docker" if __file__.startswith(_IN_IMAGE) else "process"
    provider = ProviderConfig(provider="litellm", ref="llm/litellm@1", runtime=runtime, timeout=120, mock_only=True)
    return ServerConfig(provider=provider, token=token)
