"""PostgreSQL: an embedded server or the operator's, its schema, connections to it and batched
writes.

- `embedded`: a server under the data folder, for operators who have none. - `connect`: the pool and
  transactions; every
error that leaves it is one of Licet's and quotes no content. - `migrate`: the schema's numbered
history. - `writer`: many writes, one commit.

SQL is in the module that owns the table, not here.
"""
