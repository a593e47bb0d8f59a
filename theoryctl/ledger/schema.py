"""Tables and views of the ledger, in SQL that `sqlite3` and datasette show as they stand."""

from __future__ import annotations

from theoryctl.requests.billing import UNBILLED

#: True of a run of unknown cost: one that failed too, unless nobody bills that (`requests.billing.is_unbilled`).
_FREE = ", ".join(f"'{code}'" for code in sorted(UNBILLED))
UNPRICED = f"cost_usd IS NULL AND mode IS NOT 'mock' AND (code IS NULL OR code NOT IN ({_FREE}))"

_COSTS = f"""
CREATE VIEW costs AS
SELECT
  substr(started_at, 1, 10) AS day, model, ref, mode,
  count(*) AS runs,
  count(code) AS failed,
  sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens,
  sum(cost_usd) AS cost_usd,
  count(CASE WHEN {UNPRICED} THEN 1 END) AS unpriced
FROM runs GROUP BY 1, 2, 3, 4;
"""

_FORGOTTEN = """
CREATE TABLE forgotten (
  run_id TEXT PRIMARY KEY,           -- of a run that a log may still tell of
  day TEXT NOT NULL                  -- UTC, when it was forgotten
) WITHOUT ROWID;
"""

#: The statements that lead from one version of the tables to the next, by the version that they start from.
CHANGES = {
    1: "ALTER TABLE runs ADD COLUMN operation TEXT;\n",
    2: f"DROP VIEW IF EXISTS costs;\n{_COSTS}{_FORGOTTEN}",
}

# Ids of runs are random, so that each row of a group changes another page. With a rowid, which ledgers of an earlier
# version do not have, that is a page of the small index of ids and not of the rows: less than half of the cost.
SCRIPT = f"""
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  started_at TEXT NOT NULL,          -- UTC, RFC 3339
  source TEXT NOT NULL,              -- run, batch, replay, recordings, python, instance, modal
  ref TEXT,
  mode TEXT,
  runtime TEXT,
  model TEXT,                        -- asked
  answered TEXT,                     -- the one that answered, as the vendor says
  image TEXT,                        -- digest
  code TEXT,                         -- of a failure, else null
  input_tokens INTEGER,
  output_tokens INTEGER,
  cached_input_tokens INTEGER,       -- of the input tokens
  cache_write_tokens INTEGER,        -- of the input tokens
  reasoning_tokens INTEGER,          -- of the output tokens
  cost_usd REAL,                     -- null: unknown
  duration_ms REAL,
  loading_ms REAL,
  first_token_ms REAL,
  inputs_digest TEXT,                -- HMAC-SHA256, keyed with ledger.key
  outputs_digest TEXT,               -- the same
  branch TEXT,
  ci_run TEXT,
  version TEXT,
  operation TEXT                     -- chat, embeddings, count_tokens; null: unknown
);
CREATE INDEX runs_by_time ON runs (started_at);

CREATE TABLE contents (
  run_id TEXT PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  inputs TEXT NOT NULL,              -- JSON, without secrets
  outputs TEXT NOT NULL,             -- JSON, without secrets
  answers TEXT,                      -- JSON: the script or recordings of mock mode, by flag
  redacted INTEGER NOT NULL,         -- 1: the inputs held a secret
  attached INTEGER NOT NULL          -- 1: files came with the inputs
) WITHOUT ROWID;

CREATE TABLE charges (
  charge TEXT PRIMARY KEY,           -- a run's id
  day TEXT NOT NULL,                 -- UTC
  usd REAL NOT NULL                  -- reserved, then paid
) WITHOUT ROWID;
CREATE INDEX charges_by_day ON charges (day);

CREATE TABLE notes (
  name TEXT PRIMARY KEY,
  value TEXT
) WITHOUT ROWID;
{_FORGOTTEN}
{_COSTS}
CREATE VIEW failures AS
SELECT substr(started_at, 1, 10) AS day, code, model, ref, count(*) AS runs
FROM runs WHERE code IS NOT NULL GROUP BY 1, 2, 3, 4;
"""
