"""The pages of the documentation as tests run them: their code blocks, by kind.

The words after the fence say what a block needs: `sh` nothing, `sh real` a vendor's key, `sh docker` a daemon, `sh
modal` an account there, `sh setup` a fresh clone; `python` is a script.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


#: Programs that commands on pages and in help use, and a bare Debian does not have.
TOOLS = ("curl", "sqlite3")


def wants_tools(script: str) -> bool:
    """Tell whether a script uses one of TOOLS."""
    return re.search(rf"\b({'|'.join(TOOLS)}) ", script) is not None


def blocks(page: str, kind: str) -> list[str]:
    """Return the code blocks of a kind on a page, which is a path from the root. There must be one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page}: expected a block {kind!r}, got none"
    return found


def run_page(page: str, kind: str, environment: Mapping[str, str], folder: Path) -> str:
    """Run the blocks of a kind on a page as one script in `folder`, and return what it prints. It must succeed."""
    return run_script("".join(blocks(page, kind)), environment, folder)


def run_script(script: str, environment: Mapping[str, str], folder: Path) -> str:
    """Run a script of bash that ends at its first failure, and return what it prints. It must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**environment, "PATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
