"""An entry tells strangers closed words only, and commits to the rest under a nonce that dies with
the account's key.
"""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from licet import verifier
from licet.errors import BrokenError
from licet.keys.keyring import Keyring
from licet.keys.log_keys import log_key
from licet.keys.material import FileProvider
from licet.ledger import entries
from licet.ledger.canonical_json import canonical
from licet.ledger.entries import PUBLISHED, OutboxRow
from licet.ledger.outbox import EntryKind
from licet.policy.period import instant
from licet.store.connect import Pool, transaction
from licet.vault import commands as do

from .office import HOST, PLANTED, Office

KEY = bytes(range(32))
ACCOUNT = UUID(int=7)
AT = instant("2026-03-01T10:15:31.117Z")
CHOICE = OutboxRow(
    outbox_id=5,
    account=ACCOUNT,
    kind="choice",
    occurred_at=AT,
    facts={"allow": True, "effect": "began", "version": 0, "seq": 2, "conversation": "ab" * 16},
)

restricted = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(restricted)
def test_canonical_json_is_what_a_second_encoder_writes(value: object) -> None:
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value) == again.encode()


@pytest.mark.parametrize("value", [1.5, 2**53, {"é": 1}, b"bytes", {1: 2}, [AT]])
def test_canonical_json_takes_nothing_that_encoders_write_differently(value: object) -> None:
    with pytest.raises(BrokenError):
        canonical(value)


def test_the_bytes_of_an_entry_are_pinned() -> None:
    assert entries.encode(CHOICE, KEY, AT, bytes) == (
        b'{"at":"2026-03-01T10:15:31.117000Z",'
        b'"commit":"1dcc424cd3d3461e0a75c0fa3133e23cbb7559b5649c9f75faf13b66ad90dce1",'
        b'"facts":{"allow":true,"effect":"began","version":0},"logged":"2026-03-01T10:15:31.117000Z",'
        b'"t":"choice","v":1,"who":"59318b3f5436a5df23d2bfa473d908ef7f269d5bdbaa3fbcaba79386197ee224"}'
    )


def test_the_handle_of_a_conversation_is_pinned_and_told_only_where_it_is_needed() -> None:
    pinned = "4e36e82a46f96287c3093f84a32e89342ca87ebdaf9ed9bb039a703291a67b84"
    assert (
        entries.conversation_pseudonym(entries.derive_salt(KEY), UUID(bytes=b"\xab" * 16)) == pinned
    )
    deleted = msgspec.structs.replace(CHOICE, kind="deleted")
    assert json.loads(entries.encode(deleted, KEY, AT, bytes))["facts"] == {"handle": pinned}
    assert json.loads(entries.encode(deleted, None, AT, bytes))["facts"] == {}
    assert "handle" not in json.loads(entries.encode(CHOICE, KEY, AT, bytes))["facts"]


def test_the_bytes_of_an_entry_about_a_question_and_a_project_are_pinned() -> None:
    facts = {
        "allow": True,
        "effect": "began",
        "version": 0,
        "seq": 2,
        "question": "models",
        "scope": "project",
        "project": "ab" * 16,
        "kept": "1,2",
    }
    row = msgspec.structs.replace(CHOICE, facts=facts)
    pinned = "d5f9e49a60d2e5af31781667b493ed9176e31ed9c9de0f78c37ea6a6bf8b430d"
    assert entries.project_pseudonym(entries.derive_salt(KEY), UUID(bytes=b"\xab" * 16)) == pinned
    assert entries.encode(row, KEY, AT, bytes) == (
        b'{"at":"2026-03-01T10:15:31.117000Z",'
        b'"commit":"92935032413e8c5bbea155284bda8a034d7c823c8a8f59547ec4aee55d12b586",'
        b'"facts":{"allow":true,"effect":"began","project":"' + pinned.encode() + b'",'
        b'"question":"models","scope":"project","version":0},"logged":"2026-03-01T10:15:31.117000Z",'
        b'"t":"choice","v":1,"who":"59318b3f5436a5df23d2bfa473d908ef7f269d5bdbaa3fbcaba79386197ee224"}'
    )


@pytest.mark.parametrize(
    "told", ["choice", "grant_begun", "grant_affirmed", "grant_stands", "project_kept_out"]
)
def test_an_id_of_a_project_or_a_conversation_is_told_as_a_pseudonym_of_its_scope_alone(
    told: str,
) -> None:
    ids = {"project": "ab" * 16, "conversation": "cd" * 16}
    for scope in ("account", "project", "conversation"):
        row = msgspec.structs.replace(
            CHOICE, kind=told, facts={"scope": scope, "question": "models", **ids}
        )
        facts = json.loads(entries.encode(row, KEY, AT, bytes))["facts"]
        about = {"project": {"project"}, "conversation": {"handle"}, "account": set[str]()}[scope]
        assert facts.keys() & {"handle", "project"} == (
            {"project"} if told == "project_kept_out" else about
        )
        assert not set(ids.values()) & set(facts.values())
        assert not json.loads(entries.encode(row, None, AT, bytes))["facts"].keys() & {
            "handle",
            "project",
        }


def test_the_log_key_of_a_year_is_pinned() -> None:
    info = b"licet/log/v1" + ACCOUNT.bytes + (2026).to_bytes(2, "big")
    assert log_key(KEY, ACCOUNT, 2026) == HKDFExpand(SHA256(), 32, info).derive(KEY)
    assert (
        log_key(KEY, ACCOUNT, 2026).hex()
        == "ecc0921696982da65febd5068781828ca67b452d2d02c979f9d546cf92941da8"
    )
    assert (
        log_key(KEY, ACCOUNT, 2026)
        != log_key(KEY, ACCOUNT, 2025)
        != log_key(KEY, UUID(int=8), 2025)
    )


def test_every_kind_says_which_facts_it_publishes() -> None:
    assert set(PUBLISHED) == set(EntryKind)


def test_only_listed_facts_are_told_and_the_others_are_committed_to() -> None:
    told = json.loads(entries.encode(CHOICE, KEY, AT, bytes))
    assert set(told["facts"]) == {"allow", "effect", "version"}
    opened = entries.commitment(
        entries.derive_nonce(KEY, 5), canonical(entries.private_record(CHOICE))
    )
    assert told["commit"] == opened
    assert entries.private_record(CHOICE)["facts"] == CHOICE.facts


@given(st.sampled_from(sorted(PUBLISHED)), st.text(st.characters(codec="ascii")), st.text())
def test_no_sentence_is_ever_told(told: str, name: str, text: str) -> None:
    names = {*PUBLISHED[told], name}
    row = OutboxRow(
        outbox_id=1,
        account=ACCOUNT,
        kind=told,
        occurred_at=AT,
        facts=dict.fromkeys(names, f"{text} spoken"),
    )
    assert json.loads(entries.encode(row, KEY, AT, bytes))["facts"] == {}


def test_a_listed_fact_without_a_value_is_not_told() -> None:
    allow, word = CHOICE.facts["allow"], "version"
    row = msgspec.structs.replace(CHOICE, facts={"allow": allow, word: None})
    assert entries.public_facts(row) == {"allow": allow}


def test_what_belongs_to_nobody_names_nobody() -> None:
    row = OutboxRow(
        outbox_id=1,
        account=None,
        kind="policy_applied",
        occurred_at=AT,
        facts={"number": 0, "by": "someone"},
    )
    told = json.loads(entries.encode(row, None, AT, bytes))
    assert set(told) == {"v", "t", "at", "logged", "facts"}
    assert told["facts"] == {"number": 0}


def test_the_same_words_of_two_rows_commit_to_different_bytes() -> None:
    other = OutboxRow(
        outbox_id=6, account=ACCOUNT, kind="choice", occurred_at=AT, facts=CHOICE.facts
    )
    told = [json.loads(entries.encode(row, KEY, AT, bytes)) for row in (CHOICE, other)]
    assert told[0]["commit"] != told[1]["commit"]
    assert entries.derive_nonce(KEY, 5) != entries.derive_nonce(KEY, 6)


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(FileProvider(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def office(pool: Pool, keyring: Keyring, tmp_path: Path) -> Office:
    return Office.opened(pool, keyring, tmp_path)


def test_no_content_no_host_id_and_no_id_of_ours_is_in_the_logs_folders(office: Office) -> None:
    ana = office.account(HOST)
    office.choose(ana, True)
    said = do.AddTurn(
        account=ana,
        at=office.tick(),
        host_conversation=b"\xc0" * 16,
        host_turn=b"\xd0" * 16,
        content=PLANTED.encode(),
    )
    office.tell(said)
    with transaction(office.pool) as tx:
        conversation, host = tx.execute(
            "SELECT conversation_id, a.host_hmac FROM conversations JOIN account_hosts a "
            "USING (account_id)"
        ).fetchone()
    about = {"account": ana, "conversation": conversation}
    office.tell(do.Narrow(at=office.tick(), **about), do.Flag(at=office.tick(), score=0.5, **about))
    office.tell(
        do.Hold(at=office.tick(), matter=PLANTED, **about), do.Delete(at=office.tick(), **about)
    )
    office.sequence()
    assert len(office.entries()) == 8
    stored = b"".join(
        path.read_bytes() for path in sorted(office.base.rglob("*")) if path.is_file()
    )
    assert b'"t":"deleted"' in stored
    for secret in (PLANTED.encode(), HOST.encode(), b"people.example"):
        assert secret not in stored
    for hidden in (ana.bytes, conversation.bytes, host, b"\xc0" * 16, b"\xd0" * 16):
        assert hidden not in stored
        assert hidden.hex().encode() not in stored


def test_an_account_that_was_erased_is_spoken_of_under_no_name(office: Office) -> None:
    ana = office.account(HOST)
    office.sequence()
    office.choose(ana, True)
    office.destroy_key(ana)
    office.sequence()
    before, after = office.entries()[1], office.entries()[2:]
    assert "who" in before
    assert [("who" in entry, len(entry["commit"])) for entry in after] == [(False, 64)] * 2
    assert office.report().ok


def test_the_verifier_knows_every_kind_and_every_fact_that_is_told() -> None:
    known = {
        kind: {field.partition(":")[0] for field in fields.split()}
        for kind, fields in verifier.KINDS.items()
    }
    assert known == {str(kind): set(facts) for kind, facts in PUBLISHED.items()}
