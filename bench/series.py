"""The next release of a series where 2 % of the conversations went on, built from the one before,
beside a whole build of the same data: processor time of the process and of the database.

Each is built twice by turns, under the default detection of names and without any. Taking part in
both: every turn is decided, every row sealed, registered and proved again, and duplicates are
elected again.

    python -m bench series [TURNS]
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from uuid import UUID

import msgspec

from bench import NO_NAMES, Row
from bench.building import SAID, TURNS_A_CONVERSATION, TURNS_AN_ACCOUNT, fill, installed, spent
from licet.config import Curate
from licet.curate import release_build
from licet.policy.state import TurnRole
from licet.store.connect import transaction
from licet.vault import commands, verbs
from licet.vault.content import Content, encode
from licet.vault.installation import Installation

CHANGED_EACH, ROUNDS = 50, 2
SETTINGS = {"names off": NO_NAMES, "names by what ships": Curate(names="built-in")}


def go_on(installation: Installation, accounts: Sequence[UUID], turns: int) -> None:
    """One conversation of fifty gets a question and an answer more."""
    queue: list[commands.Command] = []
    for number in range(0, turns // TURNS_A_CONVERSATION, CHANGED_EACH):
        account = accounts[number * TURNS_A_CONVERSATION // TURNS_AN_ACCOUNT]
        for role in (TurnRole.user, TurnRole.assistant):
            content = encode(
                Content(
                    text=(
                        f"and then {number} more words that {role} says of the harvest of year "
                        f"{number}"
                    )
                )
            )
            host = number.to_bytes(16, "big")
            queue.append(
                commands.AddTurn(
                    account=account, at=SAID, host_conversation=host, role=role, content=content
                )
            )
    verbs.apply_commands(installation, queue)


def main(arguments: list[str]) -> list[Row]:
    """Microseconds a turn: carried, whole, and the ratio."""
    turns = int(arguments[0]) if arguments else 10_000
    return [row for what, curate in SETTINGS.items() for row in measured(turns, what, curate)]


def measured(turns: int, what: str, curate: Curate) -> list[Row]:
    with installed(curate) as installation:
        accounts = fill(installation, turns, Random(1))
        release_build.build_release(installation, name="autumn", purpose="improve_models")
        go_on(installation, accounts, turns)
        with transaction(installation.pool) as tx:
            tx.execute("ANALYZE")
        costs: dict[str | None, list[tuple[float, float]]] = {None: [], "autumn": []}
        carried = 0.0
        for number in range(ROUNDS):
            for base, found in costs.items():
                before = spent(installation)
                name = f"{base or 'whole'}-{number}"
                built = release_build.build_release(
                    installation, name=name, purpose="improve_models", base=base
                )
                found.append(
                    tuple(
                        1e6 * (now - then) / turns
                        for now, then in zip(spent(installation), before, strict=True)
                    )
                )
                if built.manifest.base is not msgspec.UNSET:
                    carried = built.manifest.base.carried / built.manifest.rows
    (whole, whole_database), (next_one, database) = (
        [sum(part) / ROUNDS for part in zip(*found, strict=True)] for found in costs.values()
    )
    cost, floor = next_one + database, whole + whole_database
    return [
        Row(
            f"{turns:,} turns, {what}: from a base of which {carried:.1%} of the rows are "
            "carried, beside whole, us a turn",
            f"{cost:.0f}, of it {database:.0f} of the database",
            f"{floor:.0f}, of it {whole_database:.0f} of the database",
            f"{floor / cost:.2f}",
        )
    ]
