"""Lineage between models and the consents behind their rows.

`record` registers a model trained under the gate, here or elsewhere; `which_models` finds models by
conversation or account; `models_affected` lists models trained on rows withdrawn or erased since.
Rows consumed before a withdrawal stay in the model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from uuid import UUID

import msgspec
from pyroaring import BitMap

from licet import verifier
from licet.consent.history import CHUNK_ROWS, learnt_rows
from licet.errors import BrokenError, NotFoundError, RefusedError, UsageError
from licet.ledger.note import Verifier
from licet.proof import documents
from licet.release import registry
from licet.store.connect import Transaction, transaction
from licet.train import consumption, gate_files, model_registry, statement, withdrawn_rows
from licet.train.model_registry import RecordedModel
from licet.vault import account_view
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import Installation, load_policies

ROWS_LISTED_MAX = 100_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"`{name}` is not a name for a model",
            "use lower-case letters, digits, `-`, `_` and `.`",
        )


def signing_key(installation: Installation) -> tuple[Verifier, bytes]:
    """The key for statements about models, and its seed."""
    with transaction(installation.pool) as tx:
        seed = installation.keyring.model_seed(tx)
    return statement.signer(f"{installation.config.log_name}/models", seed).verifier, seed


def public_keys(installation: Installation) -> tuple[str, str]:
    """The public keys of the installation's models: statements (vkey) and signatures (PEM)."""
    key, seed = signing_key(installation)
    return key.vkey, statement.pem(statement.derive_p256(seed).public_key()).decode()


# Registration


def record(installation: Installation, folder: Path, vkeys: Sequence[str] = ()) -> RecordedModel:
    """Registers the model in ``folder``, once; RefusedError if a check of it fails.

    Its statement is signed with this installation's key, or with one of ``vkeys`` if it was trained
    elsewhere; the gate's states are this installation's own in any case.
    """
    try:
        trusted = [Verifier.parse(vkey.strip()) for vkey in vkeys]
    except RefusedError as error:
        raise UsageError(
            f"that is not a public key: {error.message}", "`licet models key` prints one"
        ) from None
    keys = [*trusted, signing_key(installation)[0], gate_files.signer(installation).verifier]
    checked = verifier.check_model(
        verifier.FolderFiles(folder), [verifier.read_key(key.vkey) for key in keys]
    )
    if checked.findings or checked.lacks:
        broken = (
            f"this promise of `{one.place}` is broken: {one.promise}" for one in checked.findings
        )
        lacks = (f"`{lack.place}`: {lack.why}" for lack in checked.lacks)
        raise RefusedError(
            f"the model cannot be registered: {next(chain(broken, lacks))}", because="broken"
        )
    signed = (folder / statement.FILE).read_bytes()
    content = statement.verify(signed, next(key for key in keys if key.name.encode() in signed))
    consumed = consumption.read_record(folder / consumption.FILE)
    raw = (folder / consumption.FILE).read_bytes()
    predicate = content["predicate"]
    metadata = predicate["runDetails"]["metadata"]
    parameters = predicate["buildDefinition"]["externalParameters"]
    check_name(parameters["name"])
    model, release = UUID(hex=metadata["invocationId"]), UUID(hex=consumed.identity.release)
    heads = [
        consumption.parse_unverified_head(frame.signed)
        for frame in consumed.frames
        if isinstance(frame, consumption.GateState)
    ]
    with transaction(installation.pool) as tx:
        sealed = registry.get(tx, release)
        if (
            sealed.manifest_sha256 is None
            or sealed.manifest_sha256.hex() != consumed.identity.manifest_sha256
        ):
            raise RefusedError(
                f"release `{sealed.name}` is not the one that the model names", because="release"
            )
        new = model_registry.NewModel(
            model=model,
            name=parameters["name"],
            release=release,
            recipe=parameters["recipe"],
            rows=len(consumed.ordinals),
            first_gate=heads[0].number,
            last_gate=heads[-1].number,
            started_at=datetime.fromisoformat(metadata["startedOn"]),
            finished_at=datetime.fromisoformat(metadata["finishedOn"]),
            statement=signed,
            consumed=raw,
        )
        if model_registry.add(tx, new, installation.clock()):
            add_rows(tx, release, model, consumed.ordinals)
        return model_registry.get(tx, model)


def add_rows(tx: Transaction, release: UUID, model: UUID, ordinals: BitMap) -> None:
    with tx.cursor().copy(
        "COPY model_rows (release_id, chunk, model_id, bits) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(["uuid", "int4", "uuid", "bytea"])
        for chunk, bits in chunks(ordinals):
            copy.write_row((release, chunk, model, bits))


def chunks(ordinals: BitMap) -> Sequence[tuple[int, bytes]]:
    """The bits of each chunk that has any, as `get_bit` counts them."""
    # imported late: it takes a tenth of a second
    import numpy as np

    rows = np.asarray(ordinals.to_array(), dtype=np.int64)
    result = []
    for chunk in np.unique(rows // CHUNK_ROWS):
        bits = np.zeros(CHUNK_ROWS, dtype=np.uint8)
        bits[rows[rows // CHUNK_ROWS == chunk] % CHUNK_ROWS] = 1
        result.append((int(chunk), np.packbits(bits, bitorder="little").tobytes()))
    return result


def list_models(installation: Installation) -> list[RecordedModel]:
    """All registered models, the newest first."""
    with transaction(installation.pool) as tx:
        return model_registry.list_all(tx)


# Which models


class LearntModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model trained on ``rows`` rows of an account or a conversation."""

    model: str
    name: str
    release: str
    rows: int
    finished_at: datetime


# Counted before the join with the models' names.
_WHICH = f"""
    SELECT m.model_id, m.name, m.release_id, c.rows, m.finished_at
      FROM ({learnt_rows("b.model_id")}) c
      JOIN models m USING (model_id)
     ORDER BY m.finished_at DESC, m.model_id"""


def which_models(installation: Installation, name: str) -> list[LearntModel]:
    """The models that were trained on a conversation or on an account, the newest first.

    ``name`` is a conversation's id, an account's, or the host's own id of an account.
    """
    with transaction(installation.pool) as tx:
        if name.startswith(f"{Prefix.conversation.value}_"):
            conversation = parse(Prefix.conversation, name)
            holder = account_view.owner(tx, conversation)
            if holder is None:
                raise NotFoundError(f"no conversation `{name}`")
            return models_trained_on(tx, holder, conversation)
    account = documents.account_named(installation, name)
    with transaction(installation.pool) as tx:
        return models_trained_on(tx, account, None)


def models_trained_on(
    tx: Transaction, account: UUID, conversation: UUID | None
) -> list[LearntModel]:
    """The models trained on a conversation of an account, or on any of its conversations."""
    given = {
        "account": account,
        "of": None if conversation is None else [conversation],
        "chunk": CHUNK_ROWS,
    }
    rows = tx.cursor(binary=True).execute(_WHICH, given).fetchall()
    releases = registry.names(tx, [row[2] for row in rows])
    return [
        LearntModel(
            model=format_id(Prefix.model, model),
            name=name,
            release=releases[release],
            rows=count,
            finished_at=finished,
        )
        for model, name, release, count, finished in rows
    ]


# Affected models


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """A model trained on rows that may no longer be used; ``erased`` ones have no key."""

    model: str
    name: str
    release: str
    consumed: int
    withdrawn: int
    people: int
    erased: int
    finished_at: datetime


# A row is affected since a time if the journal has an ending of it since then, or its retention
# ended since then.
_TOUCHED = """
    SELECT m.ordinal, m.account_id, NOT EXISTS (
           SELECT FROM release_row_keys(m.sources) k JOIN segments s ON s.account_id = m.account_id
              AND s.conversation_id = m.conversation_id AND s.segment = k.segment
                WHERE s.erased_at IS NULL)
      FROM release_rows m
     WHERE m.release_id = %(release)s AND m.block = ANY(release_blocks(%(ordinals)s::int[]))
       AND m.ordinal = ANY(%(ordinals)s::int[])
       AND (%(since)s::timestamptz IS NULL
            OR EXISTS (SELECT FROM journal j WHERE j.account_id = m.account_id AND j.ends
              AND j.occurred_at >= %(since)s
                          AND (j.conversation_id IS NULL OR j.conversation_id = m.conversation_id))
            OR EXISTS (SELECT FROM release_row_keys(m.sources) k
              JOIN segments s ON s.account_id = m.account_id
                          AND s.conversation_id = m.conversation_id AND s.segment = k.segment
                        WHERE s.erased_at >= %(since)s OR s.keep_until BETWEEN %(since)s
                          AND %(at)s))"""


def models_affected(
    installation: Installation,
    since: datetime | None = None,
    recipe: str | None = None,
    *,
    retired: bool = False,
) -> list[Affected]:
    """The models trained on rows withdrawn or erased (since ``since``), most affected first.

    ``recipe``: only models made by it. ``retired``: retired models too.
    """
    in_force, now = load_policies(installation), installation.clock()
    with transaction(installation.pool) as tx:
        found = model_registry.in_use(tx, recipe, retired=retired)
    result: list[Affected] = []
    for release_id, models in found:
        release = gate_files.get_sealed(installation, release_id)
        withdrawn = withdrawn_rows.decide_at(installation.pool, release, in_force, now)
        with transaction(installation.pool) as tx:
            found_models = (
                _models_affected(tx, model, release_id, withdrawn, since, now) for model in models
            )
            result += [model for model in found_models if model is not None]
    return sorted(result, key=lambda model: (-model.withdrawn, model.model))


def affected_by_model(installation: Installation, model: UUID) -> Affected | None:
    """The withdrawn rows of one model's training data, also of a retired model; None if there are
    none.
    """
    in_force, now = load_policies(installation), installation.clock()
    with transaction(installation.pool) as tx:
        release_id = model_registry.get_release(tx, model)
    withdrawn = withdrawn_rows.decide_at(
        installation.pool, gate_files.get_sealed(installation, release_id), in_force, now
    )
    with transaction(installation.pool) as tx:
        return _models_affected(tx, model, release_id, withdrawn, None, now)


def _models_affected(
    tx: Transaction,
    model: UUID,
    release: UUID,
    withdrawn: BitMap,
    since: datetime | None,
    now: datetime,
) -> Affected | None:
    both = _ordinals_in(model_registry.get_consumed(tx, model)) & withdrawn
    if not both:
        return None
    touched = []
    ordinals = list(both)
    for start in range(0, len(ordinals), ROWS_LISTED_MAX):
        parameters = {
            "release": release,
            "ordinals": ordinals[start : start + ROWS_LISTED_MAX],
            "since": since,
            "at": now,
        }
        touched += tx.execute(_TOUCHED, parameters).fetchall()
    if not touched:
        return None
    recorded = model_registry.get(tx, model)
    return Affected(
        model=recorded.model,
        name=recorded.name,
        release=recorded.release,
        consumed=recorded.rows,
        withdrawn=len(touched),
        people=len({account for _, account, _ in touched}),
        erased=sum(erased for _, _, erased in touched),
        finished_at=recorded.finished_at,
    )


def _ordinals_in(raw: bytes) -> BitMap:
    record, end = consumption.parse(raw)
    if end != len(raw):
        raise BrokenError("the record of a model is incomplete")
    return record.ordinals


def retire(installation: Installation, model: str, *, actor: str, reason: str) -> RecordedModel:
    """Records that a model is no longer used: it stays registered, but is not affected any more."""
    with transaction(installation.pool) as tx:
        return model_registry.retire(
            tx, parse(Prefix.model, model), installation.clock(), actor=actor, reason=reason
        )
