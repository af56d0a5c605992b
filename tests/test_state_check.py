"""The oracle sees: a lived state is sound, and each invariant that is broken on purpose is
named.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from licet.access import inbox_register, sessions
from licet.access.inbox_register import ItemSubject
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest
from licet.keys.restriction_journal import Journal
from licet.policy.state import Share, TurnRole
from licet.proof import documents
from licet.store.connect import Pool, StatementError, open_pool, transaction
from licet.vault import commands as do

from .conftest import Databases
from .erasure.verbs import build
from .installed import House
from .journals import KEY
from .state_check import INVARIANTS, check_all, faults, in_restrictions, in_tables

# One way to break each invariant, by an operator's hand in the database: no trigger and no
# reference stands in its way.
BREAKS = {
    "what is counted as it changes is what a recount says": "UPDATE content_counts SET items = items + 1",
    "an item of the inbox has its steps": "UPDATE inbox_items SET steps = steps + 1",
    "who has an item took it or was handed it": "UPDATE inbox_steps SET step = 'noted'",
    "a step is of the account of its item": "UPDATE inbox_steps SET (account_id, tells) = (NULL, false)",
    (
        "the host's ids name the accounts, each by one; one that is closed may have lost its own"
    ): "DELETE FROM account_hosts",
    "what no index holds over all accounts is given once": """
        INSERT INTO release_runs SELECT gen_random_uuid(), release_id, first, origins,
          conversations, sources
          FROM release_runs""",
    "an account's events are numbered without a gap": "UPDATE accounts SET last_seq = last_seq + 1",
    "time never decreases along an account's order, but for recorded turns under no grant": """
        UPDATE journal SET occurred_at = occurred_at - interval '1 year' WHERE seq > 1""",
    "time never decreases along a conversation's turns": """
        UPDATE blocks SET times = overlay(times PLACING '\\x00' FROM 2) WHERE first_turn > 1""",
    "positions follow an account's order": "UPDATE journal SET position = 7",
    "a choice stands in the journal": "DELETE FROM journal WHERE event = 'choice'",
    "a grant in force was begun by a choice": "DELETE FROM choices WHERE effect = 'began'",
    "the grants in force are counted": "DELETE FROM scoped_grants",
    "a grant's number is given once in its account": "UPDATE scoped_grants SET grant_no = 9",
    "a grant's scope is not kept out, deleted or incognito": "UPDATE projects SET kept_out_at = now()",
    "a segment's grants were begun by its account": "UPDATE segments SET grants = '{9}' WHERE grants <> '{}'",
    "a segment is of no more than its turns' origins": "UPDATE segments SET origins = 'typed,upload'",
    "segments cover their turns": "UPDATE segments SET last_turn = last_turn + 1",
    "a conversation knows the segment that decides": "UPDATE conversations SET deciding = deciding + 1",
    "a narrowing is one that has been": "UPDATE segments SET narrowing = 1 WHERE grants <> '{}'",
    "content has its key": "UPDATE segments SET key_slot = NULL",
    "a turn is in one block": """UPDATE blocks SET (roles, times, hosts, sizes) =
        (roles || roles, times || times, hosts || hosts, sizes || sizes) WHERE first_turn = 1""",
    "the host's id of a turn is of one turn": (
        "UPDATE blocks SET hosts = decode(repeat('5a', length(hosts)), 'hex')"
    ),
    "a block has some content, or none and no sizes": (
        "UPDATE blocks SET sizes = decode(repeat('00', length(sizes)), 'hex')"
    ),
    "a safety copy has its key": "UPDATE segments SET safety_slot = NULL",
    "a copy of feedback has its key": "UPDATE feedback SET key_slot = NULL",
    "what lives has one key of its own, and it is there": "UPDATE segments SET key_slot = 0 WHERE key_slot IS NOT NULL",
    "a key that nothing names is destroyed": "UPDATE feedback SET key_slot = NULL",
    "a deleted conversation ends with its longest period": "UPDATE segments SET keep_until = '2099-01-01'",
    "nothing is kept longer than a turn could have dated it": "UPDATE segments SET keep_until = '2099-01-01'",
    "what was never under a grant is kept no longer than without one": (
        "UPDATE segments SET grants = '{}', keep_until = keep_until + interval '1 year';"
        " UPDATE conversations SET deciding_grants = '{}'"
    ),
    "what no grant in force covers is kept no longer than from the last ending": (
        "UPDATE standings SET grant_no = NULL; DELETE FROM scoped_grants"
    ),
    "a closed account's content ends with its longest period": """UPDATE accounts SET (closed_at, in_force) = (last_at, 0);
        UPDATE segments SET keep_until = '2099-01-01'""",
    "feedback is kept no longer than the policy allows": "UPDATE feedback SET keep_until = keep_until + interval '1 second'",
    "a safety copy is kept no longer than the policy allows": "UPDATE segments SET safety_until = '2099-01-01'",
    "what a hold keeps is not erased": "UPDATE segments SET (erased_at, key_slot) = ('2026-01-01', NULL)",
    "every copy is registered": "UPDATE copies SET ended_at = now()",
    "every registered copy is there": "DELETE FROM blocks",
    "where names were found is kept with its segment": """INSERT INTO found_names (account_id,
        conversation_id, segment, sealed)
        SELECT account_id, conversation_id, 99, '\\x00' FROM conversations LIMIT 1""",
    "a request's steps are numbered without a gap, from its receipt": "DELETE FROM rights_steps WHERE step_no = 0",
    "a request ended with the step that says so": "UPDATE rights_requests SET (state, ended_at) = ('answered', now())",
    "what was written without an account has its key until it is forgotten": "DELETE FROM secrets WHERE name LIKE 'request%'",
    "the log's leaves are numbered without a gap": "UPDATE logs SET size = size + 1",
}


PROJECT = do.ChosenScope(host_project=b"orchard")


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return lived_in(pool, tmp_path)


@pytest.fixture(scope="module")
def sound(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all that only look, or take back what they break."""
    with open_pool(databases()) as pool:
        yield lived_in(pool, tmp_path_factory.mktemp("sound"))


def lived_in(pool: Pool, folder: Path) -> House:
    """Somebody who allowed, was flagged, gave feedback and deleted; somebody who withdrew, and
    allowed a project; a request with an account and one without; a release and a log."""
    made = House(pool, folder)
    made.open("ana", allow=True)
    made.open("bo", allow=True)
    for chat in ("pears", "plums"):
        made.talk("ana", chat)
        made.talk("bo", f"bo's {chat}")
    made.passes(1)
    made.about(do.Flag, "ana", "pears", score=0.9)
    made.about(do.Hold, "ana", "pears", matter="case 7")
    made.about(do.GiveFeedback, "ana", "pears", rating="up", share=Share.conversation)
    made.say("ana", "plums", "and once more", TurnRole.user)
    documents.append(made.installation)
    build(made, "first")
    made.about(do.Delete, "ana", "plums")
    made.choose("bo", False)
    made.tell(do.Choose(account=made.accounts["bo"], at=made.now, allow=True, scope=PROJECT))
    for account in (made.accounts["ana"], None):
        asked = EnteredRequest(
            kind=RightKind.access, words="everything", identity="a passport", account=account
        )
        name = rights_requests.enter(made.installation, asked, "staff:ada@example.org").shown_id
        with transaction(made.installation.pool) as tx:
            staff = sessions.find_or_add_staff(tx, "ada@example.org", made.now, os.urandom)
            about = ItemSubject(item=f"request:{name}", account=account)
            inbox_register.take_item(tx, made.installation.keyring, about, staff, made.now, "mine")
    documents.append(made.installation)
    return made


def test_a_lived_state_is_sound(sound: House) -> None:
    assert faults(sound.installation) == []
    check_all(sound.installation)


def test_every_invariant_of_the_tables_is_broken_once() -> None:
    assert set(BREAKS) == set(INVARIANTS)


@pytest.mark.parametrize("invariant", BREAKS)
def test_a_broken_invariant_is_named(sound: House, invariant: str) -> None:
    with sound.installation.pool.connection() as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL session_replication_role = replica")
        assert in_tables(conn) == []
        conn.execute(BREAKS[invariant])
        assert invariant in {fault.partition(": ")[0] for fault in in_tables(conn)}


@pytest.mark.state_is_broken("files and leaves are taken away")
def test_what_the_files_lack_is_named(house: House) -> None:
    shutil.rmtree(house.installation.config.releases / "first")
    assert faults(house.installation) == ["every sealed release has its folder: first"]
    with transaction(house.installation.pool) as tx:
        tx.execute("UPDATE logs SET decided = decided + 50, size = size + 50")
    assert any(
        fault.startswith("the log's files are as long") for fault in faults(house.installation)
    )


@pytest.mark.state_is_broken("the database knows another root than the log's")
def test_a_root_that_is_not_that_of_the_leaves_is_named(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        tx.execute("UPDATE logs SET root = sha256('another')")
    assert faults(house.installation) == ["the log's root is the one that the database knows: 2025"]


def test_what_the_restriction_journal_lacks_is_named(house: House) -> None:
    """A house of the tests has no restriction journal; one that began today holds nothing of
    before.
    """
    with (
        closing(Journal(house.installation.config.data / "another", key=KEY)) as journal,
        transaction(house.installation.pool) as tx,
    ):
        kinds = {fault.rpartition(" ")[2] for fault in in_restrictions(tx, journal, 0)}
    assert kinds == {"refused", "deleted"}


def test_two_refusals_of_one_instant_are_two_and_each_is_missed(pool: Pool, tmp_path: Path) -> None:
    """Also where an age came with the first alone: it is in that one's record."""
    made = House(pool, tmp_path / "data")
    made.open("ana", allow=True)
    journal = made.installation.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    for question, age in (("training", 20), (None, None)):
        told = do.Choose(
            account=made.accounts["ana"], at=made.now, allow=False, question=question, age=age
        )
        assert made.tell(told)[0].aged == (age is not None)
    records = list(journal.records())
    assert len(records) == 2
    with transaction(made.installation.pool) as tx:
        assert in_restrictions(tx, journal, records[0].life) == []
        for kept in records:
            with closing(Journal(tmp_path / f"without {kept.seq}", key=KEY)) as partial:
                partial.append([kept])
                found = in_restrictions(tx, partial, kept.life)
            # The second answers all questions, and so stands for the first; the first answers one
            # of one.
            assert found == (
                [] if kept.question and kept.age else [f"{_LACKS} {made.accounts['ana']} age"]
            ), kept
    journal.close()


_LACKS = "the restriction journal holds what was taken back:"


def test_the_schema_lets_no_broken_reference_in(house: House) -> None:
    """What `BREAKS` goes around: the references stand where nobody switches them off."""
    with pytest.raises(StatementError, match="fkey"), transaction(house.installation.pool) as tx:
        tx.execute("DELETE FROM conversations")
