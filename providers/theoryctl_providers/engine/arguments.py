"""Hints for callers from Python: in terms of the arguments of `run`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from theoryctl_providers.contract import ProviderError, Remedy

_Params = ParamSpec("_Params")
_Value = TypeVar("_Value")

_ARGUMENTS: dict[str, str] = {
    Remedy.MORE_TIME: "pass a larger timeout",
    Remedy.MOCK_MODE: "pass mode='mock', or the name of another provider",
    Remedy.SCHEMA: 'pass inputs such as {"messages": [{"role": "user", "content": "Hi"}]}',
    Remedy.EITHER_MODE: "pass mode='mock' or mode='real'",
    Remedy.RECORD: "record this request too, with mode='real' and record, or pass inputs that were recorded",
    Remedy.TRACEBACK: "read the traceback among the events of stream",
}


def hints_in_arguments(function: Callable[_Params, _Value]) -> Callable[_Params, _Value]:
    """Let a function that Python calls say in its errors' hints which of its arguments to change."""

    @wraps(function)
    def told(*args: _Params.args, **kwargs: _Params.kwargs) -> _Value:
        try:
            return function(*args, **kwargs)
        except ProviderError as error:
            error.hint = _in_arguments(error)
            raise

    return told


def _in_arguments(error: ProviderError) -> str | None:
    if error.code == "ERR_MISSING_SECRET" and error.hint:
        return f"{error.hint}, in the environment or in secrets"
    return _ARGUMENTS.get(error.hint or "", error.hint)
