"""`theoryctl modal`: providers on Modal."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli import modal_batch, modal_secrets
from theoryctl.cli.command import ManifestsOption, NamedRef, RefOption, command, make_app
from theoryctl.cli.endpoint_flags import EndpointFlags
from theoryctl.cli.flags import with_flags
from theoryctl.cli.idle_env_file import IdleEnvFile, say_env_file_is_idle
from theoryctl.cli.options import AppName, Env, Follow, OptionalRef, Since, Tail
from theoryctl.cli.run_flags import RunFlags, run_options, told

app = make_app("modal", "Run providers on Modal.")
app.add_typer(modal_secrets.secrets)

Oci = Annotated[
    str | None, typer.Option("--oci", metavar="IMAGE@DIGEST", help="Deploy this image instead of the pinned one.")
]
RegistrySecret = Annotated[
    str | None,
    typer.Option("--registry-secret", metavar="NAME", help="A Modal Secret with the credentials for the registry."),
]
Discard = Annotated[bool, typer.Option("--discard", help="Delete the answers of detached batches too.")]
Pruned = Annotated[
    list[str] | None, typer.Option("--app", metavar="NAME", help="Remove this app of the plan. Repeatable.")
]

NoWait = Annotated[bool, typer.Option("--no-wait", help="Start no container, and wait for none.")]
UnsetEndpoint = Annotated[bool, typer.Option("--unset", help="Print the commands that unset the variables.")]


@command(
    app,
    "start",
    examples="""\
theoryctl modal start --ref llm/litellm@1 --env prod
theoryctl modal start --ref llm/litellm@1 --env prod --serve --max-containers 2""",
)
@with_flags(EndpointFlags)
def start(
    ctx: typer.Context,
    ref: RefOption,
    env: Env = None,
    oci: Oci = None,
    registry_secret: RegistrySecret = None,
    *,
    flags: EndpointFlags,
    manifests: ManifestsOption = None,
) -> None:
    """Deploy the image of a ref, by its digest.

    The image is the one of --oci, or the one that the manifest pins for linux/amd64. In the environment dev each branch
    and user has apps of their own, named after GIT_BRANCH and GIT_USER, or else after what git says. For a private
    registry set REGISTRY_USERNAME and REGISTRY_PASSWORD, or name a Modal Secret that holds them.

    With --serve the app has an endpoint: the same server that `local start` starts, at a public address. It wants a
    token, which `modal env` prints. Anybody who knows the address can have containers started, so a limit of them must
    be given, here or as max_containers in the manifest.
    """
    from theoryctl.actions import modal
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    parsed, where = ProviderRef.parse(ref), environment_name(env)
    done = modal.start(
        parsed,
        where,
        oci=oci,
        registry_secret=registry_secret,
        manifests=manifests,
        endpoint=flags.options(),
        progress=ctx.obj.progress,
    )
    ctx.obj.emit(done)


@command(
    app,
    "env",
    examples="""\
eval "$(theoryctl modal env --ref llm/litellm@1 --env prod)"
eval "$(theoryctl modal env --unset)\"""",
)
def env_(
    ctx: typer.Context,
    ref: OptionalRef = None,
    env: Env = None,
    app: AppName = None,
    no_wait: NoWait = False,
    unset: UnsetEndpoint = False,
    manifests: ManifestsOption = None,
) -> None:
    """Print shell exports that lead clients to an endpoint.

    They are those of `local env`, with the URL and the token of an app that was started with --serve. Modal hands the
    token to everybody in the workspace. An endpoint has no container until somebody asks it, so this waits until one
    takes requests.
    """
    from theoryctl.actions import instance_env, modal_endpoint
    from theoryctl.errors import UsageError
    from theoryctl.hints import command
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    if (ref is None) != unset:
        raise UsageError("env wants --ref REF or --unset, and one of them", hint=command("modal status"))
    if ref is None:
        ctx.obj.emit(instance_env.unset_env())
        return
    parsed, where = ProviderRef.parse(ref), environment_name(env)
    shown = modal_endpoint.env(parsed, where, app, manifests, wait=not no_wait, progress=ctx.obj.progress)
    ctx.obj.emit(shown)


@command(
    app,
    "run",
    examples="""\
theoryctl modal run --ref llm/litellm@1 --env prod --mode mock
theoryctl modal run --ref llm/litellm@1 --env prod --prompt "Say hello in one word." --stream""",
)
@with_flags(RunFlags)
def run(
    ctx: typer.Context,
    ref: RefOption,
    flags: RunFlags,
    env: Env = None,
    app: AppName = None,
    env_file: IdleEnvFile = None,
) -> None:
    """Send one request to a deployed app and print its answer.

    Real mode uses the secrets that `sync-secrets` copied to Modal. Standard output gets the answer alone, or with
    --json the whole envelope; everything else goes to standard error.
    """
    from theoryctl.actions import run, targets
    from theoryctl.modal.names import environment_name

    say_env_file_is_idle(ctx, env_file)
    options = run_options(ctx, ref, flags)
    target = targets.modal_target(options.ref, environment_name(env), app)
    ctx.obj.emit(told(run.run(options, target, ctx.obj.watch_run(stream=flags.stream, raw=flags.raw)), ctx))


app.registered_commands += modal_batch.app.registered_commands
app.registered_commands += modal_secrets.app.registered_commands


@command(app, "prune", examples="theoryctl modal prune --env dev")
def prune(ctx: typer.Context, env: Env = None, app: Pruned = None, manifests: ManifestsOption = None) -> None:
    """Remove your apps of branches that are gone.

    It shows a plan and the command that carries it out, and removes only the apps that --app names, with their Secrets
    and Volumes. A branch is gone if neither the repository nor its remotes have it. A branch of
    another repository looks the same, so read the plan. Only apps of the current user in the environment dev count.
    """
    from theoryctl.actions import modal_upkeep
    from theoryctl.modal.names import environment_name

    ctx.obj.emit(modal_upkeep.prune(environment_name(env), app or (), manifests, ctx.obj.progress))


@command(app, "status", examples="theoryctl modal status --env prod")
def status(ctx: typer.Context, ref: OptionalRef = None, env: Env = None, manifests: ManifestsOption = None) -> None:
    """Show the deployed apps of an environment."""
    from theoryctl.actions import modal
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    parsed = ProviderRef.parse(ref) if ref is not None else None
    ctx.obj.emit(modal.status(parsed, environment_name(env), manifests))


@command(app, "rollback", examples="theoryctl modal rollback --ref llm/litellm@1 --env prod", guesses=False)
def rollback(
    ctx: typer.Context, ref: NamedRef, env: Env = None, app: AppName = None, manifests: ManifestsOption = None
) -> None:
    """Deploy the image that an app had before.

    Secrets and resources stay as they are, and runs go on. It says whether the manifest pins another image now, which
    the next `start` would deploy again. A second rollback undoes the first.
    """
    from theoryctl.actions import modal
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    parsed, where = ProviderRef.parse(ref), environment_name(env)
    ctx.obj.emit(modal.rollback(parsed, where, app, manifests, ctx.obj.progress))


@command(app, "logs", examples="theoryctl modal logs --ref llm/litellm@1 --env prod --tail 20")
def logs(
    ctx: typer.Context,
    ref: RefOption,
    env: Env = None,
    app: AppName = None,
    follow: Follow = False,
    tail: Tail = None,
    since: Since = None,
) -> None:
    """Print the log of a deployed app.

    It prints the last 100 lines, unless --tail or --since say otherwise. Each request is one line: time, status,
    duration, model, tokens, cost and code. With --json the log is NDJSON: one object per line.
    """
    from theoryctl.actions import modal
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef
    from theoryctl.units import parse_duration

    seconds = parse_duration(since, "--since") if since is not None else None
    parsed, where = ProviderRef.parse(ref), environment_name(env)
    ctx.obj.emit_lines(modal.logs(parsed, where, app=app, follow=follow, tail=tail, since=seconds))


@command(app, "stop", examples="theoryctl modal stop --ref llm/litellm@1 --env prod", guesses=False)
def stop(ctx: typer.Context, ref: NamedRef, env: Env = None, app: AppName = None, discard: Discard = False) -> None:
    """Stop an app and remove its attachments.

    In the environment dev it is the app of the current branch and user, unless --app names another. Its Secret is kept
    for the next start, and answers of detached batches until they are collected, unless --discard is given.
    """
    from theoryctl.actions import modal
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(modal.stop(ProviderRef.parse(ref), environment_name(env), app, discard=discard))
