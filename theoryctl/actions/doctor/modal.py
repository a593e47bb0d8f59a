"""Modal's settings, read without its SDK: that costs three times as much as all the rest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from theoryctl.actions.doctor.commands import aside, private, unset
from theoryctl.errors import TheoryctlError
from theoryctl.modal.names import SHARED_BY_BRANCHES, Owner, environment_name
from theoryctl.modal.program import new_token
from theoryctl.results.doctor import Checked, Finding

_CODE = "ERR_MODAL_AUTH"
_NO_TOKEN = "every command of `theoryctl modal` is refused"
#: Each half of a token: its setting, its variable and its beginning (modal 1.6.4, `modal/config.py`).
_HALVES = (("token_id", "MODAL_TOKEN_ID", "ak-"), ("token_secret", "MODAL_TOKEN_SECRET", "as-"))


def check() -> Checked:
    """Check the token, and the name that an app in the shared environment would have."""
    file = _settings_file()
    try:
        profiles = _profiles(file)
    except (OSError, ValueError) as error:
        what = f"{file}: expected TOML with a table for each profile: {error}"
        return Checked("modal", "its settings cannot be read", (Finding(what, _NO_TOKEN, aside(file), _CODE),))
    profile, values = _chosen(profiles)
    findings = [*_profile(profile, profiles), *_token(values), *_file(file, profiles)]
    if not any(values):
        return Checked("modal", "no token", tuple(findings))
    summary = f"a token, of the profile {profile}" if profile in profiles else "a token, of the environment"
    return Checked("modal", summary, (*findings, *_owner()))


def has_token() -> bool:
    """Return whether both halves of a token are there."""
    try:
        return all(_chosen(_profiles(_settings_file()))[1])
    except (OSError, ValueError):
        return False


def _settings_file() -> Path:
    return Path(os.environ.get("MODAL_CONFIG_PATH") or Path.home() / ".modal.toml")


def _chosen(profiles: dict[str, dict[str, Any]]) -> tuple[str, list[Any]]:
    """The profile that counts, and both halves of its token; a variable goes before the file."""
    profile = os.environ.get("MODAL_PROFILE") or next((x for x, y in profiles.items() if y.get("active")), "default")
    return profile, [os.environ.get(variable) or profiles.get(profile, {}).get(key) for key, variable, _ in _HALVES]


def _profiles(file: Path) -> dict[str, dict[str, Any]]:
    """The profiles of the file by name. Raises OSError, ValueError."""
    import tomllib

    profiles = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if not all(isinstance(each, dict) for each in profiles.values()):
        raise ValueError("a setting outside of any section")
    return profiles


def _profile(profile: str, profiles: dict[str, Any]) -> Iterator[Finding]:
    if os.environ.get("MODAL_PROFILE") and profile not in profiles:
        known = ", ".join(profiles) or "none"
        what = f"MODAL_PROFILE: expected one of {known}, got {profile!r}"
        yield Finding(what, _NO_TOKEN, unset("MODAL_PROFILE"), _CODE)


def _token(values: list[Any]) -> Iterator[Finding]:
    """A token has two halves, each with its own beginning."""
    of_variables = [variable for _, variable, _ in _HALVES if os.environ.get(variable)]
    command = unset(*of_variables) if of_variables else new_token()
    for (key, _, beginning), value in zip(_HALVES, values, strict=True):
        if any(values) and not value:
            yield Finding(f"Modal's {key} is missing", _NO_TOKEN, command, _CODE)
        elif value and not str(value).startswith(beginning):
            what = f"Modal's {key}: expected a text that begins with {beginning}"
            yield Finding(what, _NO_TOKEN, command, _CODE)


def _file(file: Path, profiles: dict[str, Any]) -> Iterator[Finding]:
    if any("token_secret" in each for each in profiles.values()) and file.stat().st_mode & 0o077:
        yield Finding(f"{file} is open to other users", "they can read the token in it", private(file))


def _owner() -> Iterator[Finding]:
    """Find out that branch and user are unknown, where an app of the shared environment is called after them."""
    try:
        is_shared = environment_name(None) == SHARED_BY_BRANCHES
    except TheoryctlError:  # a finding among the settings
        return
    try:
        if is_shared:
            Owner.required()
    except TheoryctlError as error:
        command = 'export GIT_BRANCH="${GIT_BRANCH:-main}" GIT_USER="${GIT_USER:-$(id -un)}"'
        yield Finding(error.message, "nothing can be deployed there", command, error.code)
