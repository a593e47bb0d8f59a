"""The body of `POST /v1/run`, as docs/run.schema.json publishes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from theoryctl_providers.contract.constraints import ONE_LINE, Must
from theoryctl_providers.contract.errors import ProviderError
from theoryctl_providers.contract.from_json import shaped

#: Each is an open file as long as a real call lasts, and the server has some hundreds of those.
MOST_ATTACHMENTS = 256

#: For ever. Not every reader of JSON has a number for what is much longer.
LONGEST_SECONDS = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentEntry:
    """An attachment that comes as a part of the same name; `size` is in bytes."""

    name: Annotated[str, Must({"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"})]
    digest: Annotated[str, Must({"pattern": "^sha256:[0-9a-f]{64}$"})]
    size: Annotated[int, Must({"ge": 0})]
    media_type: Annotated[str, Must({"min_length": 1, "pattern": ONE_LINE})] = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDocument:
    """One request. Null is the same as no such key; `timeout` is in seconds.

    A `mode` that is neither mock nor real is left to the engine, which reports it as it does one in the inputs.
    """

    inputs: Mapping[str, Any]
    mode: str | None = None
    timeout: Annotated[float, Must({"gt": 0, "le": LONGEST_SECONDS})] | None = None
    run_id: Annotated[str, Must({"pattern": "^run_[0-9a-f]{32}$"})] | None = None
    attachments: Annotated[tuple[AttachmentEntry, ...], Must({"max_length": MOST_ATTACHMENTS})] | None = None

    @classmethod
    def load(cls, value: Any) -> RunDocument:
        """Read the document. Raises ProviderError `ERR_INPUTS` that names the part which does not fit."""
        try:
            document: RunDocument = shaped(cls, value)
        except ValueError as error:
            hint = 'send an object with "inputs", as docs/run.schema.json says'
            raise ProviderError("ERR_INPUTS", f"the body: {error}", hint=hint) from None
        return document
