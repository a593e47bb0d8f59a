"""`theoryctl modal batch` and `batch collect`: the lines of a file on Modal, and the rows of a detached batch."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.batch_flags import AllowFailures, BatchFlags, BatchSource, Form, Ordered
from theoryctl.cli.command import RefOption, command, make_app
from theoryctl.cli.flags import with_flags
from theoryctl.cli.idle_env_file import IdleEnvFile, say_env_file_is_idle
from theoryctl.cli.options import AppName, Env

#: `theoryctl modal` takes over its commands.
app = make_app("batch", "")

Detach = Annotated[
    bool, typer.Option("--detach", help="Send the lines, and do not wait; `modal batch collect` writes the rows.")
]
Collected = Annotated[
    str | None, typer.Argument(metavar="[BATCH]", help="The batch, by its name; not needed where there is one.")
]
Rows = Annotated[str, typer.Option("--out", metavar="PATH", help="Write the rows to this file; resumed from the file.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the answers on Modal, even if all were taken.")]


@command(
    app,
    "batch",
    examples="""\
theoryctl modal batch lines.jsonl --out rows.jsonl --ref llm/litellm@1 --env prod
theoryctl modal batch lines.jsonl --out later.jsonl --ref llm/litellm@1 --env prod --detach""",
)
@with_flags(BatchFlags)
def batch(
    ctx: typer.Context,
    source: BatchSource,
    ref: RefOption,
    flags: BatchFlags,
    env: Env = None,
    app: AppName = None,
    detach: Detach = False,
    env_file: IdleEnvFile = None,
) -> None:
    """Send every line of a file to a deployed app.

    Lines, rows and flags are those of `local batch`. Modal's containers do the work and keep each answer for seven
    days: whatever ended this command, the same command takes the answers of what was sent, and sends the rest. With
    --detach the answers also go to the app's Volume, until `modal batch collect` has taken them.
    """
    from theoryctl.actions import targets
    from theoryctl.cli.batch_flags import check_detached, run_batch
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    say_env_file_is_idle(ctx, env_file)
    if detach:
        check_detached(flags)
    target = targets.modal_target(ProviderRef.parse(ref), environment_name(env), app)
    result = run_batch(ctx, ref, source, flags, target, detach=detach)
    if result is not None and result.detached is not None:
        ctx.obj.note(f"to write the rows, here or elsewhere: {_collecting(result.detached, ctx)}")


def _collecting(batch: str, ctx: typer.Context) -> str | None:
    from theoryctl.cli.hints import spelled
    from theoryctl.hints import command

    return spelled(command("modal batch collect", batch), ctx)


@command(
    app, "batch collect", examples="theoryctl modal batch collect --out later.jsonl --ref llm/litellm@1 --env prod"
)
def collect(
    ctx: typer.Context,
    ref: RefOption,
    out: Rows,
    batch: Collected = None,
    env: Env = None,
    app: AppName = None,
    form: Form = "theoryctl",
    ordered: Ordered = False,
    allow_failures: AllowFailures = "0",
    keep: Keep = False,
) -> None:
    """Write the rows of a detached batch.

    They are those that --out does not have yet; nothing is waited for, so run it again while lines are left. It needs
    no file of lines, and runs on any machine. Once all answers were taken, they are removed from Modal.
    """
    from theoryctl.actions import modal_collect
    from theoryctl.cli.batch_flags import allowed, emit
    from theoryctl.modal.names import environment_name
    from theoryctl.refs import ProviderRef

    options = modal_collect.CollectOptions(
        ref=ProviderRef.parse(ref),
        environment=environment_name(env),
        out=out,
        app=app,
        batch=batch,
        form=form,
        ordered=ordered,
        keeps=keep,
        allow_failures=allowed(allow_failures),
    )
    emit(modal_collect.collect(options, ctx.obj.note), ctx)
