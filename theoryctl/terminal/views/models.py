"""View of the result of `theoryctl models`."""

from __future__ import annotations

import shlex

from theoryctl.results.models import ModelList, ModelRow, VendorRow
from theoryctl.terminal.view import Table, Views

HEADER = ("vendor", "wants", "set", "models", "get a key")


def _list(result: ModelList) -> Table:
    more = (f"prices and limits need LiteLLM: {result.install}",) if result.install else ()
    if not result.words:
        rows = [_vendor(row) for row in result.vendors]
        hint = "theoryctl models WORD lists the models that have it in their names"
        short = [(*row[:1], *row[2:-1], row[-1].removeprefix("https://")) for row in rows]
        narrow = Table((HEADER[0], *HEADER[2:]), short, "", folds=True)
        return Table(HEADER, rows, "", folds=True, said=(hint, *more), narrow=narrow)
    if result.near:
        more = (f"{shlex.join(('theoryctl', 'models', *result.near))} finds some", *more)
    rows = [_model(row) for row in result.models]
    header = ("model", "kind", "context", "$ in / M", "$ out / M")
    return Table(header, rows, "no model has that in its name", said=more)


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
