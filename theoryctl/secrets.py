"""Secrets: names from the manifest, values from the environment or an env file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import TYPE_CHECKING

from theoryctl.errors import UsageError
from theoryctl.hints import again, path_hint
from theoryctl_providers.contract import TOKEN_PREFIX, dumps, read_regular
from theoryctl_providers.contract.clients import led_variables

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from dotenv.parser import Binding


#: Bytes that an env file may have.
_MAX_BYTES = 1 << 20


#: The likeness that a misspelt variable has at least; `OR_API_KEY` and `CO_API_KEY`, two vendors' keys, have 0.9.
_NEAR = 0.92


def new_token() -> str:
    """A token for an instance that is about to be started."""
    from secrets import token_urlsafe

    return TOKEN_PREFIX + token_urlsafe(32)


def secret_digests(token: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Digest each secret, keyed with an instance's token: they tell whether values are the same, and not the values."""
    import hmac

    def keyed(name: str, value: str) -> str:
        return f"hmac-sha256:{hmac.digest(token.encode(), dumps([name, value]).encode(), 'sha256').hex()}"

    return {name: keyed(name, value) for name, value in secrets.items()}


def read_secrets(names: Iterable[str], env_file: str | None = None) -> dict[str, str]:
    """The values of exactly those names that are set and not blank; the env file goes before the environment.

    Blanks around a value are no part of it: `$(cat key)` and editors leave them there. What leads to an instance in the
    environment, as after `eval "$(theoryctl local env …)"`, is no secret of a vendor's.

    Raises UsageError when the env file cannot be read.
    """
    given = given_secrets(names, env_file)
    return {name: value for name, value in given.items() if value}


def given_secrets(names: Iterable[str], env_file: str | None = None) -> dict[str, str]:
    """Return the values of secrets like `read_secrets`, with those that are set to nothing."""
    values = {**own_environment(), **(read_env_file(env_file) if env_file is not None else {})}
    return {name: values[name].strip() for name in names if name in values}


def is_text(value: str) -> bool:
    """Return whether a value can be a key, a certificate or an address: valid UTF-8 without control characters."""
    return all(char.isprintable() or char.isspace() for char in value)


def on_this_host(value: str, *, unspecified: bool = False) -> SplitResult | None:
    """A value that is an address of this machine alone, such as Ollama's, with a scheme or without; None for others.

    With `unspecified` so is 0.0.0.0, which a client on the same machine reaches; in a container it is the container.
    """
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    try:
        value = value.strip(" '\"")  # as people copy them
        address = urlsplit(value if "://" in value else f"http://{value}")
        host = (address.hostname or "").rstrip(".")
        if address.scheme not in ("http", "https"):
            return None
        number = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        return None
    return address if number.is_loopback or (unspecified and number.is_unspecified) else None


def own_environment() -> dict[str, str]:
    """Return this process's environment without the variables that lead clients to an instance."""
    led = led_variables(os.environ)
    return {name: value for name, value in os.environ.items() if name not in led}


def leave_instance() -> None:
    """Unset the variables that lead clients to an instance, in a process that is to run a provider.

    The libraries of vendors read the environment by themselves, and would take a token for a key.
    """
    for name in led_variables(os.environ):
        os.environ.pop(name, None)


def read_env_file(path: str) -> dict[str, str]:
    """All that an env file holds. Raises UsageError when it cannot be read."""
    from dotenv.parser import parse_stream

    try:
        data = read_regular(path, _MAX_BYTES)
        if len(data) > _MAX_BYTES:
            raise OSError(errno.EFBIG, f"it has more than {_MAX_BYTES} bytes", path)
        # As text files are read: with any ends of lines.
        text = StringIO(data.decode("utf-8-sig"), newline=None)
        # Without dotenv's interpolation, for a key may hold a dollar sign, and its warnings about broken lines.
        found = list(parse_stream(text))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        hint = "name a file with lines of the form NAME=value"
        if isinstance(error, OSError) and error.errno != errno.EFBIG:
            hint = path_hint(path, error, lambda near: again(f"use {near}", env_file=near))
        raise UsageError(f"--env-file {path}: {reason}", hint=hint) from error
    if broken := next((each.original for each in found if each.error or _is_bare(each)), None):
        blank = len(broken.string) - len(broken.string.lstrip())
        line = broken.line + broken.string[:blank].count("\n")
        hint = "write NAME=value, with the quotes around a value closed"
        raise UsageError(f"--env-file {path}: line {line} cannot be read", hint=hint)
    return {each.key: each.value for each in found if each.key is not None and each.value is not None}


def _is_bare(line: Binding) -> bool:
    """Return whether a line is a value alone, such as a key that was pasted; `NAME` alone is left, as shells do."""
    return line.key is not None and line.value is None and not line.key.isidentifier()


def misspelt(name: str, env_file: str) -> str | None:
    """Return the name in an env file that was meant as another one, as `openai-api-key`; None where none is near.

    Raises UsageError when the file cannot be read.
    """
    from difflib import get_close_matches

    given = {each.upper().replace("-", "_"): each for each in read_env_file(env_file)}
    near = get_close_matches(name, given, n=1, cutoff=_NEAR)
    return given[near[0]] if near and given[near[0]] != name else None
