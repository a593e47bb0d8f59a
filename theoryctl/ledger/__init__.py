"""The ledger of runs: what left this machine, in one SQLite file.

with recording():
    envelope = theoryctl_providers.run(inputs, provider="litellm", mode="real")
"""

from __future__ import annotations

from theoryctl.ledger.recording import recording as recording
