"""OCI platforms: `linux/amd64`, in Go's words for systems and machines."""

from __future__ import annotations

import os
import re
import sys

from theoryctl.errors import UsageError
from theoryctl.hints import again

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386"}


def host_platform() -> str:
    """The platform this process runs on."""
    machine = (
        os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "unknown").lower()
    )
    return f"{sys.platform}/{_MACHINES.get(machine, machine)}"


def image_platform() -> str:
    """The platform of the images that run on this machine, as far as that is known without a daemon: a Linux, for
    which a Mac has a machine of its own."""
    return f"linux/{host_platform().rpartition('/')[2]}"


_PLATFORM = "[a-z0-9]+/[a-z0-9]+(/v[0-9]+)?"


def parse_platform(text: str) -> str:
    """`--platform`, with machines in Go's words. Raises UsageError (`ERR_USAGE`)."""
    system, _, machine = text.partition("/")
    named = f"{system}/{_MACHINES.get(machine, machine)}"
    if not re.fullmatch(_PLATFORM, named):
        message = f"--platform: expected os/arch, such as linux/arm64, got {text!r}"
        lower = named.lower()
        use = again(f"use {lower}", platform=lower) if re.fullmatch(_PLATFORM, lower) else None
        raise UsageError(message, hint=use or "write it as os/arch, such as linux/arm64")
    return named


def same_platform(one: str, other: str) -> bool:
    """Return whether two names are of one platform: arm64 without a variant is v8 (OCI image index)."""
    return one.removesuffix("/v8") == other.removesuffix("/v8")
