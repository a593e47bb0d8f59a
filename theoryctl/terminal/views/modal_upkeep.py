"""Views of the results of `theoryctl modal prune` and `theoryctl modal secrets`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from theoryctl.results.modal_upkeep import Pruned, SecretsListed
from theoryctl.terminal.format import time_words
from theoryctl.terminal.view import Lines, Table, Views

if TYPE_CHECKING:
    from theoryctl.modal.leftovers import Leftover
    from theoryctl.modal.secret_list import AppSecret

HEADER = ("secret", "app", "deployed", "for", "synced keys", "last used")


def _secrets(result: SecretsListed) -> Table:
    return Table(HEADER, [_cells(each) for each in result.secrets], f"no app has a Secret in {result.environment}")


def _cells(secret: AppSecret) -> tuple[str, ...]:
    synced = "unknown" if secret.synced is None else ", ".join(secret.synced) or "none"
    used = "-" if secret.last_used is None else f"{time_words(time.time() - secret.last_used)} ago"
    purpose = "registry" if secret.registry else "provider"
    return secret.name, secret.app, "yes" if secret.deployment else "no", purpose, synced, used


def _pruned(result: Pruned) -> Lines:
    where = f"{result.user} in {result.environment}"
    if not result.apps:
        return Lines([], notes=(f"nothing of {where} is left of a branch that is gone",))
    notes = (f"nothing was removed; to remove all of it: {result.command}",) if result.command else ()
    return Lines([_line(each, result.removed) for each in result.apps], notes=notes)


def _line(leftover: Leftover, removed: bool) -> str:
    parts = ["its app"] if leftover.deployed else []
    parts += [f"the endpoint {leftover.endpoint}"] if leftover.endpoint else []
    parts += [f"Secret {name}" for name in leftover.secrets] + [f"Volume {name}" for name in leftover.volumes]
    parts += [f"answers of {name}, which nobody has collected" for name in leftover.answers]
    by = f", made by {leftover.created_by}" if leftover.created_by else ""
    done = "removed" if removed else "to remove"
    return f"{leftover.app}  {leftover.ref} of the branch {leftover.branch}{by}  {done}: {', '.join(parts)}"


VIEWS: Views = {SecretsListed: _secrets, Pruned: _pruned}
