"""Packages that are not installed: the command that brings them where this program runs."""

from __future__ import annotations

import sys

#: The distribution whose extras say what belongs together, such as `theoryctl[real]`.
DISTRIBUTION = "theoryctl"


def install_command(package: str, oldest: str | None = None) -> str:
    """Return the command that installs a package, and what else the extra brings that has it.

    `oldest` is the first version that does, where what the extra wants is not enough. The command works when it is
    pasted, in a checkout, a virtual environment, and those of pipx and uv.
    """
    from shlex import join

    newer = [f"{package}>={oldest}"] if oldest else []
    return join([*_installer(), *_requirements(package), *newer])


def _installer() -> list[str]:
    """Return the command before the packages: pip's, or that of pipx or uv, whose environments have none."""
    from importlib.util import find_spec
    from pathlib import Path

    if (Path(sys.prefix) / "pipx_metadata.json").exists():  # pipx writes it into each environment of its own
        return ["pipx", "inject", DISTRIBUTION]
    if find_spec("pip") is None:
        return ["uv", "pip", "install", "-p", sys.executable]
    return [sys.executable, "-m", "pip", "install"]


def _requirements(package: str) -> list[str]:
    """Return the requirements of the smallest extra that has the package; the package alone where none has."""
    import re
    from importlib.metadata import PackageNotFoundError, requires

    try:
        wanted = [line.partition(";") for line in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:  # in an image, or a checkout that nobody installed
        return [package]
    extras: dict[str, list[str]] = {}
    for requirement, _, marker in wanted:
        extras.setdefault(marker.strip(), []).append(requirement.strip())
    named = re.compile(rf"{re.escape(package)}\b")
    having = [found for marker, found in extras.items() if "extra" in marker and any(map(named.match, found))]
    return min(having, key=len, default=list(filter(named.match, extras.get("", []))) or [package])
