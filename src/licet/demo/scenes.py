"""Acts of staff, recipients and trainers in the town: readings, exports, recalls, a
training run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from licet.access import sessions
from licet.consent import choices, notice, notice_views
from licet.consent.notice import Variant
from licet.consent.notice_views import ShowingRecord, ShownOn
from licet.errors import DeniedError
from licet.release import manifest
from licet.release.catalog import find_release, open_release
from licet.release.reader import LoadedRow
from licet.store.connect import transaction
from licet.train import cards, consumption, export_files, lineage, local_runs
from licet.train.exports import Format
from licet.train.gate import HandOff
from licet.train.statement import RunStatement, StatementSource
from licet.vault import account_view, staff_reads
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies
from licet.vault.staff_reads import ReaderRole, Reading, ReadReason

OFFICER, REVIEWER = "officer@town.example", "reviewer@town.example"
RECIPIENT = "north-lab"
MODEL = "tally-1"
AGED_REGION, MIN_AGE = "IE", 16


def notices_with_age() -> Sequence[str]:
    """Returns the preset's notices with the question for the age, as in another preset."""
    sources = notice.sources()
    return [
        source.replace("\nyes: ", f"\n{age[0]}\nyes: ", 1)
        for name, source in sources.items()
        if name.startswith("article-2025.")
        and (age := re.search("(?m)^age: .*$", sources[name.replace("article-2025", "strict.one")]))
    ]


def show_notice(
    installation: Installation, account: UUID, now: datetime, via: str
) -> ShowingRecord | None:
    """Records a showing of the notice on its page; None if there is none for that time."""
    number = load_policies(installation).newest_material(now)
    variant = Variant.signup if via == "signup" else Variant.existing
    with transaction(installation.pool) as tx:
        published = notice.find(tx, number, "en", variant) if number is not None else None
        if published is None:
            return None
        showing = notice_views.record(
            tx,
            account,
            published,
            place=ShownOn(via),
            surface="app",
            gpc=False,
            now=now,
            after=notice_views.newest_number(notice_views.newest_answers(tx, account)),
            random=installation.keyring.random,
        )
        return notice_views.get(tx, account, showing)


def answer_notice(
    installation: Installation, account: UUID, now: datetime, via: str
) -> ShowingRecord | None:
    """Records a showing of the notice and accepts its terms; the caller sends the choice."""
    shown = show_notice(installation, account, now, via)
    if shown is not None:
        with transaction(installation.pool) as tx:
            choices.accept_terms(
                tx, account, load_policies(installation), now, showing=shown.shown_id
            )
    return shown


def put_off(installation: Installation, account: UUID) -> None:
    """Shows the notice and puts it off."""
    now = installation.clock()
    shown = show_notice(installation, account, now, "notice")
    if shown is not None:
        with transaction(installation.pool) as tx:
            notice_views.put_off(tx, account, shown.shown_id, now)


def read_as_staff(
    installation: Installation,
    role: ReaderRole,
    reason: ReadReason,
    ticket: str,
    account: UUID,
    conversation: UUID,
) -> bool:
    """Reads a conversation as staff, with a record; returns whether anything could be opened."""
    now, random = installation.clock(), installation.keyring.random
    email = OFFICER if role is ReaderRole.privacy_officer else REVIEWER
    try:
        with transaction(installation.pool) as tx:
            reading = Reading(
                staff=sessions.find_or_add_staff(tx, email, now, random),
                role=role,
                reason=reason,
                ticket=ticket,
            )
            views = account_view.load_views(
                tx, [(account, conversation)], load_policies(installation), now
            )
            turns = account_view.list_turns(tx, account, conversation)
            staff_reads.read(tx, installation.keyring, views[conversation], turns, reading, random)
    except DeniedError:
        return False
    return True


def export_rows(installation: Installation, release: str) -> tuple[int, str]:
    """Exports a release to the town's recipient; returns the number of rows and the export's id.
    The files are outside the installation and deleted after the demonstration.
    """
    with TemporaryDirectory(prefix=f"licet-{RECIPIENT}-") as place:
        made = export_files.export(
            installation, release, Format.trl, recipient=RECIPIENT, out=Path(place) / release
        )
    assert made.export is not None
    return made.rows, made.export


def acknowledge_deletion(installation: Installation, export: str) -> None:
    """Confirms for the recipient that it deleted the recalled rows."""
    export_files.acknowledge(installation, export)


def train(installation: Installation, release: str) -> int:
    """Trains and registers a model on a release through the training gate; returns the number of
    consumed rows.
    """
    return train_word_model(
        installation, release, installation.config.data / "models" / MODEL, called=MODEL
    )


RECIPE = "licet-tally-1"
BUCKETS = 2**16
BATCH_ROWS = 512
WEIGHTS_FILE = "tally.bin"


def train_word_model(installation: Installation, release: str, out: Path, *, called: str) -> int:
    """Counts the training rows of ``release`` and writes the model to ``out``; returns their
    number.
    """
    folder, known = find_release(installation, release)
    assert known.manifest_sha256 is not None
    started = installation.clock()
    out.mkdir(parents=True)
    weights = np.zeros(BUCKETS, "<u4")
    with TemporaryDirectory(prefix="licet-gate-") as place:
        gate = local_runs.LocalGate(
            installation, known.release_id, known.manifest_sha256.hex(), Path(place)
        )
        log = consumption.ConsumedLog(out / consumption.FILE, gate)
        hand_off = HandOff(gate, log.used)
        try:
            read, step = iter(open_release(installation, release, "train")), 0
            while rows := list(islice(read, BATCH_ROWS)):
                step += 1
                refused = set(hand_off(step, [row["ordinal"] for row in rows]))
                _count(weights, [row for at, row in enumerate(rows) if at not in refused])
        finally:
            log.close()
    (out / WEIGHTS_FILE).write_bytes(weights.tobytes())
    record = consumption.merge([out / consumption.FILE], out / consumption.FILE)
    run = _run(installation, uuid7(started, installation.keyring.random(10)), called, record)
    described = cards.ModelDescription(
        run=run,
        release=manifest.read_manifest(folder)[0],
        manifest_sha256=record.identity.manifest_sha256,
        consumed=len(record.ordinals),
        architecture="hashed counts of word pairs",
    )
    local_runs.write_documents(installation, folder, out, described, cards.render_card(described))
    lineage.record(installation, out)
    return len(record.ordinals)


def _count(weights: NDArray[np.uint32], rows: Sequence[LoadedRow]) -> None:
    pairs = np.fromiter((pair for row in rows for pair in _pairs(row)), np.int64)
    weights += np.bincount(pairs, minlength=BUCKETS).astype("<u4")


def _pairs(row: LoadedRow) -> Iterator[int]:
    for message in row["messages"]:
        words = message["content"].split()
        yield from (
            crc32(f"{first} {two}".encode("utf-8", "replace")) % BUCKETS
            for first, two in pairwise(words)
        )


def _run(
    installation: Installation, model: UUID, called: str, record: consumption.Record
) -> RunStatement:
    heads = [
        consumption.parse_unverified_head(frame.signed)
        for frame in record.frames
        if isinstance(frame, consumption.GateState)
    ]
    return RunStatement(
        model=model.hex,
        name=called,
        recipe=RECIPE,
        parameters={"buckets": BUCKETS, "batch_rows": BATCH_ROWS},
        sources=(
            StatementSource(
                name="release",
                sha256=record.identity.manifest_sha256,
                more={"release": record.identity.release},
            ),
            StatementSource(name="recipe", sha256=sha256(Path(__file__).read_bytes()).hexdigest()),
        ),
        first=heads[0],
        last=heads[-1],
        results={"rows": len(record.ordinals)},
        software=local_runs.list_versions(()),
        started=installation.clock(),
        finished=installation.clock(),
    )
