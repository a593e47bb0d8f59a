"""`theoryctl runs`: the ledger of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from theoryctl.cli.command import ManifestsOption, command, make_app
from theoryctl.cli.flags import with_flags
from theoryctl.cli.options import EnvFile, OptionalRef

if TYPE_CHECKING:
    from theoryctl.ledger.queries import Filter

app = make_app("runs", "Show what was run here, and what it cost.")

Run = Annotated[
    str, typer.Argument(metavar="[RUN]", help="The run: the beginning of its id, or last.", show_default=False)
]
First = Annotated[str, typer.Argument(metavar="RUN", help="The run: the beginning of its id, or last.")]
Second = Annotated[str, typer.Argument(metavar="OTHER", help="The run to compare it with.")]
ReplayRuntime = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="embedded, or the runtime of a started instance. [default: embedded for a mock, else the started one]",
    ),
]
OfModel = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="NAME", help="Only runs of this model, as vendor/name; a name alone is of any vendor."
    ),
]
OfMode = Annotated[str | None, typer.Option("--mode", metavar="mock|real", help="Only runs in this mode.")]
OfCode = Annotated[
    str | None,
    typer.Option("--code", metavar="CODE", help="Only runs that failed with this code; any: all that failed."),
]
OfTime = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only runs of the last 30m, 2h or 7d, or since a day: 2026-11-26."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="Show at most N runs.")]
By = Annotated[
    str,
    typer.Option("--by", metavar="NAMES", help="Group by day, model, ref, mode or source, or by several: day,model."),
]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a run. This is the default.")]
Otlp = Annotated[
    bool, typer.Option("--otlp", help="Print one request of OpenTelemetry's OTLP/JSON, with a span a run.")
]
Html = Annotated[str, typer.Option("--html", metavar="PATH", help="The file to write.")]
OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="TIME", help="Forget runs older than 12h, 30d and so on. [default: 90d]"),
]
All = Annotated[bool, typer.Option("--all", help="Forget all runs.")]


class FilterFlags(NamedTuple):
    """The flags that choose runs."""

    ref: OptionalRef = None
    model: OfModel = None
    mode: OfMode = None
    code: OfCode = None
    since: OfTime = None

    def chosen(self) -> Filter:
        """Return the filter. Raises UsageError, BadRef."""
        from theoryctl.actions.run import checked_mode
        from theoryctl.ledger.queries import Filter
        from theoryctl.refs import ProviderRef
        from theoryctl.units import parse_since

        return Filter(
            ref=str(ProviderRef.parse(self.ref)) if self.ref is not None else None,
            model=self.model,
            mode=checked_mode(self.mode),
            code=_code(self.code) if self.code is not None else None,
            since=parse_since(self.since, "--since") if self.since is not None else None,
        )


def _code(text: str) -> str:
    """Return the code of an error, or `any`. Raises UsageError."""
    from theoryctl.actions.explain import code_of
    from theoryctl.errors import UsageError
    from theoryctl.hints import again, command
    from theoryctl.ledger.queries import ANY

    if text.strip().lower() == ANY:
        return ANY
    code, near = code_of(text)
    if near is not None:
        hint = again("correct it", code=near[0]) if near else command("explain").alone()
        raise UsageError(f"--code: expected {ANY} or the code of an error, got {text[:200]!r}", hint=hint)
    return code


def _check_groups(by: str, flags: FilterFlags) -> None:
    """Raise UsageError where names to group by are set apart by a space, so that one was taken for the ref."""
    from theoryctl.errors import UsageError
    from theoryctl.hints import again
    from theoryctl.ledger.queries import GROUPS

    if flags.ref in GROUPS:
        both = f"{by},{flags.ref}"
        message = f"--by: expected names with commas between them, got {by[:100]!r} and {flags.ref!r}"
        raise UsageError(message, hint=again(f"write --by {both}", by=both, ref=None))


@command(app, "list", examples="theoryctl runs list --since 7d\ntheoryctl runs list --code any --json")
@with_flags(FilterFlags)
def list_(
    ctx: typer.Context,
    flags: FilterFlags,
    limit: Limit = 20,
) -> None:
    """List the newest runs.

    The ledger has every run in real mode: those of this command line, of Python programs that record theirs, and what
    other programs asked started instances. THEORYCTL_LEDGER says whether it has mocks, inputs and outputs too.
    """
    from theoryctl.actions.runs.ledger import list_runs

    ctx.obj.emit(list_runs(flags.chosen(), limit, ctx.obj.note))


@command(
    app, "show", examples="THEORYCTL_LEDGER=mock theoryctl local run Hello --mode mock && theoryctl runs show last"
)
def show(ctx: typer.Context, run: Run = "last") -> None:
    """Show everything that is known of one run."""
    from theoryctl.actions.runs.ledger import show_run

    ctx.obj.emit(show_run(run, ctx.obj.note))


@command(app, "cost", examples="theoryctl runs cost\ntheoryctl runs cost --by day,model --since 30d --json")
@with_flags(FilterFlags)
def cost(
    ctx: typer.Context,
    flags: FilterFlags,
    by: By = "model",
) -> None:
    """Sum up runs, failures, tokens and cost.

    Days are those of UTC. A cost that nobody knows is left out of the sum, and a note says of how many runs.
    """
    from theoryctl.actions.runs.ledger import show_costs

    _check_groups(by, flags)
    ctx.obj.emit(show_costs(flags.chosen(), by, ctx.obj.note))


@command(app, "export", examples="theoryctl runs export --jsonl > runs.jsonl\ntheoryctl runs export --otlp > runs.json")
@with_flags(FilterFlags)
def export(
    ctx: typer.Context,
    flags: FilterFlags,
    jsonl: JsonLines = False,
    otlp: Otlp = False,
) -> None:
    """Print the runs for other programs, the oldest first.

    With --otlp they are spans by OpenTelemetry's conventions for generative AI. Inputs and outputs are never exported.
    """
    from theoryctl.actions.runs.ledger import export_runs
    from theoryctl.errors import UsageError
    from theoryctl.hints import again

    if jsonl and otlp:
        raise UsageError("--jsonl and --otlp exclude each other", hint=again("leave --jsonl out", jsonl=None))
    ctx.obj.emit_lines(export_runs(flags.chosen(), ctx.obj.note, otlp=otlp))


@command(
    app,
    "replay",
    examples="""\
THEORYCTL_LEDGER=mock,content theoryctl local run Hello --mode mock && theoryctl runs replay last""",
)
def replay(
    ctx: typer.Context,
    run: Run = "last",
    runtime: ReplayRuntime = None,
    env_file: EnvFile = None,
    manifests: ManifestsOption = None,
) -> None:
    """Ask again what a run asked.

    It needs the inputs, which THEORYCTL_LEDGER=content keeps. A mock gives the same bytes. A real run costs money
    again; standard error says its price first.
    """
    from theoryctl.actions.runs.replay import ReplayOptions, replay

    options = ReplayOptions(name=run, runtime=runtime, env_file=env_file, manifests=manifests)
    ctx.obj.emit(replay(options, ctx.obj.watch_run(stream=False, raw=False)))


@command(
    app,
    "diff",
    examples="""\
THEORYCTL_LEDGER=mock theoryctl local run Hello && theoryctl runs diff last last""",
)
def diff(ctx: typer.Context, first: First, second: Second) -> None:
    """Compare two runs.

    It shows the columns that differ, and the lines of inputs and outputs if the ledger has them.
    """
    from theoryctl.actions.runs.diff import diff

    ctx.obj.emit(diff(first, second, ctx.obj.note))


@command(app, "report", examples="theoryctl runs report --html runs.html")
@with_flags(FilterFlags)
def report(
    ctx: typer.Context,
    html: Html,
    flags: FilterFlags,
) -> None:
    """Write a page with plots of cost, latency and failures.

    It is one file that asks the network for nothing, for light and dark screens, wide and narrow ones.
    """
    from theoryctl.actions.runs.ledger import write_report

    ctx.obj.emit(write_report(flags.chosen(), html, ctx.obj.note))


@command(app, "prune", examples="theoryctl runs prune\ntheoryctl runs prune --older-than 30d")
def prune(ctx: typer.Context, older_than: OlderThan = None, all_: All = False) -> None:
    """Forget old runs.

    The ledger forgets by itself what is older than 90 days, and the oldest runs where its file has more than 200 MiB.
    """
    from theoryctl.actions.runs.ledger import prune
    from theoryctl.units import parse_duration

    seconds = parse_duration(older_than, "--older-than") if older_than is not None else None
    ctx.obj.emit(prune(seconds, all_, ctx.obj.note))


@command(app, "path", examples='sqlite3 "$(theoryctl runs path)" "select * from costs"')
def path(ctx: typer.Context) -> None:
    """Print the path of the ledger, an SQLite file."""
    from theoryctl.actions.runs.ledger import ledger_path

    ctx.obj.emit(ledger_path(ctx.obj.note))
