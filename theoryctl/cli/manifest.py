"""`theoryctl manifest`: the manifests that say what refs mean."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import ManifestsOption, command, make_app
from theoryctl.cli.options import Env

app = make_app("manifest", "Show, check and create manifests.")

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="The provider: namespace/name@version.")]
ToOption = Annotated[str, typer.Option("--to", metavar="DIR", help="The manifests folder to copy it to.")]
NewToOption = Annotated[
    str, typer.Option("--to", metavar="DIR", help="The manifests folder; the project is put beside it.")
]
Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the inputs instead.")]
InputName = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="NAME", help="Print the JSON Schema of this input alone. Repeatable."),
]
TestEnvFile = Annotated[
    str | None,
    typer.Option("--env-file", metavar="PATH", help="Ask real mode too, with the keys in this file."),
]
Runtimes = Annotated[
    str | None,
    typer.Option("--runtimes", metavar="NAMES", help="Compare the outputs of these runtimes instead."),
]
TestInputs = Annotated[
    list[str] | None,
    typer.Option("--inputs-file", metavar="PATH", help="With --runtimes: ask these inputs too. Repeatable."),
]
ReportOption = Annotated[
    str | None,
    typer.Option("--report", metavar="PATH", help="With --runtimes: write a report, JSON or Markdown (.md)."),
]
FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE|REF]...", help="Manifest files, or refs. [default: all that are found]"),
]


@command(app, "list", examples="theoryctl manifest list\ntheoryctl manifest list --json")
def list_(ctx: typer.Context, manifests: ManifestsOption = None) -> None:
    """List every ref that can be run from here."""
    from theoryctl.actions.manifests import list_manifests

    ctx.obj.emit(list_manifests(manifests))


@command(
    app,
    "show",
    examples="""\
theoryctl manifest show llm/litellm@1
theoryctl manifest show llm/litellm@1 --schema
theoryctl manifest show llm/litellm@1 --input tools
theoryctl manifest show llm/litellm@1 --json""",
)
def show(
    ctx: typer.Context,
    ref: RefArgument,
    schema: Schema = False,
    input_: InputName = None,
    manifests: ManifestsOption = None,
) -> None:
    """Show a manifest: its models, keys, inputs and image.

    Of each key it says whether it is set in this environment, and never its value. With --json it prints all of the
    manifest; with --schema the JSON Schema of its inputs alone, and with --input that of one of them.
    """
    from theoryctl.actions.manifests import inputs_schema, show_manifest
    from theoryctl.refs import ProviderRef

    parsed = ProviderRef.parse(ref)
    if schema or input_:
        ctx.obj.emit(inputs_schema(parsed, manifests, input_ or ()))
    else:
        ctx.obj.emit(show_manifest(parsed, manifests))


@command(
    app,
    "validate",
    examples="""\
theoryctl manifest validate
theoryctl manifest validate llm/litellm@1
theoryctl manifest validate manifests/llm/litellm@1.yaml""",
)
def validate(ctx: typer.Context, files: FilesArgument = None, manifests: ManifestsOption = None) -> None:
    """Check manifests, and report every problem in them.

    Each problem is reported with its line and column.
    """
    from theoryctl.actions.manifests import validate_manifests

    ctx.obj.emit(validate_manifests(tuple(files or ()), manifests))


@command(app, "export", examples="theoryctl manifest export llm/litellm@1 --to ./mine")
def export(
    ctx: typer.Context, ref: RefArgument, to: ToOption = "./manifests", manifests: ManifestsOption = None
) -> None:
    """Copy a manifest to a folder of yours, to change it.

    For example, to pin its image.
    """
    from theoryctl.actions.manifests import export_manifest
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(export_manifest(ProviderRef.parse(ref), manifests, to))


@command(
    app,
    "new",
    examples="theoryctl manifest new acme/echo@1 && theoryctl local run --ref acme/echo@1 --mode mock",
    guesses=False,
)
def new(ctx: typer.Context, ref: RefArgument, to: NewToOption = "./manifests") -> None:
    """Create a provider of your own.

    It consists of a manifest, a class in a Python project, and a test. It runs in mock mode at once; real mode is yours
    to write.
    """
    from theoryctl.actions import new_provider
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(new_provider.new_provider(ProviderRef.parse(ref), to))


@command(
    app,
    "test",
    examples="""\
theoryctl manifest test llm/mock@1
theoryctl manifest test llm/mock@1 --json
theoryctl manifest test llm/mock@1 --runtimes embedded,process""",
)
def test(
    ctx: typer.Context,
    ref: RefArgument,
    env_file: TestEnvFile = None,
    runtimes: Runtimes = None,
    inputs_file: TestInputs = None,
    report: ReportOption = None,
    env: Env = None,
    manifests: ManifestsOption = None,
) -> None:
    """Check a provider against the rules for providers.

    It is asked the manifest's example: in mock mode, in two other processes too, and with --env-file in real mode. The
    exit status is 1 if a check fails.

    With --runtimes it is asked the same in each of these: embedded, process, docker, modal. Asked are the example,
    samples of the schema of its inputs, and --inputs-file, all in mock mode; on Modal, of the app that is deployed in
    --env. If outputs differ, the first difference is named and the exit status is 6.
    """
    if runtimes is not None:
        from theoryctl.actions.sameness import compare_runtimes
        from theoryctl.refs import ProviderRef

        _together(env_file, "--env-file", "leave it out: runtimes are compared in mock mode")
        parsed = ProviderRef.parse(ref)
        files = tuple(inputs_file or ())
        ctx.obj.emit(compare_runtimes(parsed, manifests, runtimes, files, report, env, ctx.obj.progress))
        return
    _together(inputs_file, "--inputs-file", "add --runtimes embedded,process")
    _together(report, "--report", "add --runtimes embedded,process")
    _together(env, "--env", "add --runtimes embedded,modal")
    from theoryctl.actions.conformance import check_conformance
    from theoryctl.refs import ProviderRef

    ctx.obj.emit(check_conformance(ProviderRef.parse(ref), manifests, env_file))


def _together(value: object, flag: str, hint: str) -> None:
    """Raise UsageError for a flag that has a value, and no place here."""
    from theoryctl.errors import UsageError

    if value:
        raise UsageError(f"{flag} has no effect here", hint=hint)


@command(app, "schema", examples="theoryctl manifest schema > manifest.schema.json")
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of manifests, for editors."""
    from theoryctl.actions.manifests import manifest_json_schema

    ctx.obj.emit(manifest_json_schema())
