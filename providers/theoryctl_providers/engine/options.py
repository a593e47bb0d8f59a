"""The options of a call from Python: their types, their defaults, and their meaning for `help()`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature, cleandoc, signature
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from theoryctl_providers.contract import Attachment, Mode

if TYPE_CHECKING:
    from theoryctl_providers.contract import Script

_Call = TypeVar("_Call", bound=Callable[..., Any])


class Options(TypedDict, total=False):
    """Arguments of a call beside its inputs; every one may be left out. `help(run)` says what each means."""

    provider: str
    mode: Mode | None
    attachments: Sequence[Attachment]
    secrets: Mapping[str, str] | None
    timeout: float | None
    script: Script | None
    record: str | os.PathLike[str] | None
    replay: str | os.PathLike[str] | None


#: The defaults of those whose default is not None.
DEFAULTS: Mapping[str, Any] = {"provider": "mock", "attachments": ()}

_MEANINGS = """\
Options:
    provider: a built-in name ("litellm", "mock"), the name of an entry point, or "package.module:Class".
        Default: "mock".
    mode: "mock" or "real". Default: inputs["mode"], else the variable THEORYCTL_MODE of the environment, with a
        RuntimeWarning where that says "real", else "mock".
    attachments: a list of Attachment, which {"$attach": name} in the inputs refers to. Default: none.
    secrets: keys by the names of their variables, for this call alone. Default: in real mode, those of the
        provider's variables in the environment.
    timeout: seconds to wait, in real mode. Default: no limit but the provider's own.
    script: a Script that answers in mock mode; used for several calls, it goes on where it was. Default: none.
    record: a folder to write the exchange to, in real mode; mock mode refuses it without replay. Default: none.
    replay: a folder of recordings that answer in mock mode; with record, they answer in real mode too, and the
        vendor is asked for the rest alone. Default: none."""


def with_options(call: _Call) -> _Call:
    """Let `help()` list the options of a call, in its signature and below its docstring."""
    inputs = next(iter(signature(call).parameters.values()))
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=DEFAULTS.get(name), annotation=kind.__forward_arg__)
        for name, kind in Options.__annotations__.items()
    ]
    returned = signature(call).return_annotation
    call.__signature__ = Signature([inputs, *options], return_annotation=returned)  # type: ignore[attr-defined]
    call.__doc__ = f"{cleandoc(call.__doc__ or '')}\n\n{_MEANINGS}"
    return call


def unknown(name: str) -> TypeError:
    """The error of an option that no call has, with the one that was meant."""
    from difflib import get_close_matches

    near = "".join(f", did you mean {each!r}?" for each in get_close_matches(name, Options.__annotations__, n=1))
    return TypeError(f"expected options among {', '.join(Options.__annotations__)}, got {name!r:.100}{near}")


#: The hint on an argument that is wrong in itself.
HELP = "help(theoryctl_providers.run) says what each option takes"
