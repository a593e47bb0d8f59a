"""`--env-file` of commands that ask an app on Modal, which has secrets of its own."""

from __future__ import annotations

from typing import Annotated

import typer

IdleEnvFile = Annotated[
    str | None,
    typer.Option("--env-file", metavar="PATH", help="Accepted, and not read: the app has secrets of its own."),
]


def say_env_file_is_idle(ctx: typer.Context, env_file: str | None) -> None:
    """One command line may serve both here and on Modal, so the flag is no error; what it does not do is said."""
    if env_file is not None:
        ctx.obj.note(f"--env-file {env_file} is not read: the app has the secrets that `modal sync-secrets` copied")
