"""Lines that tests submit to a vendor's batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.batch.rows import Files, ask
from tests.batch.vendors_batches import BatchVendor
from tests.conftest import Ran
from tests.real.conftest import CANARY

OPENAI, ANTHROPIC = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"

#: US dollars a token in a batch, by LiteLLM's table: half of the usual prices.
INTO, OUT = 7.5e-8, 3e-7

#: A model that the table has no price of batches for.
WITHOUT_BATCHES = "openai/gpt-4"


def lines(*texts: str, model: str = OPENAI) -> list[dict[str, Any]]:
    return [{"id": text, "inputs": ask(text, model=model, max_tokens=10)} for text in texts]


@pytest.fixture
def vendor() -> Iterator[BatchVendor]:
    with BatchVendor(CANARY) as vendor:
        yield vendor


def batch(files: Files, vendor: BatchVendor, *flags: str, **options: Any) -> Ran:
    return files.run("--mode", "real", "--vendor-batch", *flags, env=vendor.env, **options)


def cut_off(_: Any) -> None:
    raise ConnectionResetError


def record_in(environment: Mapping[str, str]) -> Path:
    [file] = Path(environment["HOME"]).rglob("*.vendor")
    return file
