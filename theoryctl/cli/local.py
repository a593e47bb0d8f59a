"""`theoryctl local`: providers on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import ManifestsOption, RefOption, command, elsewhere, make_app
from theoryctl.cli.flags import with_flags
from theoryctl.cli.options import (
    DEFAULT_MAX_ATTACHMENT,
    BaseImage,
    EnvFile,
    InstanceName,
    MockVersion,
    OptionalRef,
    RecordDir,
    RecordMissing,
    ReplayDir,
    RunRuntime,
    ScriptFile,
    Tools,
)
from theoryctl.cli.run_flags import RunFlags, run_options, told
from theoryctl.runtimes.find import DEFAULT, STARTED

app = make_app("local", "Run providers on this machine.")

StartName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Start it under this name, beside others of its ref."),
]
StartRuntime = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="|".join(STARTED),
        help=f"Start a container or a background process. [env: THEORYCTL_RUNTIME; default: {DEFAULT}]",
    ),
]
Oci = Annotated[
    str | None,
    typer.Option("--oci", metavar="IMAGE@DIGEST", help="Run this image instead of the one that the manifest pins."),
]
BuildFlag = Annotated[bool, typer.Option("--build", help="Build the image again from the manifest's context.")]
StartPlatform = Annotated[
    str | None,
    typer.Option(
        "--platform",
        metavar="OS/ARCH",
        help="Run the image of this platform, such as linux/arm64; some need QEMU. [default: Docker's own]",
    ),
]
RequirePin = Annotated[
    bool, typer.Option("--require-pin", help="Refuse an image that the manifest does not pin; for CI.")
]
StartMode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="mock|real",
        help="mock: serve only mocks, with no keys and no network. real: answer in real mode where a request names no "
        "mode. [default: both, and mock where a request names none]",
    ),
]
WaitTimeout = Annotated[
    str,
    typer.Option(
        "--wait-timeout", metavar="TIME", help="Time for the instance to become ready, as 30 (seconds) or 2m."
    ),
]
StartMaxAttachment = Annotated[
    str | None,
    typer.Option(
        "--max-attachment",
        metavar="SIZE",
        help=f"The largest attachment allowed. [default: {DEFAULT_MAX_ATTACHMENT}]",
    ),
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", min=1, max=65535, help="Listen on this port. [default: a free one]"),
]
All = Annotated[bool, typer.Option("--all", help="Stop every instance.")]


@command(
    app,
    "run",
    examples="""\
theoryctl local run "Say hello in one word." --mode mock --stream
cat README.md | theoryctl local run "Sum this up." -m openai/gpt-4o-mini -o temperature=0.2
theoryctl local run --ref llm/litellm@1 --inputs-json '{"messages": [{"role": "user", "content": "Hi"}]}' --json
theoryctl local run "Sum this up." --attach notes=README.md
theoryctl local run --ref llm/litellm@1 "Tell me a story." --script docs/answers.yaml""",
)
@with_flags(RunFlags)
def run(
    ctx: typer.Context,
    ref: RefOption,
    flags: RunFlags,
    runtime: RunRuntime = None,
    name: InstanceName = None,
    env_file: EnvFile = None,
) -> None:
    """Send one request to a provider and print its answer.

    It goes to the started instance of the ref. If none is started, the provider runs in this process.

    The words are the prompt, and standard input joins it where it is a pipe or a file. Without inputs, mock mode
    answers the manifest's own example. Standard output gets the answer alone, or with --json the whole envelope;
    everything else goes to standard error.
    """
    from theoryctl.actions import run, targets

    options = run_options(ctx, ref, flags, env_file=env_file)
    target = targets.local_target(options.ref, runtime, name)
    ctx.obj.emit(told(run.run(options, target, ctx.obj.watch_run(stream=flags.stream, raw=flags.raw)), ctx))


elsewhere(app, "batch", "local_batch")


@command(
    app,
    "start",
    examples="""\
theoryctl local start --ref llm/litellm@1
theoryctl local start --ref llm/litellm@1 --env-file .env --mode real
theoryctl local start --ref llm/mock@1 --runtime process
theoryctl local start --ref llm/litellm@1 --runtime process --script docs/answers.yaml""",
)
def start(
    ctx: typer.Context,
    ref: RefOption,
    runtime: StartRuntime = None,
    name: StartName = None,
    port: Port = None,
    mode: StartMode = None,
    env_file: EnvFile = None,
    script: ScriptFile = None,
    replay: ReplayDir = None,
    record: RecordDir = None,
    record_missing: RecordMissing = None,
    tools: Tools = None,
    mock_version: MockVersion = None,
    oci: Oci = None,
    build: BuildFlag = False,
    require_pin: RequirePin = False,
    base_image: BaseImage = None,
    platform: StartPlatform = None,
    wait_timeout: WaitTimeout = "60",
    max_attachment: StartMaxAttachment = None,
    manifests: ManifestsOption = None,
) -> None:
    """Start a provider that keeps running, with LiteLLM loaded.

    In Docker it runs the image that the manifest pins for this platform. If none is pinned, it builds one from the
    manifest's context. The instance gets the secrets that the manifest names, from the environment or --env-file; `run`
    never sends it others. A second start finds the instance that runs, and is refused if it asks for another one.
    """
    from theoryctl.actions import start
    from theoryctl.actions.run import checked_mode
    from theoryctl.refs import ProviderRef
    from theoryctl.requests.attachments import parse_size
    from theoryctl.requests.mock_flags import MockFlags
    from theoryctl.units import parse_timeout

    options = start.StartOptions(
        ref=ProviderRef.parse(ref),
        runtime=start.default_runtime() if runtime is None else runtime,
        name=name,
        port=port,
        wait_timeout=parse_timeout(wait_timeout, "--wait-timeout"),
        max_attachment=None if max_attachment is None else parse_size(max_attachment),
        mode=checked_mode(mode),
        env_file=env_file,
        manifests=manifests,
        oci=oci,
        build=build,
        require_pin=require_pin,
        base_image=base_image,
        platform=platform,
        mocks=MockFlags(
            script=tuple(script or ()),
            replay=replay,
            record=record,
            tools=tools,
            record_missing=record_missing,
            mock_version=mock_version,
        ),
    )
    ctx.obj.emit(start.start(options, ctx.obj.progress))


@command(app, "stop", examples="theoryctl local stop --all")
def stop(ctx: typer.Context, ref: OptionalRef = None, name: InstanceName = None, all_: All = False) -> None:
    """Stop started instances.

    With --ref it stops all of the ref; with --name as well, that one alone. Each finishes the requests that it has, for
    at most ten seconds; several do so at the same time.
    """
    from dataclasses import replace

    from theoryctl.actions import stop
    from theoryctl.cli.hints import spelled
    from theoryctl.refs import ProviderRef

    if ref == "all":
        from theoryctl.errors import UsageError
        from theoryctl.hints import again

        raise UsageError("expected --all or a ref, got 'all'", hint=again("write --all", ref=None, all_=True))
    stopped = stop.stop(ProviderRef.parse(ref) if ref is not None else None, all_, name)
    told = [replace(each, error={**each.error, "hint": spelled(each.error["hint"], ctx)}) for each in stopped.failures]
    ctx.obj.emit(replace(stopped, failures=tuple(told)))


@command(app, "status", examples="theoryctl local status\ntheoryctl local status --json")
def status(ctx: typer.Context, ref: OptionalRef = None, manifests: ManifestsOption = None) -> None:
    """Show the started instances, and forget the dead ones."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.status(ProviderRef.parse(ref) if ref is not None else None, manifests))


for _of_instances in ("logs", "recordings", "requests", "url", "env"):
    elsewhere(app, _of_instances, "local_instances")
