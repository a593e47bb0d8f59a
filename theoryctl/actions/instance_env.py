"""The variables that lead other programs to a started instance."""

from __future__ import annotations

import os

from theoryctl.actions.instances import reached
from theoryctl.refs import ProviderRef
from theoryctl.results.instances import EnvShown, EnvUnset
from theoryctl_providers.contract.clients import client_variables, led_variables


def env(ref: ProviderRef, runtime: str | None, name: str | None = None) -> EnvShown:
    """Return the variables that lead a program of ours, or a client of any API that it speaks, to an instance.

    Raises NotRunning where it is not there: they lead prompts and its token to whoever listens at its port.
    """
    instance = reached(ref, runtime, name)
    return leading_to(instance.url, instance.token)


def leading_to(url: str, token: str) -> EnvShown:
    """The variables that lead programs to the server at a URL, without a slash at its end."""
    led = (*led_variables(os.environ), "THEORYCTL_URL", "THEORYCTL_TOKEN")
    replaced = tuple(name for name in _others(url, token) if name not in led)
    return EnvShown(_variables(url, token), replaced)


def unset_env() -> EnvUnset:
    """The variables that `env` sets, but for those that hold something else by now than what leads to an instance."""
    url, token = os.environ.get("THEORYCTL_URL", ""), os.environ.get("THEORYCTL_TOKEN", "")
    led = led_variables(os.environ, other_than=token)
    kept = tuple(name for name in _others(url, token) if name not in led)
    return EnvUnset(tuple(name for name in _variables(url, token) if name not in kept), kept)


def _variables(url: str, token: str) -> dict[str, str]:
    ours = {"THEORYCTL_URL": url, "THEORYCTL_TOKEN": token}
    return {**ours, **client_variables(url, token)}


def _others(url: str, token: str) -> tuple[str, ...]:
    """The variables that are set to something else than would lead to that instance."""
    return tuple(name for name, value in _variables(url, token).items() if os.environ.get(name, value) != value)
