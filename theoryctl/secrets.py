"""Secrets: names from the manifest, values from the environment or an env file."""

from __future__ import annotations

import os
from collections.abc import Iterable

from theoryctl.errors import UsageError


def read_secrets(names: Iterable[str], env_file: str | None = None) -> dict[str, str]:
    """The values of exactly those names that are set and not blank; the env file goes before the environment.

    Blanks around a value are no part of it: `$(cat key)` and editors leave them there.

    Raises UsageError when the env file cannot be read.
    """
    values = {**os.environ, **(read_env_file(env_file) if env_file else {})}
    found = {name: values.get(name, "").strip() for name in names}
    return {name: value for name, value in found.items() if value}


def read_env_file(path: str) -> dict[str, str]:
    """All that an env file holds. Raises UsageError when it cannot be read."""
    from dotenv import dotenv_values

    try:
        with open(path, encoding="utf-8-sig") as file:
            # No interpolation: a key may hold a dollar sign.
            found = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(
            f"--env-file {path}: {reason}", hint="name a file with lines of the form NAME=value"
        ) from error
    return {name: value for name, value in found.items() if value is not None}
