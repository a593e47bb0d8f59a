"""Arguments to a command and back to an error: the seam between Typer and `main`.

Typer's own runner swallows Ctrl-C, prints usage errors as text only and turns a broken pipe into status 1, so the
context is made and invoked here, and every failure is left to `main`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from theoryctl.cli.shared_flags import wanted
from theoryctl.errors import UsageError, error_document
from theoryctl.hints import PROGRAM
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.terminal.terminal import Terminal

_COMPLETION = "_THEORYCTL_COMPLETE"


def execute(arguments: list[str], terminal: Terminal) -> int:
    """Run the command and return its exit status. Raises ProviderError, KeyboardInterrupt, ReaderGone."""
    from theoryctl.cli.app import app

    command = typer.main.get_command(app)
    completes = _COMPLETION in os.environ
    asks_for_it = any(word.partition("=")[0].endswith("-completion") for word in arguments)
    try:
        if completes or asks_for_it:
            from theoryctl.cli import completion

            completion.prepare()
            if not completes and (at := completion.flag_of(arguments)) is not None:
                completion.of_shell(command, arguments, at)  # exits
        if completes:
            command.main(args=arguments, prog_name=PROGRAM)  # exits
        with command.make_context(PROGRAM, list(arguments), obj=terminal) as context:
            command.invoke(context)
    except typer.Exit as done:
        return int(done.exit_code)
    except SystemExit as done:  # of completion
        return int(done.code or 0)
    except typer.TyperException as error:
        from theoryctl.cli.arguments import read

        terminal.settle(**wanted(read(arguments).options))
        raise _usage_error(error, arguments) from error
    return terminal.exit_status


def _usage_error(error: Any, arguments: Sequence[str]) -> ProviderError:
    """Typer's complaint in our form: the message, and the same command without the slip, else the help to type for."""
    from theoryctl.cli.missing_option import completed
    from theoryctl.cli.refused import message_of
    from theoryctl.cli.unknown_option import Slip, slip_of

    context, option = getattr(error, "ctx", None), getattr(error, "option_name", None)
    if context is not None and option:
        slip = slip_of(arguments, option, context)
    else:
        meant = getattr(error, "meant", None) or completed(arguments, error)
        slip = Slip(message_of(error, arguments), meant, getattr(error, "hint", None))
    path = context.command_path if context is not None else PROGRAM
    return UsageError(
        slip.message, hint=_pasteable(slip.corrected, slip.standard_input) or slip.hint or f"{path} --help"
    )


def _pasteable(words: Sequence[str] | None, standard_input: str | None = None) -> str | None:
    """The words as one command, with a file as its standard input, if there are any and they can be shown."""
    import shlex

    from theoryctl.cli.hints import fit

    text = shlex.join([PROGRAM, *words]) if words else ""
    if standard_input is not None:
        text += f" < {shlex.quote(standard_input)}"
    return text if text and fit(text) else None


def failure_document(error: ProviderError, arguments: Sequence[str]) -> dict[str, Any]:
    """The document that `--json` prints for an error that no command reported: an envelope where a run was meant."""
    # Of what it loads, the help needs nothing.
    from theoryctl.cli.arguments import read
    from theoryctl.cli.secret_words import covered
    from theoryctl.runtimes.find import EMBEDDED, MODAL, STARTED
    from theoryctl_providers.contract import build_envelope, info_of

    given = read(arguments)
    if given.command[1:2] != ("run",):
        return error_document(error)
    runtime = MODAL if given.command[0] == MODAL else given.options.get("--runtime")
    known = runtime if runtime in (*STARTED, MODAL) else EMBEDDED
    ref = given.options.get("--ref")
    return dict(build_envelope(error=info_of(error), ref=ref and covered(ref, arguments), runtime=known))
