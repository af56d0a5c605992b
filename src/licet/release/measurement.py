"""The signed statement on what curation costs a release as training data (`train.ablation`).

The same model is trained on the original and on the curated rows, and with the rows that a filter
dropped added; its loss is measured on the original rows of held-out people. The statement is stored
beside the sealed manifest, as a review is (ADR 14):

    measurement.json    as `signed_file` has it, typ `licet-measurement+jws`
    its payload         {"code":{"blocks":n,"broken":n},"confidence_percent":95,"costs":[..],"held_out":{"people":n,"rows":n},
                         "manifest_sha256":hex,"measured_at":time,"model":{"base":text,"batch_rows":n,"parameters":n,
                         "seeds":n,"steps":n,"tokens":n},"release":hex,"rows":n,"type":"licet-release-measurement","v":1,
                         "words":{"changed":n,"said":n}}
    a cost              {"cost_ppm":n,"high_ppm":n,"low_ppm":n,"of":word,"people":n,"rows":n,"slice":word,"value":word}

A cost is the increase of the held-out loss due to a step, in millionths of the loss without it;
below 0 the step helps. ``low_ppm`` and ``high_ppm`` bound its interval. A slice is named if it has
``ACCOUNTS_MIN`` held-out people. A leaf of the log has the SHA-256 of the JWS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.ledger import outbox
from licet.ledger.canonical_json import Canonical
from licet.ledger.outbox import Entry, EntryKind
from licet.policy.period import instant, rfc3339
from licet.release.signed_file import SignedFile, Stated
from licet.store.connect import Transaction

COSTS_MAX = 1_000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
DEIDENTIFICATION = "deidentification"  # the others are reasons of `curation.LeftOut`
ALL = "all"  # the value of the slice of the same name


class CostSlice(StrEnum):
    """The property that defines a slice; ``turns`` is the number of messages."""

    all = "all"
    language = "language"
    kind = "kind"
    turns = "turns"


class MeasuredCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cost of a curation step on a slice of held-out rows, in millionths, with its interval.

    ``rows`` and ``people`` are those of the slice. ``of``: de-identification, or the filter whose
    dropped rows were added for comparison.
    """

    of: str
    slice: CostSlice
    value: str
    rows: int
    people: int
    cost_ppm: int
    low_ppm: int
    high_ppm: int


class MeasuringModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The trained models: ``base`` is the folder name of the base model. None: a model that counts
    words (`train.word_model`), whose ``tokens`` are the words of its longest sequences, and whose
    one step reads every row.
    """

    base: str | None
    parameters: int
    steps: int
    batch_rows: int
    tokens: int
    seeds: int


class HeldOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows that the loss was measured on."""

    rows: int
    people: int


class CodeKept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fenced code blocks that parse in the original, and those that no longer do."""

    blocks: int
    broken: int


class WordsKept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words between spaces in the original, and those ``changed``: a count without a model."""

    said: int
    changed: int

    @property
    def changed_ppm(self) -> int:
        return round(1_000_000 * self.changed / self.said) if self.said else 0


class MeasurementStatement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of a measurement. ``rows``: the rows of the release trained on."""

    v: Literal[1] = 1
    type: Literal["licet-release-measurement"] = "licet-release-measurement"
    release: str
    manifest_sha256: str
    measured_at: str
    model: MeasuringModel
    rows: int
    held_out: HeldOut
    confidence_percent: Literal[95] = 95
    costs: tuple[MeasuredCost, ...]
    code: CodeKept
    words: WordsKept

    def payload(self) -> dict[str, Canonical]:
        made: dict[str, Canonical] = msgspec.to_builtins(self)
        return made


def _reconciles(statement: MeasurementStatement) -> bool:
    instant(statement.measured_at)
    words = [
        *([statement.model.base] if statement.model.base else []),
        *(w for c in statement.costs for w in (c.of, c.value)),
    ]
    of = [(cost.of, cost.slice, cost.value) for cost in statement.costs]
    whole = (DEIDENTIFICATION, CostSlice.all, ALL)
    return (
        whole in of
        and all(map(_WORD.fullmatch, words))
        and min(
            statement.model.parameters,
            statement.model.steps,
            statement.model.seeds,
            statement.model.batch_rows,
            statement.model.tokens,
            statement.rows,
        )
        > 0
        and len(set(of)) == len(of) <= COSTS_MAX
        and 0 <= statement.code.broken <= statement.code.blocks
        and 0 <= statement.words.changed <= statement.words.said
        and 0 < statement.held_out.people <= statement.held_out.rows
        and all(_is_within(cost, statement.held_out) for cost in statement.costs)
    )


def _is_within(cost: MeasuredCost, held_out: HeldOut) -> bool:
    is_all = cost.slice is CostSlice.all
    counts = (
        0 < cost.people <= cost.rows
        and cost.rows <= held_out.rows
        and cost.people <= held_out.people
    )
    return (
        counts
        and cost.low_ppm <= cost.cost_ppm <= cost.high_ppm
        and is_all == (cost.value == ALL)
        and (not is_all or (cost.rows, cost.people) == (held_out.rows, held_out.people))
    )


StatedMeasurement: TypeAlias = Stated[MeasurementStatement]
SIGNED = SignedFile(
    "measurement", "licet-measurement+jws", MeasurementStatement, _reconciles, bytes_max=256 * 2**10
)


# On record


def add(
    tx: Transaction, measurement: UUID, release_id: UUID, stated: StatedMeasurement, now: datetime
) -> None:
    """Records a statement, with its leaf."""
    statement, digest = stated.statement, stated.sha256
    tx.execute(
        """INSERT INTO release_measurements (measurement_id, release_id, measured_at, statement,
           statement_sha256)
           VALUES (%s, %s, %s, %s, %s)""",
        [measurement, release_id, now, stated.jws, bytes.fromhex(digest)],
    )
    facts: dict[str, str | int | bool | None] = {
        "release": release_id.hex,
        "manifest_sha256": statement.manifest_sha256,
        "sha256": digest,
        "rows": statement.rows,
    }
    outbox.append(tx, [Entry(kind=EntryKind.release_measured, occurred_at=now, facts=facts)])


def newest(tx: Transaction, release_id: UUID) -> StatedMeasurement | None:
    """The newest statement of this installation on a release."""
    row = tx.execute(
        """SELECT statement FROM release_measurements WHERE release_id = %s
            ORDER BY measured_at DESC, measurement_id DESC LIMIT 1""",
        [release_id],
    ).fetchone()
    return SIGNED.decode(SIGNED.encode(row[0])) if row is not None else None


def is_stated(tx: Transaction, release_id: UUID, signed: str) -> bool:
    row = tx.execute(
        "SELECT FROM release_measurements WHERE release_id = %s AND statement_sha256 = %s",
        [release_id, sha256(signed.encode()).digest()],
    ).fetchone()
    return row is not None


# In words


def percent(ppm: int) -> str:
    """A cost in percent with its sign: `+0.42 %`."""
    return f"{ppm / 10_000:+.2f} %"


def sentences(statement: MeasurementStatement) -> Sequence[str]:
    """Describes the figures and their basis."""
    model, whole = (
        statement.model,
        next(one for one in statement.costs if one.slice is CostSlice.all),
    )
    verb = "is" if statement.code.broken == 1 else "are"
    return (
        "De-identification changes the loss on the answers to held-out people by "
        f"{percent(whole.cost_ppm)}"
        f" ({percent(whole.low_ppm)} to {percent(whole.high_ppm)} with a confidence of "
        f"{statement.confidence_percent} %).",
        f"It was measured on {statement.held_out.rows:,} rows of "
        f"{statement.held_out.people:,} people as "
        "they were said, with"
        f" {_trained(model, statement.rows)}. A larger model, or more of it, gives other figures.",
        f"Of {statement.code.blocks:,} blocks of code that a parser takes as they were said, "
        f"{statement.code.broken:,} {verb} broken"
        " once identifiers were replaced.",
        f"Of {statement.words.said:,} words as they were said, "
        f"{statement.words.changed:,} leave changed"
        f" ({statement.words.changed_ppm / 10_000:.2f} %)."
        " That is a count: what both models of a comparison have is in no loss.",
    )


def _trained(model: MeasuringModel, rows: int) -> str:
    if model.base is None:
        return (
            f"a model that counts which words follow which, of {model.parameters:,} counts,"
            f" read from up to {rows:,} rows"
        )
    return (
        f"{model.seeds} models that began from `{model.base}`, of {model.parameters:,} parameters,"
        f" trained on up to {rows:,} rows in {model.steps:,} steps of {model.batch_rows:,}"
    )


def build_statement(
    *,
    release: str,
    manifest_sha256: str,
    now: datetime,
    model: MeasuringModel,
    rows: int,
    held_out: HeldOut,
    costs: Sequence[MeasuredCost],
    code: CodeKept,
    words: WordsKept,
) -> MeasurementStatement:
    """Builds a statement; BrokenError if the figures do not reconcile."""
    made = MeasurementStatement(
        release=release,
        manifest_sha256=manifest_sha256,
        measured_at=rfc3339(now),
        model=model,
        rows=rows,
        held_out=held_out,
        costs=tuple(costs),
        code=code,
        words=words,
    )
    if not _reconciles(made):
        raise BrokenError("the figures of a measurement do not reconcile")
    return made
