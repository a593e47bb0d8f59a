"""Parts that all commands share: `--json`, `--debug`, `-h`, and examples under their help."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from theoryctl.cli.shared_flags import JSON_FLAG, SHARED, settle, shared_flags
from theoryctl.errors import UsageError
from theoryctl_providers.contract import ProviderError

#: Characters of a short option with its dash.
_SHORT = 2

#: Characters of a command's text in the list of its group: more than any has.
_WHOLE = 1000

#: In a command that needs a ref, and takes the default one where none is typed.
RefOption = Annotated[
    str,
    typer.Option(
        "--ref",
        "-r",
        metavar="REF",
        help="The provider: namespace/name@version. [env: THEORYCTL_REF; default: the started one, or llm/litellm@1]",
    ),
]
#: In a command that never takes a ref which nobody named.
NamedRef = Annotated[
    str,
    typer.Option(
        "--ref", "-r", metavar="REF", help="The provider: namespace/name@version. [env: THEORYCTL_REF; required]"
    ),
]
ManifestsOption = Annotated[
    str | None,
    typer.Option(
        "--manifests", metavar="DIR", help="Search this folder for manifests first. [env: THEORYCTL_MANIFESTS]"
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


class PlacedErrorsMixin:
    """Tells the errors of Typer's parser which command they are of; it leaves that out of some."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Raises what Typer does, with its context, and BadParameter for the long name of an
        option after one dash, which Typer takes for short ones: `-mode mock` would ask the model `ode`."""
        try:
            _refuse_one_dash(args, ctx)
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except typer.TyperException as error:
            error.ctx = getattr(error, "ctx", None) or ctx  # type: ignore[attr-defined]
            raise
        return rest


def _refuse_one_dash(args: Sequence[str], ctx: Any) -> None:
    """Raise BadParameter for `-mode` and the like; one after an option that takes a value is that value."""
    is_group = hasattr(ctx.command, "list_commands")
    params = ctx.command.get_params(ctx)
    known = {name for param in params for name in param.opts}
    valued = {name for param in params if not getattr(param, "is_flag", False) for name in param.opts}
    for before, word in zip(("", *args), args, strict=False):
        name = word.partition("=")[0]
        if word == "--" or (is_group and not word.startswith("-")):
            return
        if len(name) > _SHORT and f"-{name}" in known and before not in valued:
            error = typer.BadParameter(f"expected -{name}, got {name}", ctx=ctx)
            error.option_name = name  # type: ignore[attr-defined]
            raise error


class Command(PlacedErrorsMixin, ExamplesMixin, TyperCommand):
    """A command with the options that every command has.

    One that has a `ref` takes it as an option and as a word alike. Where the ref is needed and was not typed, it is the
    default one; `guesses` tells whether that may be one which nobody named.
    """

    guesses = True

    def __init__(self, *args: Any, params: list[Any] | None = None, **options: Any) -> None:
        own = list(params or [])
        ref = next((param for param in own if param.name == "ref"), None)
        self.needs_ref = ref is not None and ref.required
        if ref is not None:
            ref.required = False
            own += _other_form(ref, own)
        super().__init__(*args, params=[*own, *shared_flags()], **options)
        for parameter in self.params:
            parameter._custom_shell_complete = _offered

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. The ref counts as its option, wherever it was typed."""
        takes_more, ctx.allow_extra_args = ctx.allow_extra_args, True  # Typer would refuse them in its own words
        has_key = not ctx.resilient_parsing and _may_have_key(args)
        rest = super().parse_args(ctx, args)
        if rest and not takes_more and not ctx.resilient_parsing:
            from theoryctl.cli.places import more_words

            raise more_words(rest, ctx)
        if has_key:
            from theoryctl.cli.places import refuse_keys

            refuse_keys(ctx)
        for param in self.params:
            if (value := ctx.params.get(param.name)) != value:  # NaN is in every range, and no limit of anything
                raise typer.BadParameter(f"{value} is no number", ctx=ctx, param=param)
        if (other := ctx.params.pop(_OTHER, None)) is not None:
            _take_as_ref(other, ctx)
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Name the words of the command; Typer has those that are required in braces, which mean a choice elsewhere."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def invoke(self, ctx: Any) -> Any:
        """Run the command, once all of the command line is parsed.

        The hint of an error that it raises is spelled with what was typed.
        """
        from theoryctl.settings import Settings

        settle(ctx)
        if unused := Settings().unused:
            ctx.obj.note(unused)
        try:
            if self.needs_ref and ctx.params["ref"] is None:
                self.take_default(ctx)
            return super().invoke(ctx)
        except ProviderError as error:
            from theoryctl.cli.hints import as_model, spelled
            from theoryctl.cli.options import STANDARD_INPUT

            error.hint = spelled(as_model(error, ctx) or error.hint, ctx)
            if given := ctx.meta.get(STANDARD_INPUT):
                given.drain()
            raise

    def take_default(self, ctx: Any) -> str:
        """Take the default ref as the one that was typed, say so, and return it. Raises UsageError for none."""
        from theoryctl.actions.default_ref import default_ref

        found = default_ref(guess=self.guesses, catalog=_catalog(ctx.params))
        if found is None:
            raise UsageError("expected a ref, got none", hint="name it with --ref, or set THEORYCTL_REF")
        ctx.params["ref"] = found.ref
        ctx.obj.note(f"ref {found.ref}, {found.reason}")
        return found.ref


class Group(PlacedErrorsMixin, ExamplesMixin, TyperGroup):
    """A group of commands. It takes the options that every command has as well, and its help leaves them to those."""

    #: The commands as they were registered. Each is made when it is asked for: Typer reads the parameters of every
    #: command of a group at once, which is a twentieth of the time that `local run` takes.
    registered: Mapping[str, Any] = {}

    def __init__(self, *, params: list[Any] | None = None, **options: Any) -> None:
        super().__init__(params=[*(params or []), *shared_flags(hidden=True)], **options)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name; None where there is none."""
        if cmd_name in self.registered and self.commands[cmd_name] is None:
            info = self.registered[cmd_name]
            info = info.load() if isinstance(info, _Elsewhere) else info
            made = typer.main.get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
            self.commands[cmd_name] = made
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. None at all, not even --json, ask for the help."""
        return super().parse_args(ctx, args or ([] if JSON_FLAG in ctx.meta else ["--help"]))

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named. Raises BadParameter where none was."""
        if not ctx._protected_args:
            raise typer.BadParameter("expected a command, got none", ctx=ctx)
        return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of the commands. Their texts are wrapped; Typer cuts them to one line."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(_WHOLE)) for name, each in found if not each.hidden])

    def named(self, ctx: Any, words: Sequence[str]) -> tuple[Any, int]:
        """Find the command that words begin with, and the number of words in its name: two, as in `batch collect`, or
        one. It is None where there is none."""
        two = " ".join(words[:2])
        return (self.get_command(ctx, two), 2) if two in self.registered else (self.get_command(ctx, words[0]), 1)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first arguments name. The error of an unknown one has the words of the command that
        was meant, as `meant`, or as `hint` the command of Modal's own program."""
        found, words = self.named(ctx, args)
        if words > 1:
            return found.name, found, args[words:]
        try:
            return super().resolve_command(ctx, list(args))  # of an option after `--` it parses them, and takes it out
        except typer.TyperException as error:
            if getattr(error, "option_name", None) is None:
                self._tell_meant(error, ctx, args)
            raise

    def _tell_meant(self, error: Any, ctx: Any, args: list[str]) -> None:
        from theoryctl.cli.misspelt import meant, of_modal, of_restart
        from theoryctl.cli.secret_words import name_alone

        named = repr(name_alone(args[0]) if "=" in args[0] else args[0])  # the value may be a secret's
        error.message = f"{ctx.command_path} has no command {named}"  # Typer's own guess may be another than ours
        if elsewhere := of_modal([word for word in args if word not in SHARED], ctx):
            error.message += ", but Modal's own program has"
            error.hint = elsewhere
        elif both := of_restart(args, ctx):
            error.hint = both
        elif right := meant(args, self, ctx):
            error.meant = [*right, *ctx.meta]


def _take_as_ref(other: str, ctx: Any) -> None:
    """Take the ref that was typed in the form which the command does not declare. Raises BadParameter for a second."""
    if ctx.params["ref"] is not None:
        raise typer.BadParameter("the ref is given twice", ctx=ctx, param_hint="--ref")
    ctx.params["ref"] = other
    typed, unset = ctx.get_parameter_source(_OTHER), ctx.get_parameter_source("ref")
    ctx.set_parameter_source("ref", typed)
    ctx.set_parameter_source(_OTHER, unset)


def _catalog(params: Mapping[str, Any]) -> Any:
    """The manifests that a command can see; None for one that needs none."""
    if "manifests" not in params:
        return None
    from theoryctl.manifests.catalog import Catalog

    return Catalog(params["manifests"])


def _offered(context: Any, parameter: Any, incomplete: str) -> Any:
    """Offer values to a shell that completes a line; loaded only then."""
    from theoryctl.cli.candidates import offered

    return offered(context, parameter, incomplete)


#: Beginnings of keys, as vendors make them (`secret_words`): the patterns are compiled for these alone.
_BEGINNINGS = ("sk", "pk", "r8", "gsk", "xai", "key-", "ak-", "as-")


def _may_have_key(words: Sequence[str]) -> bool:
    """Return whether a word, or the value of a flag, may be a key."""
    held = set(os.environ.values())
    pieces = (piece for word in words for piece in (word, word[2:], word.rpartition("=")[2], word.rpartition("/")[2]))
    return any(piece.startswith(_BEGINNINGS) or piece in held for piece in pieces)


#: The parameter that takes a ref in the form which a command does not declare.
_OTHER = "other_ref"


def _other_form(ref: Any, params: list[Any]) -> list[Any]:
    """The option of a ref that is a word, or the word for one that is an option, unless other words are taken."""
    if ref.param_type_name == "argument":
        return [TyperOption(param_decls=[_OTHER, "--ref", "-r"], metavar="REF", help="The ref, as an option.")]
    if any(param.param_type_name == "argument" for param in params):
        return []
    return [TyperArgument(param_decls=[_OTHER], metavar="[REF]", hidden=True)]


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


def group_of(app: typer.Typer) -> Group:
    """The group of an app that `make_app` made."""
    empty = copy(app)
    empty.registered_commands = []
    group = typer.main.get_group(empty)
    assert isinstance(group, Group)
    group.registered = {info.name: info for info in app.registered_commands if info.name}
    group.commands = {**dict.fromkeys(group.registered), **group.commands}  # type: ignore[dict-item]
    return group


def command(
    app: typer.Typer, name: str, *, examples: str, guesses: bool = True, more_words: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command `name`; `examples` are shown under its help and run by a test.

    `guesses` as in `Command`. With `more_words` the command itself refuses words that nobody expects, `ctx.args`.
    """
    cls = Command if guesses else _NamedOnly
    settings = {"help_option_names": ["-h", "--help"], "allow_extra_args": more_words}
    return app.command(name, cls=cls, epilog=examples, context_settings=settings)


class _Elsewhere(NamedTuple):
    """A command of a group that another module of `theoryctl.cli` declares, in the app there."""

    name: str
    module: str

    def load(self) -> Any:
        """Import the module, and return the command as it is registered there."""
        declared = import_module(f"theoryctl.cli.{self.module}").app.registered_commands
        return next(info for info in declared if info.name == self.name)


def elsewhere(app: typer.Typer, name: str, module: str) -> None:
    """Register the command `name`, which a module of `theoryctl.cli` declares, imported when the command is used."""
    app.registered_commands.append(_Elsewhere(name, module))  # type: ignore[arg-type]  # `group_of` alone reads it


class _NamedOnly(Command):
    """A command that changes what is elsewhere, and so only what somebody named."""

    guesses = False
