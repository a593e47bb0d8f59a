"""Parts that all commands share: `--json`, `--debug`, `-h`, and examples under their help."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from theoryctl_providers.contract import ProviderError

JSON_FLAG, DEBUG_FLAG = "--json", "--debug"

RefOption = Annotated[str, typer.Option("--ref", metavar="REF", help="The provider: namespace/name@version.")]
ManifestsOption = Annotated[
    str | None,
    typer.Option(
        "--manifests", metavar="DIR", help="Search this folder for manifests first. [env: THEORYCTL_MANIFESTS]"
    ),
]

BaseImageOption = Annotated[
    str | None,
    typer.Option(
        "--base-image",
        metavar="IMAGE",
        help="Build on this image. [env: THEORYCTL_BASE_IMAGE; default: python:3.12-slim]",
    ),
]


class ExamplesMixin:
    """Prints the epilog as it stands, as examples: one command a line."""

    epilog: str | None

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                for line in self.epilog.splitlines():
                    formatter.write(f"  {line}\n")


class Command(ExamplesMixin, TyperCommand):
    """A command with the options that every command has."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **options: Any) -> None:
        super().__init__(*args, params=[*(params or []), *_shared_flags()], **options)
        for parameter in self.params:
            parameter._custom_shell_complete = _offered

    def invoke(self, ctx: Any) -> Any:
        """Run the command, once all of the command line is parsed.

        The hint of an error that it raises is spelled with what was typed.
        """
        settle(ctx)
        try:
            return super().invoke(ctx)
        except ProviderError as error:
            from theoryctl.cli.hints import spelled

            error.hint = spelled(error.hint, ctx)
            raise


class Group(ExamplesMixin, TyperGroup):
    """A group of commands. It takes the options that every command has as well, and its help leaves them to those."""

    def __init__(self, *, params: list[Any] | None = None, **options: Any) -> None:
        super().__init__(params=[*(params or []), *_shared_flags(hidden=True)], **options)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. None at all, not even --json, ask for the help."""
        return super().parse_args(ctx, args or ([] if JSON_FLAG in ctx.meta else ["--help"]))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names. The error of an unknown one has the words of the command that
        was meant, as `meant`."""
        try:
            return super().resolve_command(ctx, args)
        except typer.TyperException as error:
            from theoryctl.cli.misspelt import meant

            path = meant(args[0], self, ctx)
            error.meant = [*path, *args[1:], *ctx.meta] if path else None  # type: ignore[attr-defined]
            raise


def _offered(context: Any, parameter: Any, incomplete: str) -> Any:
    """Offer values to a shell that completes a line; loaded only then."""
    from theoryctl.cli.completion import offered

    return offered(context, parameter, incomplete)


def settle(ctx: Any) -> None:
    """Tell the terminal which of the shared flags the command line has, as far as it is parsed."""
    ctx.obj.settle(**wanted(ctx.meta))


def wanted(flags: Container[str]) -> dict[str, bool]:
    """The settings of a terminal that flags ask for."""
    return {"json_output": JSON_FLAG in flags, "debug": DEBUG_FLAG in flags}


def _shared_flags(*, hidden: bool = False) -> list[TyperOption]:
    texts = {
        JSON_FLAG: "Print exactly one JSON object on standard output.",
        DEBUG_FLAG: "Show tracebacks and debug messages on standard error.",
    }
    fixed: dict[str, Any] = {"is_flag": True, "default": False, "expose_value": False, "hidden": hidden}
    # Eager: known to the callbacks of other options, such as --version.
    fixed |= {"is_eager": True, "callback": _noted}
    return [TyperOption(param_decls=[name], help=text, **fixed) for name, text in texts.items()]


def _noted(ctx: Any, param: Any, value: bool) -> None:
    """Note a flag in what the contexts of a command and of its groups share."""
    if value:
        ctx.meta[param.opts[0]] = value


def make_app(name: str, text: str) -> typer.Typer:
    """The Typer app of a command group."""
    return typer.Typer(
        name=name,
        cls=Group,
        help=text,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def command(app: typer.Typer, name: str, *, examples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command `name`; `examples` are shown under its help and run by a test."""
    settings = {"help_option_names": ["-h", "--help"]}
    return app.command(name, cls=Command, epilog=examples, context_settings=settings)
