"""The end of the log of a server that did not start, as an error may show it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from theoryctl_providers.contract import ServerConfig
from theoryctl_providers.contract.error_redactor import ErrorRedactor, hidden_parts
from theoryctl_providers.contract.json_text import cut

#: Lines of it that are shown, and characters of each.
_LINES, _LONGEST = 10, 1_000


def last_words(log: Iterable[str], told: ServerConfig) -> str:
    """Return the last lines of a log, to stand behind an error, without any secret that the server was told.

    A server may print whatever it reads, also what it read on standard input.
    """
    lines = [cut(line.rstrip("\n"), _LONGEST) for line in deque(log, _LINES)]
    if not lines:
        return "; its log is empty"
    secrets = {**told.provider.hidden, **told.provider.secrets, "TOKEN": told.token}
    clean = ErrorRedactor(hidden_parts(secrets)).text("\n".join(lines))
    return ":\n  " + clean.replace("\n", "\n  ")
