"""Postgres: a server of our own or the operator's, its schema, connections to it and batched writes.

- `embedded`: a server under the data folder, for who has none.
- `connect`: the pool and transactions; every error that leaves here is one of ours and quotes no content.
- `migrate`: the schema's numbered history.
- `writer`: many writes, one commit.

SQL lies in the module that owns the table, not here.
"""

from licet.store.connect import (
    ContentionError,
    DatabaseConfig,
    OutcomeUnknownError,
    Pool,
    StatementError,
    Transaction,
    UnreachableError,
    database,
    opened,
    retrying,
    transaction,
    translated,
)
from licet.store.migrate import drift, dump_schema, migrate, migrations, pending
from licet.store.writer import BatchWriter, Bounds

__all__ = [
    "BatchWriter",
    "Bounds",
    "ContentionError",
    "DatabaseConfig",
    "OutcomeUnknownError",
    "Pool",
    "StatementError",
    "Transaction",
    "UnreachableError",
    "database",
    "drift",
    "dump_schema",
    "migrate",
    "migrations",
    "opened",
    "pending",
    "retrying",
    "transaction",
    "translated",
]
