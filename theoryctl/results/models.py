"""Results of `theoryctl models`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class VendorRow:
    """A vendor: `needs` are the variables it wants, in words, `ready` tells whether they are set in this environment.

    `models` counts those of its models that are known here.
    """

    vendor: str
    title: str
    needs: tuple[str, ...]
    ready: bool
    documentation: str
    models: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model: its limits in tokens, its prices in US dollars a token. Unknown is None."""

    model: str
    kind: str | None = None
    context: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None


@dataclass(frozen=True, slots=True)
class ModelList:
    """The vendors, and the models that were asked for.

    `source` is the release of LiteLLM whose table it is. Where LiteLLM is not installed it is None, and `install` is
    the command that installs it. `near` are the words of names that may have been meant, where no model was found.
    """

    vendors: tuple[VendorRow, ...]
    models: tuple[ModelRow, ...]
    words: tuple[str, ...]
    source: str | None
    install: str | None
    near: tuple[str, ...] = ()
    exit_status: ClassVar[int] = 0

    def document(self) -> dict[str, Any]:
        vendors = [{**asdict(row), "needs": list(row.needs)} for row in self.vendors]
        models = [asdict(row) for row in self.models]
        where = {"source": self.source, "install": self.install}
        return {"schema": "theoryctl.models/v1", **where, "vendors": vendors, "models": models}
