"""Commands of Modal's own program, in a form that exists in this installation."""

from __future__ import annotations

import sys

#: Those that theoryctl has no command for, as `modal --help` of 1.6.3 lists them, by their first one or two words:
#: `secret list` is more likely our `secrets list`.
ITS_OWN = frozenset(
    (
        "app",
        "config",
        "container",
        "curl",
        "dict",
        "environment",
        "profile",
        "queue",
        "secret create",
        "secret delete",
        "setup",
        "shell",
        "token",
        "volume",
    )
)


def modal_command(*words: str) -> str:
    """Return a command of Modal's program, such as `modal token new`.

    Where `modal` is not on the path, as with pipx and `uv tool`, it is that of this program's Python. Where Modal is
    missing, its installation comes first.
    """
    from importlib.util import find_spec
    from shlex import join
    from shutil import which

    if which("modal"):
        return join(["modal", *words])
    beside = join([sys.executable, "-m", "modal", *words])
    if find_spec("modal") is not None:
        return beside
    from theoryctl_providers.contract.packages import install_command

    return f"{install_command('modal')} && {beside}"


def new_token() -> str:
    """Return the command that makes a token for Modal."""
    return modal_command("token", "new")
