"""Arguments to a command and back to an error: the seam between Typer and `main`.

Typer's own runner swallows Ctrl-C, prints usage errors as text only and turns a broken pipe into status 1, so the
context is made and invoked here, and every failure is left to `main`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from theoryctl.cli.command import DEBUG_FLAG, JSON_FLAG
from theoryctl.errors import UsageError, error_document, error_info
from theoryctl.runtimes.find import EMBEDDED, MODAL, STARTED
from theoryctl_providers.contract import ProviderError, build_envelope

if TYPE_CHECKING:
    from theoryctl.terminal.terminal import Terminal

PROGRAM = "theoryctl"
_COMPLETION = "_THEORYCTL_COMPLETE"


def wanted(flag: str, arguments: Sequence[str]) -> bool:
    """Whether a flag stands among the arguments before any `--`; known without parsing them, for they may not parse."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return flag in before


def execute(arguments: list[str], terminal: Terminal) -> int:
    """Run the command and return its exit status. Raises ProviderError, KeyboardInterrupt, ReaderGone."""
    from theoryctl.cli.app import app

    command = typer.main.get_command(app)
    try:
        if _COMPLETION in os.environ:
            command.main(args=arguments, prog_name=PROGRAM)  # exits
        with command.make_context(PROGRAM, list(arguments), obj=terminal) as context:
            command.invoke(context)
    except typer.Exit as done:
        return int(done.exit_code)
    except SystemExit as done:  # of completion
        return int(done.code or 0)
    except typer.TyperException as error:
        raise _usage_error(error) from error
    return terminal.exit_status


def _usage_error(error: Any) -> ProviderError:
    """Typer's complaint in our form: the message, and the help to type for."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = error.format_message().strip()
    near = getattr(error, "possibilities", None)
    if near:
        return UsageError(f"No such option: {error.option_name}", hint=f"did you mean {near[0]}?")
    return UsageError(message, hint=f"{path} --help")


def failure_document(error: ProviderError, arguments: Sequence[str]) -> dict[str, Any]:
    """What `--json` prints for an error that no command reported: an envelope where a run was meant."""
    words = [argument for argument in arguments if argument not in (JSON_FLAG, DEBUG_FLAG)]
    if words[1:2] != ["run"]:
        return error_document(error)
    runtime = MODAL if words[0] == MODAL else _argument_of("--runtime", arguments)
    known = runtime if runtime in (*STARTED, MODAL) else EMBEDDED
    return dict(build_envelope(error=error_info(error), ref=_argument_of("--ref", arguments), runtime=known))


def _argument_of(flag: str, arguments: Sequence[str]) -> str | None:
    for index, argument in enumerate(arguments):
        if argument == flag:
            return next(iter(arguments[index + 1 : index + 2]), None)
        if argument.startswith(f"{flag}="):
            return argument.removeprefix(f"{flag}=")
    return None
