"""The registry of views.

The results of `theoryctl/results/<noun>.py` have their views in `terminal/views/<noun>.py`, which is loaded when one of
them is shown: a run does not pay for the results of other commands.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from theoryctl.results.result import Result
    from theoryctl.terminal.view import View, Views


def view_of(result: Result) -> View:
    """Make the view of a result. Raises KeyError for a type that has no entry in the `VIEWS` of its noun."""
    noun = type(result).__module__.rpartition(".")[2]
    views: Views = import_module(f"theoryctl.terminal.views.{noun}").VIEWS
    return views[type(result)](result)
