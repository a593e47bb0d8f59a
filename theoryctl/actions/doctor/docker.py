"""Docker: its settings, its daemon, and the logins to registries that it keeps."""

from __future__ import annotations

import json
import os
import shutil
import sys
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from theoryctl.actions.doctor.commands import as_root, aside, private, quoted, unset
from theoryctl.platforms import image_platform
from theoryctl.results.doctor import Checked, Finding
from theoryctl_providers.contract import ProviderError

_SOCKET = Path("/var/run/docker.sock")
_AUTH = "ERR_REGISTRY_AUTH"
#: The settings that are JSON objects.
_MAPPINGS = ("auths", "credHelpers")
_UNREADABLE = "neither Docker nor theoryctl finds a login to a registry"
_BAD_LOGIN = "images that are not public cannot be pulled or pushed"


def check() -> Checked:
    """Check the settings; and the daemon, where there seems to be one."""
    file = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        settings = _settings(file)
    except (OSError, ValueError) as error:
        what = f"{file}: expected a JSON object: {error}"
        return Checked("docker", "its settings cannot be read", (Finding(what, _UNREADABLE, aside(file), _AUTH),))
    findings = list(_logins(settings, file))
    if lost := list(_context(settings, file.parent)):
        return Checked("docker", "its context does not exist", (*lost, *findings))
    if not (os.environ.get("DOCKER_HOST") or shutil.which("docker") or _SOCKET.exists()):
        return Checked("docker", "not installed; --runtime process does without", tuple(findings))
    summary, faults = _daemon()
    new = [each for each in faults if each.code != _AUTH or not findings]  # the SDK stumbles over bad logins, too
    return Checked("docker", summary, (*findings, *new))


def _settings(file: Path) -> dict[str, Any]:
    """Docker's own settings; none where there is no file. Raises OSError, ValueError."""
    if not file.exists():
        return {}
    settings = json.loads(file.read_bytes())
    if not isinstance(settings, dict) or not all(isinstance(settings.get(x) or {}, dict) for x in _MAPPINGS):
        raise ValueError("something else stands there")
    return settings


def _context(settings: dict[str, Any], folder: Path) -> Iterator[Finding]:
    """The context by which the daemon is found, where DOCKER_HOST does not say it: a folder called by a digest
    (docker/cli, `cli/context/store/metadatastore.go`)."""
    named = os.environ.get("DOCKER_CONTEXT")
    name = named or settings.get("currentContext") or "default"
    known = folder / "contexts" / "meta" / sha256(str(name).encode()).hexdigest()
    if os.environ.get("DOCKER_HOST") or name == "default" or known.is_dir():
        return
    command = unset("DOCKER_CONTEXT") if named else "docker context use default"
    why = "neither docker nor theoryctl finds the daemon"
    yield Finding(f"there is no Docker context {name!r}", why, command, "ERR_DOCKER")


def _logins(settings: dict[str, Any], file: Path) -> Iterator[Finding]:
    auths, helpers = settings.get("auths") or {}, settings.get("credHelpers") or {}
    for key, names in (("credsStore", [settings.get("credsStore")]), ("credHelpers", helpers.values())):
        gone = [name for name in names if name and not shutil.which(f"docker-credential-{name}")]
        if gone:
            what = f"{file}: {key} names docker-credential-{gone[0]}, which is not installed"
            command = f'sed -i.bak \'s/"{key}"/"{key}-off"/\' {quoted(file)}'
            yield Finding(what, _BAD_LOGIN, command, _AUTH)
    if bad := sorted(registry for registry, entry in auths.items() if not _is_login(entry)):
        yield Finding(f"{file}: the login to {bad[0]} is broken", _BAD_LOGIN, aside(file), _AUTH)
    if any(isinstance(entry, dict) and entry.get("auth") for entry in auths.values()) and file.stat().st_mode & 0o077:
        yield Finding(f"{file} is open to other users", "they can read the logins in it", private(file))


def _is_login(entry: Any) -> bool:
    """Return whether an entry can be a login: none at all, for a helper keeps it, or user and password in base64."""
    if not isinstance(entry, dict):
        return False
    try:
        return not entry.get("auth") or b":" in b64decode(entry["auth"], validate=True)
    except (ValueError, TypeError):
        return False


def _daemon() -> tuple[str, list[Finding]]:
    """Ask the daemon for a summary, and for what is wrong with it."""
    from theoryctl.docker.daemon import connected, describe

    try:
        with connected() as api:
            seen = describe(api)
    except ProviderError as error:
        why = "nothing runs in Docker; --runtime process does without"
        return "does not answer", [Finding(error.message, why, _revive(error.message), error.code)]
    summary = f"{seen.version}, {seen.platform}, cgroups v{seen.cgroups}"
    return summary, [*_machine(), *_platform(seen.platform), *_limits(seen.unlimited)]


def _machine() -> Iterator[Finding]:
    from theoryctl.docker.address import find_address, leave

    if (found := find_address("")).is_elsewhere:
        what = f"the daemon {found} is another machine's"
        yield Finding(what, "images are built and pushed there, and local start takes another runtime", leave())


def _revive(message: str) -> str:
    if led := [name for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_TLS") if os.environ.get(name)]:
        return unset(*led)
    if "Permission denied" in message:
        return 'sudo usermod -aG docker "$USER" && newgrp docker'
    if sys.platform == "darwin":
        return "open -a Docker"
    return as_root("systemctl start docker" if shutil.which("systemctl") else "service docker start")


def _platform(platform: str) -> Iterator[Finding]:
    if platform != image_platform():
        what = f"the daemon runs {platform}, and this machine is {image_platform()}"
        why = "images of its platform are pulled and built, perhaps emulated and slow"
        led = [name for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if os.environ.get(name)]
        yield Finding(what, why, unset(*led) if led else "docker context use default")


def _limits(unlimited: tuple[str, ...]) -> Iterator[Finding]:
    """Limits that the kernel does not keep, as `docker info` warns."""
    if unlimited:
        what = f"the daemon cannot limit {', '.join(unlimited)}"
        yield Finding(what, "a manifest's resources are not kept", "docker info --format '{{json .Warnings}}'")
