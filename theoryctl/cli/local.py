"""`theoryctl local`: providers on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import BaseImageOption, ManifestsOption, RefOption, command, make_app
from theoryctl.cli.options import (
    DEFAULT_MAX_ATTACHMENT,
    EnvFile,
    Follow,
    MaxAttachment,
    ModeOption,
    OptionalRef,
    RecordDir,
    ReplayDir,
    RunFlags,
    ScriptFile,
    Since,
    Tail,
    run_options,
    with_run_flags,
)
from theoryctl.runtimes.find import DEFAULT, STARTED

app = make_app("local", "Run providers on this machine.")

RunRuntime = Annotated[
    str | None,
    typer.Option(
        "--runtime", metavar="NAME", help="embedded, or the runtime of a started instance. [default: what is started]"
    ),
]
StartRuntime = Annotated[
    str,
    typer.Option("--runtime", metavar="|".join(STARTED), help="A container, or a background process."),
]
Oci = Annotated[
    str | None,
    typer.Option("--oci", metavar="IMAGE@DIGEST", help="Run this image, whatever the manifest pins."),
]
BuildFlag = Annotated[bool, typer.Option("--build", help="Build the image anew from the manifest's context.")]
RequirePin = Annotated[
    bool, typer.Option("--require-pin", help="Refuse an image that the manifest does not pin; for CI.")
]
WhichRuntime = Annotated[
    str | None, typer.Option("--runtime", metavar="NAME", help="Which one, where it is started in two.")
]
WaitTimeout = Annotated[float, typer.Option("--wait-timeout", metavar="SECONDS", help="Time to become ready.")]
All = Annotated[bool, typer.Option("--all", help="Every instance.")]


@command(
    app,
    "run",
    examples="""\
theoryctl local run --ref llm/litellm@1 --mode mock
theoryctl local run --ref llm/litellm@1 --prompt "Say hello in one word." --stream
theoryctl local run --ref llm/litellm@1 --inputs-json '{"messages": [{"role": "user", "content": "Hi"}]}' --json
theoryctl local run --ref llm/litellm@1 --attach notes=README.md --prompt "Sum this up."
theoryctl local run --ref llm/litellm@1 --script answers.yaml --prompt "Tell me a story." """.rstrip(),
)
@with_run_flags
def run(
    ctx: typer.Context,
    ref: RefOption,
    flags: RunFlags,
    runtime: RunRuntime = None,
    env_file: EnvFile = None,
) -> None:
    """Send one request to a provider and print its answer.

    It goes to the started instance of the ref; where none is started, the provider runs in this process.

    Without inputs, mock mode answers the manifest's own example. Standard output gets the answer alone (with --json,
    the whole envelope); everything else goes to standard error.
    """
    from theoryctl.actions import run, targets

    options = run_options(ref, flags, env_file=env_file)
    target = targets.local_target(options.ref, runtime)
    ctx.obj.emit(run.run(options, target, ctx.obj.watch_run(flags.stream)))


@command(
    app,
    "start",
    examples="""\
theoryctl local start --ref llm/litellm@1
theoryctl local start --ref llm/litellm@1 --env-file .env --mode real
theoryctl local start --ref llm/mock@1 --runtime process
theoryctl local start --ref llm/litellm@1 --runtime process --script answers.yaml""",
)
def start(
    ctx: typer.Context,
    ref: RefOption,
    runtime: StartRuntime = DEFAULT,
    mode: ModeOption = None,
    env_file: EnvFile = None,
    script: ScriptFile = None,
    replay: ReplayDir = None,
    record: RecordDir = None,
    oci: Oci = None,
    build: BuildFlag = False,
    require_pin: RequirePin = False,
    base_image: BaseImageOption = None,
    wait_timeout: WaitTimeout = 60.0,
    max_attachment: MaxAttachment = DEFAULT_MAX_ATTACHMENT,
    manifests: ManifestsOption = None,
) -> None:
    """Start a provider that stays, and keeps LiteLLM loaded.

    In Docker it runs the image that the manifest pins for this platform; where none is pinned, one built here from the
    manifest's context. It takes the secrets that the manifest names from the environment or --env-file; `run` never
    sends it others. Started twice, it is the same instance.
    """
    from theoryctl.actions import start
    from theoryctl.actions.run import checked_mode, positive_seconds
    from theoryctl.refs import ProviderRef
    from theoryctl.requests.attachments import parse_size
    from theoryctl.requests.mock_flags import MockFlags

    seconds = positive_seconds(wait_timeout, "--wait-timeout") or wait_timeout
    options = start.StartOptions(
        ref=ProviderRef.parse(ref),
        runtime=runtime,
        wait_timeout=seconds,
        max_attachment=parse_size(max_attachment),
        mode=checked_mode(mode),
        env_file=env_file,
        manifests=manifests,
        oci=oci,
        build=build,
        require_pin=require_pin,
        base_image=base_image,
        mocks=MockFlags(script=script, replay=replay, record=record),
    )
    ctx.obj.emit(start.start(options, ctx.obj.progress))


@command(app, "stop", examples="theoryctl local stop --all")
def stop(ctx: typer.Context, ref: OptionalRef = None, all_: All = False) -> None:
    """Stop what was started: it finishes the requests it has, for ten seconds at most."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.stop(ProviderRef.parse(ref) if ref is not None else None, all_))


@command(app, "status", examples="theoryctl local status\ntheoryctl local status --json")
def status(ctx: typer.Context, ref: OptionalRef = None, manifests: ManifestsOption = None) -> None:
    """Show what is started, and forget what has died."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.status(ProviderRef.parse(ref) if ref is not None else None, manifests))


@command(app, "logs", examples="theoryctl local logs --ref llm/mock@1 --tail 20 --since 10m")
def logs(
    ctx: typer.Context,
    ref: RefOption,
    runtime: WhichRuntime = None,
    follow: Follow = False,
    tail: Tail = None,
    since: Since = None,
) -> None:
    """Print the log of a started instance; with --json as NDJSON, one object a line."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef
    from theoryctl.units import parse_duration

    seconds = parse_duration(since) if since is not None else None
    ctx.obj.emit_lines(instances.logs(ProviderRef.parse(ref), runtime, follow=follow, tail=tail, since=seconds))


@command(
    app,
    "recordings",
    examples="theoryctl local start --ref llm/litellm@1 --runtime process --mode real --record recordings "
    "--env-file .env && theoryctl local recordings --ref llm/litellm@1",
)
def recordings(ctx: typer.Context, ref: RefOption, runtime: WhichRuntime = None) -> None:
    """Write what an instance that was started with --record has recorded since the last time; `stop` does it too."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.recordings(ProviderRef.parse(ref), runtime))


@command(app, "url", examples="theoryctl local url --ref llm/mock@1")
def url(ctx: typer.Context, ref: RefOption, runtime: WhichRuntime = None) -> None:
    """Print where a started instance listens."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.url(ProviderRef.parse(ref), runtime))


@command(app, "env", examples='eval "$(theoryctl local env --ref llm/mock@1)"')
def env(ctx: typer.Context, ref: RefOption, runtime: WhichRuntime = None) -> None:
    """Print, as shell exports, what another program needs to talk to a started instance: its address and its token.

    OPENAI_BASE_URL and OPENAI_API_KEY lead every client of OpenAI's API to it.
    """
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.env(ProviderRef.parse(ref), runtime))
