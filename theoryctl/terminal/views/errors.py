"""Views of the results of `theoryctl explain`."""

from __future__ import annotations

from theoryctl.results.errors import ErrorCodes, Explanation
from theoryctl.terminal.view import Facts, Table, Views


def _explanation(result: Explanation) -> Facts:
    again = "may help" if result.retryable else "does not help"
    facts = [
        ("code", result.code),
        ("meaning", result.meaning),
        ("cause", result.cause),
        ("cure", result.cure),
        ("exit", str(result.error_status)),
        ("HTTP", str(result.http_status)),
        ("again", f"trying again {again}"),
    ]
    return Facts(facts)


def _codes(result: ErrorCodes) -> Table:
    rows = [(code, str(status), meaning) for code, status, meaning in result.codes]
    return Table(("code", "exit", "meaning"), rows, "", folds=True)


VIEWS: Views = {Explanation: _explanation, ErrorCodes: _codes}
