"""Completion by bash, zsh and fish: the flags that show and install it, and corrections of Typer's part in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

from theoryctl.errors import OutputFailed, UsageError

#: The program's flags for it.
SHOW, INSTALL = "--show-completion", "--install-completion"

#: Shells that have one.
SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

#: As Typer's own, which knows nothing of what follows a word break: bash takes `:`, `=` and `@` for one, and replaces
#: only what stands behind the last of them, an `@` included. A line of the answer is a value, a tab, and its help.
_BASH = """
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##*[[:space:]]}"
    local before="${word%%"${word##*[$COMP_WORDBREAKS]}"}"
    before="${before%%@}"
    COMPREPLY=( $( env _TYPER_COMPLETE_ARGS="$line" _TYPER_COMPLETE_FISH_ACTION=get-args \\
                   %(autocomplete_var)s=complete_fish "$1" ) )
    COMPREPLY=( "${COMPREPLY[@]%%%%$'\\t'*}" )
    COMPREPLY=( "${COMPREPLY[@]#"$before"}" )
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""

#: As Typer's own, which is loaded by the first Tab, and completes from the second one on.
_ZSH = """
#compdef %(prog_name)s

%(complete_func)s() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" %(autocomplete_var)s=complete_zsh %(prog_name)s)
}

compdef %(complete_func)s %(prog_name)s
if [ "$funcstack[1]" = "_%(prog_name)s" ]; then %(complete_func)s "$@"; fi
"""


def prepare() -> None:
    """Correct Typer's completion (0.28): its scripts for bash and zsh, and its way with help.

    It takes help for rich's markup, which loads rich, more than all else costs, and swallows what stands in brackets.
    """
    from typer import _completion_classes as classes
    from typer import _completion_shared as shared

    classes._sanitize_help_text = lambda text: text
    classes.BashComplete.source_template = shared._completion_scripts["bash"] = _BASH
    classes.ZshComplete.source_template = shared._completion_scripts["zsh"] = _ZSH


def flag_of(arguments: Sequence[str]) -> int | None:
    """Return the place of the flag that shows or installs completion among the program's own flags; None for none."""
    own = takewhile(lambda word: word.startswith("-"), arguments)
    forms = {SHOW, INSTALL} | {f"{flag}={shell}" for flag in (SHOW, INSTALL) for shell in SHELLS}
    return next((at for at, word in enumerate(own) if word in forms), None)


def of_shell(command: Any, arguments: Sequence[str], at: int) -> None:
    """Show or install the completion of the shell that is named after the flag at `at`, as `--show-completion zsh`, or
    else of the shell that this runs in, and exit.

    Typer's flags leave a name unread. Raises UsageError for a shell that has no completion, and OutputFailed where it
    cannot be installed.
    """
    from typer.completion import install_callback, show_callback

    flag, _, shell = arguments[at].partition("=")
    shell = shell or next((word for word in arguments[at + 1 : at + 2] if not word.startswith("-")), "")
    if shell and shell not in SHELLS:
        raise UsageError(
            f"expected {', '.join(SHELLS[:-1])} or {SHELLS[-1]}, got {shell!r}", hint=f"theoryctl {flag} bash"
        )
    with command.make_context("theoryctl", [], resilient_parsing=True) as context:
        context.resilient_parsing = False
        act = show_callback if flag == SHOW else _installed(install_callback)
        act(context, next(param for param in command.params if flag in param.opts), shell or True)


def _installed(install: Callable[..., Any]) -> Callable[..., Any]:
    """Typer's function that installs, with its failures in words: PowerShell itself tells where its profile is."""
    from subprocess import CalledProcessError

    def act(context: Any, param: Any, shell: Any) -> None:
        try:
            install(context, param, shell)
        except (OSError, CalledProcessError) as error:
            name = "" if shell is True else f" {shell}"
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            message = f"completion of{name or ' this shell'} cannot be installed: {reason}"
            raise OutputFailed(message, hint=f"theoryctl {SHOW}{name}") from error

    return act
