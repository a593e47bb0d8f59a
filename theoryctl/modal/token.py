"""The command that makes a token for Modal."""

from __future__ import annotations

import sys


def new_token() -> str:
    """Return the command, in a form that exists here.

    Where `modal` is not on the path, as with pipx and `uv tool`, it is that of this program's Python. Where Modal is
    missing, its installation comes first.
    """
    from importlib.util import find_spec
    from shlex import join
    from shutil import which

    if which("modal"):
        return "modal token new"
    beside = join([sys.executable, "-m", "modal", "token", "new"])
    if find_spec("modal") is not None:
        return beside
    from theoryctl_providers.contract.packages import install_command

    return f"{install_command('modal')} && {beside}"
