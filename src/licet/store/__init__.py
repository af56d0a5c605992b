"""PostgreSQL: an embedded server or the operator's, its schema, connections to it and batched writes.

- `embedded`: a server under the data folder, for operators who have none. - `connect`: the pool and transactions; every
error that leaves it is one of Licet's and quotes no content. - `migrate`: the schema's numbered history. - `writer`:
many writes, one commit.

SQL is in the module that owns the table, not here.
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
