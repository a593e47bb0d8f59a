"""`theoryctl recordings`: exchanges with vendors that were recorded."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from theoryctl.cli.command import Command, ManifestsOption, RefOption, command, make_app
from theoryctl.cli.options import EnvFile, InstanceName

app = make_app("recordings", "Compare and prune recorded exchanges.")

Folder = Annotated[str, typer.Argument(metavar="DIR", help="The folder of the recordings.")]
Ask = Annotated[bool, typer.Option("--ask", help="Ask the vendors. Without it, only the cost is shown.")]
MaxCost = Annotated[
    float | None,
    typer.Option("--max-cost", metavar="USD", min=0, help="Ask nobody if that could cost more."),
]
Unused = Annotated[
    bool,
    typer.Option(
        "--unused",
        help="Only those that have answered nothing since the start. [required]",
    ),
]
Remove = Annotated[bool, typer.Option("--remove", help="Remove them. Without it, they are only listed.")]
WhichRuntime = Annotated[
    str | None,
    typer.Option("--runtime", metavar="NAME", help="The runtime of the instance, if the ref is started in two."),
]


@command(
    app,
    "diff",
    examples="""\
theoryctl recordings diff recordings --ref llm/litellm@1
theoryctl recordings diff recordings --ref llm/litellm@1 --env-file .env --max-cost 0.50""",
)
def diff(
    ctx: typer.Context,
    folder: Folder,
    ref: RefOption,
    ask: Ask = False,
    max_cost: MaxCost = None,
    env_file: EnvFile = None,
    manifests: ManifestsOption = None,
) -> None:
    """Ask again, and show what has changed.

    First it says what asking costs at most; with --ask the vendors are asked. A recording is the same, changed, or
    stale: then its request is refused today. The status is 3 if one is stale, and 1 if another call failed. Nothing is
    written into the folder.
    """
    from theoryctl.actions.recordings_diff import DiffOptions
    from theoryctl.actions.recordings_diff import diff as compared
    from theoryctl.refs import ProviderRef

    options = DiffOptions(
        folder=folder,
        ref=ProviderRef.parse(ref),
        asks=ask,
        max_cost=max_cost,
        env_file=env_file,
        manifests=manifests,
    )
    ctx.obj.emit(compared(options, ctx.obj.note))


@command(
    app,
    "prune",
    examples="theoryctl local start --ref llm/litellm@1 --runtime process --replay recordings && "
    "theoryctl recordings prune --unused --ref llm/litellm@1",
)
def prune(
    ctx: typer.Context,
    ref: RefOption,
    unused: Unused = False,
    remove: Remove = False,
    runtime: WhichRuntime = None,
    name: InstanceName = None,
) -> None:
    """List or remove recordings that answered nothing.

    They are those of the folder that a started instance answers from, which have answered no request since its start.
    Run the tests against it first.
    """
    from theoryctl.actions.recordings_prune import prune as pruned
    from theoryctl.actions.recordings_prune import refuse_folder
    from theoryctl.cli.hints import spelled
    from theoryctl.hints import again
    from theoryctl.refs import ProviderRef

    if os.path.isdir(ref):
        assert isinstance(ctx.command, Command)
        refuse_folder(ref, ProviderRef.parse(ctx.command.take_default(ctx)), runtime, name)
    removing = spelled(again("add --remove", remove=True), ctx) or ""
    ctx.obj.emit(pruned(ProviderRef.parse(ref), runtime, name, unused=unused, remove=remove, command=removing))
