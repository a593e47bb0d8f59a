"""Commands of `theoryctl local` on one started instance: its log, recordings, requests, URL and variables."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import RefOption, command, make_app
from theoryctl.cli.options import Follow, InstanceName, Since, Tail

#: `theoryctl local` takes over its commands.
app = make_app("instances", "")

WhichRuntime = Annotated[
    str | None,
    typer.Option("--runtime", metavar="NAME", help="The runtime of the instance, if the ref is started in two."),
]
EnvRef = Annotated[
    str | None,
    typer.Option(
        "--ref",
        "-r",
        metavar="REF",
        help="The provider: namespace/name@version. [env: THEORYCTL_REF; default: the started one, or llm/litellm@1]",
    ),
]
Unset = Annotated[bool, typer.Option("--unset", help="Print the commands that unset the variables.")]


@command(app, "logs", examples="theoryctl local logs --ref llm/mock@1 --tail 20 --since 10m")
def logs(
    ctx: typer.Context,
    ref: RefOption,
    runtime: WhichRuntime = None,
    name: InstanceName = None,
    follow: Follow = False,
    tail: Tail = None,
    since: Since = None,
) -> None:
    """Print the log of a started instance.

    It prints all of the log, unless --tail or --since say otherwise. Each request is one line: time, status, duration,
    model, tokens, cost and code. With --json the log is NDJSON: one object per line.
    """
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef
    from theoryctl.units import parse_duration

    seconds = parse_duration(since, "--since") if since is not None else None
    lines = instances.logs(ProviderRef.parse(ref), runtime, name, follow=follow, tail=tail, since=seconds)
    ctx.obj.emit_lines(lines)


@command(
    app,
    "recordings",
    examples="theoryctl local start --ref llm/litellm@1 --runtime process --mode real --record recordings "
    "--env-file .env && theoryctl local recordings --ref llm/litellm@1",
)
def recordings(ctx: typer.Context, ref: RefOption, runtime: WhichRuntime = None, name: InstanceName = None) -> None:
    """Write the recordings that an instance still holds.

    They go to the folder of the --record that the instance was started with. `stop` writes them too.
    """
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.recordings(ProviderRef.parse(ref), runtime, name))


@command(
    app,
    "requests",
    examples="theoryctl local requests --ref llm/mock@1\ntheoryctl local requests --ref llm/mock@1 --json",
)
def requests(ctx: typer.Context, ref: RefOption, runtime: WhichRuntime = None, name: InstanceName = None) -> None:
    """Show what a started instance was asked as a mock.

    Each request is one row: time, path, status, model, and the rule, recording or mock that answered, or the code of
    its refusal. With --json they have their bodies as well, without credentials. The newest 500 are kept.
    """
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.requests(ProviderRef.parse(ref), runtime, name))


@command(app, "url", examples="theoryctl local url --ref llm/mock@1")
def url(ctx: typer.Context, ref: RefOption, runtime: WhichRuntime = None, name: InstanceName = None) -> None:
    """Print the URL of a started instance."""
    from theoryctl.actions import instances
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(instances.url(ProviderRef.parse(ref), runtime, name))


@command(
    app,
    "env",
    examples='eval "$(theoryctl local env --ref llm/mock@1)"\neval "$(theoryctl local env --unset)"',
)
def env(
    ctx: typer.Context,
    ref: EnvRef = None,
    runtime: WhichRuntime = None,
    name: InstanceName = None,
    unset: Unset = False,
) -> None:
    """Print shell exports that lead clients to an instance.

    They hold the URL and the token of a started instance, under the names that clients of OpenAI, Anthropic, Ollama,
    Azure and Gemini read, such as OPENAI_BASE_URL and OPENAI_API_KEY. Standard error says which variables they
    replace. With --unset the shell forgets them again.
    """
    from theoryctl.actions import instance_env
    from theoryctl.errors import UsageError
    from theoryctl.hints import again
    from theoryctl.refs import ProviderRef

    if unset and (ref, runtime, name) != (None, None, None):
        alone = again("leave out all but --unset", ref=None, runtime=None, name=None)
        raise UsageError("--unset is about the shell's variables, whatever set them", hint=alone)
    if unset:
        ctx.obj.emit(instance_env.unset_env())
    else:
        ref = ref if ref is not None else ctx.command.take_default(ctx)  # type: ignore[attr-defined]
        ctx.obj.emit(instance_env.env(ProviderRef.parse(ref), runtime, name))
