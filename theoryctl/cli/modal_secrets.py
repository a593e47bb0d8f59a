"""`theoryctl modal sync-secrets` and `modal secrets`: the Secrets of apps on Modal."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import ManifestsOption, command, make_app
from theoryctl.cli.options import AppName, Env, EnvFile, OptionalRef

#: `theoryctl modal` takes over its commands.
app = make_app("sync", "")
secrets = make_app("secrets", "Show the Secrets of apps on Modal.")

Check = Annotated[bool, typer.Option("--check", help="Show the changes, and make none.")]
Prune = Annotated[bool, typer.Option("--prune", help="Replace the Secret, so that nothing else is left in it.")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Accept that keys of the default model are missing.")
]


@command(
    app,
    "sync-secrets",
    examples="""\
theoryctl modal sync-secrets --env prod --env-file .env --check
theoryctl modal sync-secrets --ref llm/litellm@1 --env prod --env-file .env""",
)
def sync_secrets(
    ctx: typer.Context,
    ref: OptionalRef = None,
    env: Env = None,
    app: AppName = None,
    env_file: EnvFile = None,
    check: Check = False,
    prune: Prune = False,
    allow_missing: AllowMissing = False,
    manifests: ManifestsOption = None,
) -> None:
    """Copy the secrets that manifests name to Modal.

    Each app has one Modal Secret, named like the app. Without --ref this is done for every manifest of the project that
    is deployed. Values are read from the environment and --env-file, and never shown.
    """
    from theoryctl.actions import sync_secrets
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    done = sync_secrets.sync_secrets(
        ProviderRef.parse(ref) if ref is not None else None,
        environment_name(env),
        app=app,
        env_file=env_file,
        manifests=manifests,
        check=check,
        prune=prune,
        allow_missing=allow_missing,
        progress=ctx.obj.progress,
    )
    ctx.obj.emit(done)


@command(secrets, "list", examples="theoryctl modal secrets list --env prod")
def list_secrets(ctx: typer.Context, env: Env = None) -> None:
    """Show the Secrets that theoryctl made in an environment.

    A Secret stays when its app is stopped. Keys are those that `sync-secrets` put there: Modal does not tell which
    others there are, and no values.
    """
    from theoryctl.actions import modal_upkeep
    from theoryctl.modal.names import environment_name

    ctx.obj.emit(modal_upkeep.list_secrets(environment_name(env)))
