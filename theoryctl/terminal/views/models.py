"""View of the result of `theoryctl models`."""

from __future__ import annotations

import shlex

from theoryctl.results.models import ModelList, ModelRow, VendorRow
from theoryctl.terminal.view import Table, Views

HEADER = ("vendor", "wants", "set", "models", "get a key")


def _list(result: ModelList) -> Table:
    more = (f"prices and limits need LiteLLM: {result.install}",) if result.install else ()
    none = "no model has that in its name"
    if not result.words:
        hint = "theoryctl models WORD lists the models that have it in their names"
        rows = [_vendor(row) for row in result.vendors]
        return Table(HEADER, rows, "", said=(hint, *more), narrow=_narrow(result))
    if result.near:
        none = f"{none}; {shlex.join(('theoryctl', 'models', *result.near))} finds some"
    rows = [_model(row) for row in result.models]
    header = ("model", "kind", "context", "$ in / M", "$ out / M")
    return Table(header, rows, none, said=more)


def _narrow(result: ModelList) -> Table:
    """The vendors, each with one way to say its key, and where there is no room for more, without its address."""
    rows = [(row[0], _first_way(vendor), *row[2:]) for vendor in result.vendors for row in [_vendor(vendor)]]
    narrowest = Table(HEADER[:-1], [row[:-1] for row in rows], "", folds=True)
    short = [(*row[:-1], row[-1].removeprefix("https://")) for row in rows]
    return Table(HEADER, short, "", folds=True, narrow=narrowest)


def _first_way(row: VendorRow) -> str:
    """The first variable of each set that a vendor takes: one of several that mean the same is enough."""
    return " ".join(need.split(" or ")[0] for need in row.needs) or "nothing"


def _vendor(row: VendorRow) -> tuple[str, ...]:
    wants = "; ".join(row.needs) or "nothing"
    return (row.vendor, wants, "yes" if row.ready else "no", str(row.models or "-"), row.documentation)


def _model(row: ModelRow) -> tuple[str, ...]:
    context = "-" if row.context is None else f"{row.context:,}"
    return (row.model, row.kind or "-", context, _price(row.input_price), _price(row.output_price))


def _price(price: float | None) -> str:
    """Dollars for a million tokens, `-` where nobody knows."""
    return "-" if price is None else f"{price * 1e6:.6g}"


VIEWS: Views = {ModelList: _list}
