"""What staff, recipients and trainers do in the town: readings, exports, recalls, a training
run.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from licet.access import sessions
from licet.demo import tally_model
from licet.errors import DeniedError
from licet.store.connect import transaction
from licet.train import export_files
from licet.train.exports import Format
from licet.vault import account_view, staff_reads
from licet.vault.installation import Installation, policies
from licet.vault.staff_reads import ReaderRole, Reading, ReadReason

OFFICER, REVIEWER = "officer@town.example", "reviewer@town.example"
RECIPIENT = "north-lab"
MODEL = "tally-1"


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
            seen = account_view.seen(tx, [(account, conversation)], policies(installation), now)
            turns = account_view.turns(tx, account, conversation)
            staff_reads.read(tx, installation.keyring, seen[conversation], turns, reading, random)
    except DeniedError:
        return False
    return True


def export_rows(installation: Installation, release: str) -> tuple[int, str]:
    """Exports a release to the town's recipient; returns the number of rows and the export's id.

    The files lie outside the installation and are deleted after the demonstration.
    """
    with TemporaryDirectory(prefix=f"licet-{RECIPIENT}-") as place:
        made = export_files.export(
            installation, release, Format.trl, recipient=RECIPIENT, out=Path(place) / release
        )
    assert made.export is not None
    return made.rows, made.export


def acknowledge_deletion(installation: Installation, export: str) -> None:
    """The recipient confirms that it deleted what was recalled."""
    export_files.acknowledge(installation, export)


def train(installation: Installation, release: str) -> int:
    """Trains a model on a release through the training gate and registers it; returns the number of
    consumed rows.
    """
    return tally_model.learn(
        installation, release, installation.config.data / "models" / MODEL, called=MODEL
    )
