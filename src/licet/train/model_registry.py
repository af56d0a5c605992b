"""The registered models: sources, dates, and whether they are in use.

`lineage` has their rows; callers that only list models need not load it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import msgspec

from licet.errors import NotFoundError, UsageError
from licet.release import registry
from licet.store.connect import Transaction
from licet.vault.ids import Prefix, format_id

REASON_CHARACTERS_MAX = 500
CLASSIFIER = "licet-misuse-1"  # the recipe of `misuse.models`, which can forget exactly


class RecordedModel(msgspec.Struct, frozen=True):
    """A registered model. ``last_gate`` is the gate's number at its last step."""

    model: str
    name: str
    release: str
    recipe: str
    rows: int
    first_gate: int
    last_gate: int
    started_at: datetime
    finished_at: datetime
    retired_at: datetime | None
    retired_by: str | None = None
    retired_reason: str | None = None


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model to be registered. ``statement`` is signed; ``consumed`` is the record of what it was
    trained on.
    """

    model: UUID
    name: str
    release: UUID
    recipe: str
    rows: int
    first_gate: int
    last_gate: int
    started_at: datetime
    finished_at: datetime
    statement: bytes
    consumed: bytes


def add(tx: Transaction, new: NewModel, now: datetime) -> bool:
    """Registers a model; False if it is registered already."""
    added = tx.execute(
        """INSERT INTO models (model_id, name, release_id, recipe, rows, first_gate, last_gate,
                               started_at, finished_at,
                               statement, consumed, recorded_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (model_id)
             DO NOTHING""",
        [*msgspec.structs.astuple(new), now],
    )
    return added.rowcount == 1


_SELECT = """SELECT model_id, name, release_id, recipe, rows, first_gate, last_gate, started_at,
       finished_at, retired_at,
       retired_by, retired_reason
    FROM models"""


def get(tx: Transaction, model: UUID) -> RecordedModel:
    """A model by its id; NotFoundError."""
    models = _to_models(tx, tx.execute(f"{_SELECT} WHERE model_id = %s", [model]).fetchall())
    if not models:
        raise NotFoundError(f"no model `{format_id(Prefix.model, model)}`")
    return models[0]


def list_all(tx: Transaction) -> list[RecordedModel]:
    """Newest first."""
    return _to_models(tx, tx.execute(f"{_SELECT} ORDER BY finished_at DESC, model_id").fetchall())


def recorded_until(tx: Transaction, moment: datetime) -> list[RecordedModel]:
    """The models registered by ``moment``, oldest first; later retirements are ignored."""
    models = _to_models(
        tx,
        tx.execute(
            f"{_SELECT} WHERE recorded_at <= %s ORDER BY recorded_at, model_id", [moment]
        ).fetchall(),
    )
    return [
        msgspec.structs.replace(model, retired_at=None, retired_by=None, retired_reason=None)
        for model in models
    ]


def _to_models(tx: Transaction, rows: Sequence[Sequence[Any]]) -> list[RecordedModel]:
    releases = registry.names(tx, [row[2] for row in rows])
    return [
        RecordedModel(format_id(Prefix.model, model), name, releases[release], *rest)
        for model, name, release, *rest in rows
    ]


def in_use(
    tx: Transaction, recipe: str | None = None, *, retired: bool = False
) -> list[tuple[UUID, list[UUID]]]:
    """Each release with the models made from it that are in use, of all recipes or one; with
    ``retired``, retired ones too.
    """
    return tx.execute(
        """SELECT release_id, array_agg(model_id ORDER BY model_id) FROM models
            WHERE (%(retired)s OR retired_at IS NULL)
              AND (%(recipe)s::text IS NULL OR recipe = %(recipe)s) GROUP BY 1""",
        {"recipe": recipe, "retired": retired},
    ).fetchall()


def get_consumed(tx: Transaction, model: UUID) -> bytes:
    """The consumption record of a model, as registered; NotFoundError."""
    return bytes(_column(tx, "consumed", model))


def get_release(tx: Transaction, model: UUID) -> UUID:
    """The release that a model was trained on; NotFoundError."""
    release: UUID = _column(tx, "release_id", model)
    return release


def _column(tx: Transaction, name: LiteralString, model: UUID) -> Any:  # noqa: ANN401 any column
    row = tx.execute(f"SELECT {name} FROM models WHERE model_id = %s", [model]).fetchone()
    if row is None:
        raise NotFoundError(f"no model `{format_id(Prefix.model, model)}`")
    return row[0]


def retire(
    tx: Transaction, model: UUID, now: datetime, *, actor: str, reason: str
) -> RecordedModel:
    """Records that a model is no longer used: it stays registered, and a repetition changes
    nothing; NotFoundError.
    """
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX:
        raise UsageError(f"say why, in {REASON_CHARACTERS_MAX} characters at most")
    tx.execute(
        """UPDATE models SET (retired_at, retired_by, retired_reason) = (%s, %s, %s)
            WHERE model_id = %s AND retired_at IS NULL""",
        [now, actor, reason.strip(), model],
    )
    return get(tx, model)
