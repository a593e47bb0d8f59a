"""The Docker daemon through its own SDK: what makes images and containers, and the logins that `docker` keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theoryctl.docker.address import Address, find_address, leave
from theoryctl.docker.client import START_DOCKER, greeted, text
from theoryctl.errors import DockerFailed, RegistryAuth
from theoryctl.registry.login import Login

if TYPE_CHECKING:
    from theoryctl.docker.ssh import Tunnels


@contextmanager
def connected(hint: str = START_DOCKER) -> Iterator[Any]:
    """An API client (`docker.APIClient`) of the daemon that `docker` itself would use: DOCKER_HOST, else its context.

    It may be another machine's. Raises DockerFailed (`ERR_DOCKER`) where none answers, and for whatever it refuses
    inside that nobody else has explained; RegistryAuth (`ERR_REGISTRY_AUTH`) where its own settings, which the client
    reads, make no sense, or a credential helper fails.
    """
    where = find_address(hint)
    hint = leave() if where.is_elsewhere else hint
    version = greeted(where, hint).version
    docker = _sdk()
    import requests
    import urllib3

    from theoryctl.docker.ssh import tunnels

    with ExitStack() as stack:
        opened = stack.enter_context(tunnels(where.ssh)) if where.ssh else None
        api = stack.enter_context(closing(_api(where, version, hint, opened)))
        try:
            yield api
        except docker.errors.APIError as error:
            raise DockerFailed(f"Docker refused, at {where}: {refusal(error)}", hint="docker info") from None
        # The SDK wraps the failure of a helper for a push and a pull, and not for a build.
        except (docker.errors.DockerException, docker.credentials.StoreError) as error:
            raise _of_helper(error) or _broken_off(where, error, hint, opened) from None
        # A daemon that dies while it tells of a build or a pull: nobody wraps that.
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _broken_off(where, error, hint, opened) from None


def _api(where: Address, version: str, hint: str, opened: Tunnels | None) -> Any:
    import docker

    from theoryctl.docker.sdk import Api

    try:
        return Api(where, version, opened)
    except docker.errors.DockerException as error:
        raise DockerFailed(f"Docker does not answer at {where}: {error}", hint=hint) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable(error) from None


def _broken_off(where: Address, error: BaseException, hint: str, opened: Tunnels | None) -> DockerFailed:
    why = (opened.reason() if opened else None) or _cause(error)
    return DockerFailed(f"Docker closed the connection, at {where}: {why}", hint=hint)


def found(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a call of the API client returns; None where the daemon says that there is no such thing."""
    import docker

    try:
        return call(*arguments, **options)
    except docker.errors.NotFound:
        return None


@contextmanager
def explained(explain: Callable[[str], Exception]) -> Iterator[None]:
    """Raise what `explain` makes of the daemon's words when it refuses something inside."""
    import docker

    try:
        yield
    except docker.errors.APIError as error:
        raise explain(refusal(error)) from None


def refusal(error: Any) -> str:
    """The daemon's own words."""
    return str(error.explanation or error).strip()


def platform_of(api: Any) -> str:
    """The platform that the daemon runs images of, such as `linux/amd64`: on a Mac not the host's. Raises DockerFailed
    where it does not say."""
    platform: str = api.shaped(_platform, api.version(), "/version")
    return platform


def _platform(version: Any) -> str:
    return f"{text(version['Os'])}/{text(version['Arch'])}"


@dataclass(frozen=True, slots=True)
class DaemonSeen:
    """A daemon's version, the platform that it runs images of, the version of its cgroups, and what it cannot limit."""

    version: str
    platform: str
    cgroups: str
    unlimited: tuple[str, ...]


def describe(api: Any) -> DaemonSeen:
    """Ask the daemon what it is. Raises DockerFailed (`ERR_DOCKER`) where it answers oddly."""
    version, platform = api.shaped(lambda seen: (text(seen["Version"]), _platform(seen)), api.version(), "/version")
    cgroups, unlimited = api.shaped(_abilities, api.info(), "/info")
    return DaemonSeen(version, platform, cgroups, unlimited)


#: The key of `/info` that tells whether the kernel limits it, which older daemons leave out.
_LIMITS = {"memory": "MemoryLimit", "CPU": "CpuCfsQuota", "processes": "PidsLimit"}


def _abilities(info: Any) -> tuple[str, tuple[str, ...]]:
    unlimited = tuple(name for name, key in _LIMITS.items() if not info.get(key, True))
    return text(info.get("CgroupVersion") or "1"), unlimited


def login_for(registry: str) -> Login | None:
    """Return the login that `docker login` keeps, in config.json of DOCKER_CONFIG or ~/.docker, or that `podman login`
    keeps in its auth.json; or with a credential helper that they name (`credHelpers`, `credsStore`). Logins of other
    registries are not read.

    Raises RegistryAuth (`ERR_REGISTRY_AUTH`) where that cannot be read, or a helper fails.
    """
    docker = _sdk()
    hint = f"docker login {registry}"
    podmans = _podmans_file()
    for file in filter(None, (docker.utils.config.find_config_file(), podmans)):
        try:
            found = _kept_for(registry, file, whole=file == podmans).resolve_authconfig(registry) or {}
        except docker.errors.DockerException as error:
            raise _of_helper(error, hint, file) or _unreadable(error, hint, file) from None
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise _unreadable(error, hint, file) from None
        if login := _login({name.lower(): value for name, value in found.items()}):
            return login
    return None


def _login(kept: dict[str, str]) -> Login | None:
    if token := kept.get("identitytoken"):
        return Login(identity_token=token)
    user, password = kept.get("username"), kept.get("password")
    return Login(user=user, password=password) if user and password else None


def _podmans_file() -> str | None:
    """Find the file that podman, buildah and skopeo keep logins in: REGISTRY_AUTH_FILE, else `containers/auth.json`
    below XDG_RUNTIME_DIR or XDG_CONFIG_HOME (containers-auth.json(5)). A login to a part of a registry, whose name has
    a path, is none to the registry."""
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return named
    folders = (os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    files = (os.path.join(folder, "containers/auth.json") for folder in folders if folder)
    return next(filter(os.path.isfile, files), None)


def _kept_for(registry: str, file: str, *, whole: bool) -> Any:
    """Read a file's settings about one registry: a `docker.auth.AuthConfig`; `whole` leaves out names with a path."""
    import json

    import docker

    from theoryctl.docker.logins import Logins

    settings = json.loads(Path(file).read_bytes())
    auths = (settings.get("auths") or {}).items()
    known = {name: entry for name, entry in auths if not (whole and "/" in name)}
    own = {name: entry for name, entry in known.items() if docker.auth.resolve_index_name(name) == registry}
    parsed = docker.auth.AuthConfig.parse_auth(own, raise_on_error=True)
    helpers = {name: settings[name] for name in ("credsStore", "credHelpers") if settings.get(name)}
    return Logins({"auths": parsed, **helpers})


def _unreadable(error: Exception, hint: str | None = None, file: str | None = None) -> RegistryAuth:
    import docker

    file = file or docker.utils.config.find_config_file()
    return RegistryAuth(f"{file}: logins and settings cannot be read: {error}", hint=hint or f"fix {file}")


def _of_helper(error: Exception, hint: str | None = None, file: str | None = None) -> RegistryAuth | None:
    """The failure of a credential helper, if it is one. What the helper printed may hold secrets, and stays untold."""
    import subprocess

    import docker

    failure = error if isinstance(error, docker.credentials.StoreError) else error.__cause__
    if not isinstance(failure, docker.credentials.StoreError):
        return None
    ended = failure.__cause__
    words = str(failure)
    if isinstance(ended, subprocess.CalledProcessError):
        words = f"{Path(ended.cmd[0]).name} ended with status {ended.returncode}"
    file = file or docker.utils.config.find_config_file()
    return RegistryAuth(f"the credential helper that {file} names: {words}", hint=hint or f"fix it, or {file}")


def _sdk() -> Any:
    """Docker's SDK, without its warning of helpers that are not there: that is an error, and told as one."""
    import warnings

    import docker

    warnings.filterwarnings("ignore", category=UserWarning, module=r"docker\.credentials")
    return docker


def without_ignored(folder: Path, patterns: list[str]) -> set[str]:
    """The paths of the files below a folder that a .dockerignore with those lines leaves, sorted, with `/`."""
    from docker.utils.build import exclude_paths

    kept: set[str] = exclude_paths(str(folder), patterns)
    return {name.replace("\\", "/") for name in kept if (folder / name).is_file()}


def _cause(error: BaseException) -> str:
    """The innermost reason: `No such file or directory` in what urllib3 and requests wrap around it."""
    seen = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = error.__cause__ or error.__context__
        if inner is None or (isinstance(error, OSError) and error.strerror):
            break
        error = inner
    return getattr(error, "strerror", None) or str(error)
