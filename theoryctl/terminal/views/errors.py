"""View of the result of `theoryctl explain`."""

from __future__ import annotations

from theoryctl.results.errors import Explanation
from theoryctl.terminal.view import Facts, Views


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


VIEWS: Views = {Explanation: _explanation}
