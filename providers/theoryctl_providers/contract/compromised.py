"""Releases of packages that carried malicious code, and must not run."""

from __future__ import annotations

import re

#: By package. LiteLLM 1.82.7 and 1.82.8 sent away what they found on a machine, as did 1.107.*.
COMPROMISED = {"litellm": re.compile(r"1\.82\.[78]|1\.107\..*")}


def is_compromised(package: str, version: str) -> bool:
    """Return whether a release is known to be compromised."""
    pattern = COMPROMISED.get(package)
    return pattern is not None and pattern.fullmatch(version) is not None
