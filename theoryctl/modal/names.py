"""Names on Modal: each ref has an app, with its Secret and its Volume, in an environment.

The limits are those of modal 1.6.4 (`modal/_utils/name_utils.py`): names have at most 64 of `A-Z a-z 0-9 - _ .`,
keys and values of tags 63.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from theoryctl.errors import UsageError
from theoryctl.modal import git
from theoryctl.refs import ProviderRef

MAX_NAME, MAX_TAG = 64, 63
#: The environment in which everybody has apps of their own; the apps of the others are everybody's.
SHARED_BY_BRANCHES = "dev"

#: Of a name with a branch and a user in it, this much at most is the ref's.
_MAX_REF = 40
_HASH = 8
#: No app can be called so (`is_app_id` in `modal/_utils/name_utils.py`).
_APP_ID = re.compile(r"ap-[A-Za-z0-9]{22}", re.ASCII)
#: The source of an environment that no flag and no variable names.
_PROFILE = "the profile in .modal.toml"
_FORM = "use at most 64 letters, digits, '-', '_' and '.', the first a letter or digit, and not en- at its beginning"
_ENVIRONMENT = re.compile(r"(?!en-)[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of an app in the environment `dev`: a branch and a user, as slugs that fit into tags.

    Two branches or users may have the same slugs; `key` tells them apart.
    """

    branch: str
    user: str
    key: str = ""

    @classmethod
    def current(cls) -> Owner | None:
        """GIT_BRANCH and GIT_USER, each else from git; None where one of them is nowhere."""
        branch, user = (look_up() for look_up in _SOURCES.values())
        if not branch or not user:
            return None
        return cls(cut(slug(branch), MAX_TAG), cut(slug(user), MAX_TAG), _hash(f"{branch}\0{user}"))

    @classmethod
    def required(cls) -> Owner:
        """Return the current owner. Raises UsageError that names what is nowhere."""
        if owner := cls.current():
            return owner
        unknown = [name for name, look_up in _SOURCES.items() if not look_up()]
        message = f"an app in the environment {SHARED_BY_BRANCHES} is called after a branch and a user, and neither"
        message += f" {' nor '.join(unknown)} nor git says it"
        hint = f"set {' and '.join(unknown)}, or use another --env"
        raise UsageError(message, hint=hint)


def current_user() -> str:
    """Return the slug of GIT_USER, else of git's user. Raises UsageError where neither says it."""
    if user := _SOURCES["GIT_USER"]():
        return cut(slug(user), MAX_TAG)
    raise UsageError("expected a user, and neither GIT_USER nor git says one", hint="set GIT_USER")


_SOURCES: dict[str, Callable[[], str | None]] = {
    "GIT_BRANCH": lambda: os.environ.get("GIT_BRANCH") or git.branch(),
    "GIT_USER": lambda: os.environ.get("GIT_USER") or git.user(),
}


def environment_name(flag: str | None) -> str:
    """`--env`, else THEORYCTL_ENV, else MODAL_ENVIRONMENT, else that of the profile in Modal's own file, else `dev`.

    Raises UsageError for what is no such name.
    """
    source, name = ("--env", flag) if flag is not None else _found_environment()
    if _ENVIRONMENT.fullmatch(name):
        return name
    hints = {"--env": _FORM, _PROFILE: f"export MODAL_ENVIRONMENT={SHARED_BY_BRANCHES}"}
    message = f"{source}: {name[:100]!r} cannot be the name of a Modal environment"
    raise UsageError(message, hint=hints.get(source, f"unset {source}"))


def _found_environment() -> tuple[str, str]:
    """The environment where no flag names one, behind its source."""
    for variable in ("THEORYCTL_ENV", "MODAL_ENVIRONMENT"):
        if name := os.environ.get(variable):
            return variable, name
    return _PROFILE, _of_profile() or SHARED_BY_BRANCHES


def _of_profile() -> str | None:
    """The environment of the active profile in ~/.modal.toml, as `modal/config.py` finds both.

    What cannot be read is left to the SDK, which says so.
    """
    import tomllib

    path = os.environ.get("MODAL_CONFIG_PATH") or os.path.expanduser("~/.modal.toml")
    try:
        with open(path, "rb") as file:
            profiles = {name: each for name, each in tomllib.load(file).items() if isinstance(each, dict)}
    except (OSError, ValueError):
        return None
    active = next((name for name, each in profiles.items() if each.get("active") is True), "default")
    environment = profiles.get(os.environ.get("MODAL_PROFILE") or active, {}).get("environment")
    return environment if isinstance(environment, str) and environment else None


def is_app_id(text: str) -> bool:
    """Return whether a text is the ID of an app, as Modal makes them: no name can be one."""
    return _APP_ID.fullmatch(text) is not None


def app_name(ref: ProviderRef, environment: str, owner: Owner | None) -> str | None:
    """The app of a ref: `llm-litellm-v1`, and in `dev` `main-alice-llm-litellm-v1`; None there without an owner."""
    if environment != SHARED_BY_BRANCHES:
        return cut(_ref_slug(ref), MAX_NAME)
    if owner is None:
        return None
    end = app_ending(ref)
    return f"{cut(f'{owner.branch}-{owner.user}', MAX_NAME - len(end))}{end}"


def owner_in(environment: str) -> Owner | None:
    """The owner of one's own apps in an environment: in `dev` branch and user, else None. Raises UsageError."""
    return Owner.required() if environment == SHARED_BY_BRANCHES else None


def own_name(ref: ProviderRef, environment: str) -> str:
    """The name of one's own app of a ref. Raises UsageError where branch or user are not known."""
    name = app_name(ref, environment, owner_in(environment))
    assert name is not None
    return name


def app_ending(ref: ProviderRef) -> str:
    """Return the ending that all app names of a ref have in `dev`. Names of other refs' apps may have it, too."""
    return f"-{cut(_ref_slug(ref), _MAX_REF)}"


def secret_name(app: str) -> str:
    """The Modal Secret with the values that an app's containers get: it is called as the app."""
    return app


def volume_name(app: str) -> str:
    """The Modal Volume of an app's large attachments, which goes with the app."""
    return cut(f"{app}-attachments", MAX_NAME)


def calls_name(app: str) -> str:
    """The Modal Dict in which each request of an app counts its attempts."""
    return cut(f"{app}-calls", MAX_NAME)


def registry_secret_name(app: str) -> str:
    """The Modal Secret that an app's image is pulled with."""
    return cut(f"{app}-registry", MAX_NAME)


def slug(text: str) -> str:
    """Lower-case letters and digits with single `-` between them; a hash where none of a text is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-") or _hash(text)


def cut(text: str, limit: int) -> str:
    """The text, or where it is longer than `limit` characters its beginning and a hash of the whole."""
    return text if len(text) <= limit else f"{text[: limit - _HASH - 1]}-{_hash(text)}"


def _ref_slug(ref: ProviderRef) -> str:
    # The first run of an odd number of hyphens ends the namespace, so no two refs have the same slug.
    return f"{ref.namespace.replace('-', '--')}-{ref.name}-v{ref.version}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:_HASH]
