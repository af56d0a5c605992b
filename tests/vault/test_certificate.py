"""An erasure ends with a certificate that says where content was, and that nothing was found
there.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from licet import doctor, verifier
from licet.cli.command import main
from licet.curate import release_build
from licet.erasure import certificates, recall_register, recipient_answers, sweep_batches, sweeper
from licet.erasure.certificates import ErasureStatus, UnloggedErasure
from licet.errors import BrokenError, NotFoundError, RefusedError, UsageError
from licet.ledger.note import SignatureType, Signer
from licet.ledger.publication import PublishedLog
from licet.policy.state import Share
from licet.proof import documents
from licet.service import staff_lists, verification
from licet.store.connect import transaction
from licet.vault import certificate, holds
from licet.vault import commands as do
from licet.vault.certificate import ErasureState, WaitsFor
from licet.vault.ids import Prefix, parse
from licet.vault.simulated_clock import SimulatedClock, save

from ..installed import DAY, House
from ..verifier.shipped import run, saved

UNKNOWN = "era_" + "0" * 32


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    house.talk("ana", "other")
    return house


def owed(house: House, name: str = "ana") -> list[ErasureStatus]:
    return certificates.list_by_account(house.installation, house.accounts[name])


def certified(house: House, name: str) -> dict[str, Any]:
    file = json.loads(certificates.certificate_file(house.installation, name))
    body = file["certificate"].split(".")[1]
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "==="))
    return payload


def test_a_deletion_owes_a_certificate_from_its_commit_and_has_none_before_its_keys_died(
    house: House,
) -> None:
    house.about(do.Delete, "ana", "chat")
    (seen,) = owed(house)
    assert (seen.state, seen.keys_left, seen.due_at) == (
        ErasureState.fenced,
        1,
        house.now + 30 * DAY,
    )
    assert certificates.advance_erasures(house.installation).certificates == 0
    with pytest.raises(RefusedError, match="no certificate yet"):
        certificates.certificate_file(house.installation, seen.erasure)
    house.passes(30)
    sweeper.sweep(house.installation)
    (seen,) = owed(house)
    assert (seen.state, seen.shredded_at, seen.verified_at) == (
        ErasureState.verified,
        house.now,
        house.now,
    )
    assert [place["place"] for place in certified(house, seen.erasure)["places"]] == ["vault"]


def test_deleting_twice_owes_one_certificate(house: House) -> None:
    house.about(do.Delete, "ana", "chat")
    house.about(do.Delete, "ana", "chat")
    assert len(owed(house)) == 1


def test_an_unknown_id_is_an_error_and_never_a_success(house: House) -> None:
    for asked in (
        lambda: certificates.status(house.installation, UNKNOWN),
        lambda: certificates.advance_erasures(house.installation, only=UNKNOWN),
        lambda: certificates.certificate_file(house.installation, UNKNOWN),
        lambda: recall_register.acknowledge(house.installation, UNKNOWN, "hand_" + "0" * 32),
        lambda: certificates.status(house.installation, "nonsense"),
    ):
        with pytest.raises(NotFoundError):
            asked()


def test_it_can_go_at_once_and_leaves_what_was_not_asked_for(house: House) -> None:
    house.about(do.Delete, "ana", "chat")
    assert certificates.advance_erasures(house.installation, at_once=True).certificates == 1
    live = house.query(
        "SELECT count(*) FROM blocks WHERE sealed IS NOT NULL AND conversation_id = %s",
        house.chats["other"],
    )
    gone = house.query(
        "SELECT count(*) FROM blocks WHERE sealed IS NOT NULL AND conversation_id = %s",
        house.chats["chat"],
    )
    assert (live, gone) == ([(2,)], [(0,)])


def test_a_closure_is_certified_over_every_place_and_takes_the_accounts_own_keys(
    house: House,
) -> None:
    house.tell(
        do.GiveFeedback(
            account=house.accounts["ana"],
            at=house.now,
            conversation=house.chats["chat"],
            rating="up",
            share=Share.conversation,
            turn=0,
        )
    )
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    handout = recall_register.hand_out(house.installation, "one", "lab-one")
    assert handout == recall_register.hand_out(house.installation, "one", "lab-one")
    house.account(do.CloseAccount, "ana")
    certificates.advance_erasures(house.installation, at_once=True)
    documents.append(house.installation)
    certificates.advance_erasures(house.installation)
    (seen,) = owed(house)
    said = certified(house, seen.erasure)
    looked = {"at": said["verified"], "left": 0}
    assert [(p["place"], p["done"], p["read_back"]) for p in said["places"]] == [
        ("feedback", "erased", looked),
        ("release", "refused", looked),
        ("vault", "erased", looked),
    ]
    assert said["cause"] == "closure"
    assert said["conversation"] is None
    assert [one["recipient"] for one in said["recipients"]] == ["lab-one"]
    assert not any(house.query("SELECT wrapped_key FROM accounts")[0][0])
    assert house.rows("one") == []


def test_a_closure_waits_for_the_log_with_the_key_of_its_leaves_and_with_no_other(
    house: House,
) -> None:
    """Died that key before the log took its leaves, they named nobody, and a release of before did
    not verify.
    """
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    house.account(do.CloseAccount, "ana")
    house.passes(31)
    sweeper.sweep(house.installation)
    (seen,) = owed(house)
    assert (seen.state, seen.keys_left, seen.waits_for) == (ErasureState.swept, 0, WaitsFor.log)
    assert house.query("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL") == [(0,)]
    assert house.query("SELECT count(key_slot) FROM segments") == [(0,)]
    assert not any(
        page for (page,) in house.query("SELECT trim(BYTEA '\\x00' FROM slots) FROM key_pages")
    )
    assert any(house.query("SELECT wrapped_key FROM accounts")[0][0]), (
        "the key under which its leaves are told"
    )
    with pytest.raises(RefusedError, match="no certificate yet"):
        certificates.certificate_file(house.installation, seen.erasure)
    assert certificates.count_unlogged(house.installation) == UnloggedErasure(
        closures=1, since=house.now
    )
    assert [
        one.what
        for one in doctor.examine(house.installation)
        if "wait until their leaves are in the log" in one.seen
    ] == ["closures"]

    sweeper.sweep(house.installation)
    assert owed(house)[0].state is ErasureState.swept, "again, and nothing has sequenced"
    documents.append(house.installation)
    house.passes(1)
    sweeper.sweep(house.installation)
    (seen,) = owed(house)
    assert (seen.state, seen.verified_at, seen.waits_for) == (
        ErasureState.verified,
        house.now,
        None,
    )
    assert not any(house.query("SELECT wrapped_key FROM accounts")[0][0])
    assert house.query("SELECT count(*) FROM key_pages") == [(0,)]
    documents.append(house.installation)
    named = house.query(
        "SELECT count(*) FROM outbox WHERE account_id IS NOT NULL AND index IS NULL"
    )
    assert named == [(0,)]
    folder, log = (
        house.installation.config.releases / "one",
        documents.place(house.installation).folder,
    )
    assert (
        verification.verify(folder, (documents.key(house.installation).vkey,), log=log).broken == ()
    )
    assert certificates.count_unlogged(house.installation) == UnloggedErasure(
        closures=0, since=None
    )


def test_a_place_in_the_log_is_not_the_log(house: House) -> None:
    """A crash between the two: the sequencer tells the leaf anew, under a key that must be there
    still.
    """
    documents.append(house.installation)
    house.account(do.CloseAccount, "ana")
    certificates.advance_erasures(house.installation, at_once=True)
    (last,) = house.query("SELECT max(size) FROM logs")[0]
    with transaction(house.installation.pool) as tx:
        tx.execute(
            """UPDATE outbox o SET (log_year, index) = (l.log_year, l.size + k.place) FROM logs l,
                      (SELECT outbox_id, row_number() OVER (ORDER BY outbox_id) - 1 AS place
                        FROM outbox
                        WHERE index IS NULL) k WHERE o.outbox_id = k.outbox_id"""
        )
        key = documents.key(house.installation)
        root = PublishedLog(
            documents.place(house.installation).folder / str(house.now.year), key
        ).checkpoint.root
        tx.execute(
            "UPDATE logs SET (decided, root, size) = (size, %s, (SELECT max(index) + 1 FROM "
            "outbox))",
            [root],
        )
    assert house.query("SELECT decided < size FROM logs") == [(True,)]
    certificates.advance_erasures(house.installation)
    assert owed(house)[0].waits_for is WaitsFor.log
    documents.append(house.installation)
    assert house.query("SELECT size > %s FROM logs", last) == [(True,)]
    certificates.advance_erasures(house.installation)
    assert owed(house)[0].state is ErasureState.verified


def test_a_safety_copy_is_listed_with_its_own_end(house: House) -> None:
    house.about(do.Flag, "ana", "chat", score=0.9)
    release_build.build_release(house.installation, name="safety", purpose="safety_classifiers")
    house.about(do.Delete, "ana", "chat")
    certificates.advance_erasures(house.installation, at_once=True)
    places = {p["place"]: p for p in certified(house, owed(house)[0].erasure)["places"]}
    until = house.query("SELECT safety_until FROM conversations WHERE safety_until IS NOT NULL")[0][
        0
    ]
    assert places["safety"]["kept_until"] == until.isoformat().replace("+00:00", "Z")
    assert places["safety"]["done"] == "kept" and places["safety"]["read_back"]["left"] > 0
    assert places["vault"]["kept_until"] is None


def test_of_two_safety_copies_the_later_end_is_listed(house: House) -> None:
    house.about(do.Flag, "ana", "chat", score=0.9)
    house.passes(10)
    house.about(do.Flag, "ana", "other", score=0.9)
    ends = house.query(
        "SELECT safety_until FROM segments WHERE safety_until IS NOT NULL ORDER BY 1"
    )
    assert ends[0] < ends[1]
    house.account(do.CloseAccount, "ana")
    certificates.advance_erasures(house.installation, at_once=True)
    documents.append(house.installation)
    certificates.advance_erasures(house.installation)
    places = {place["place"]: place for place in certified(house, owed(house)[0].erasure)["places"]}
    assert places["safety"]["kept_until"] == ends[1][0].isoformat().replace("+00:00", "Z")


def test_a_legal_hold_survives_everything_and_its_end_erases_what_is_overdue(house: House) -> None:
    house.about(do.Hold, "ana", "chat", matter="kettles")
    house.about(do.Delete, "ana", "chat")
    house.passes(31)
    sweeper.sweep(house.installation)
    certificates.advance_erasures(house.installation, at_once=True)
    (seen,) = owed(house)
    assert (seen.state, seen.held) == (ErasureState.fenced, True)
    assert house.query(
        "SELECT count(*) FROM blocks WHERE sealed IS NOT NULL AND conversation_id = %s",
        house.chats["chat"],
    ) == [(2,)]
    house.about(do.Unhold, "ana", "chat", matter="kettles")
    sweeper.sweep(house.installation)  # within the hour
    assert [(seen.cause.value, seen.state) for seen in owed(house)] == [
        ("deletion", ErasureState.verified),
        ("hold_released", ErasureState.verified),
    ]


def test_a_hold_whose_matter_forbids_telling_is_shown_to_staff_and_not_to_its_person(
    house: House,
) -> None:
    for chat, is_told in (("chat", True), ("other", False)):
        house.about(do.Hold, "ana", chat, matter="kettles", is_told=is_told)
        house.about(do.Delete, "ana", chat)
        house.passes(1)
    ana = house.accounts["ana"]
    staff, person = (
        certificates.list_by_account(house.installation, ana, for_person=one)
        for one in (False, True)
    )
    assert [seen.held for seen in staff] == [True, True]
    assert [seen.held for seen in person] == [True, False]
    alone = [
        certificates.status(house.installation, seen.erasure, for_person=True).held
        for seen in staff
    ]
    assert alone == [True, False]


def test_the_end_of_a_hold_over_what_is_not_overdue_owes_nothing(house: House) -> None:
    house.about(do.Hold, "ana", "chat", matter="kettles")
    house.about(do.Unhold, "ana", "chat", matter="kettles")
    assert owed(house) == []


def test_of_a_hold_that_ended_only_rows_of_what_had_come_to_its_end_are_told(house: House) -> None:
    """Of a conversation under a hold one segment was over when the hold ended, and one was not."""
    house.open("ben", allow=True)
    house.talk("ben", "bens")
    house.account(do.SetPlan, "ana", plan="max")
    house.say("ana", "chat", "said under another plan")
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    chat, other = house.chats["chat"], house.chats["other"]
    (release,) = house.query("SELECT release_id FROM releases")[0]
    ended = house.now + DAY

    def told(chat: UUID, over: int, segments: list[int], *places: str) -> list[int] | None:
        """What is told of chat's rows, made of ``segments``, where of all it has segment ``over``
        alone was over.
        """
        keys = zip(segments, places or ["vault"] * len(segments), strict=True)
        made = bytes((0, len(segments), *(n * 2 + (place == "safety") for n, place in keys)))
        with transaction(house.installation.pool) as tx:
            tx.execute("UPDATE segments SET keep_until = %s", [ended + DAY])
            tx.execute(
                "UPDATE segments SET keep_until = %s WHERE conversation_id = %s AND segment = %s",
                [ended, chat, over],
            )
            tx.execute(
                """UPDATE release_runs r SET sources[p.place] = set_byte(%(made)s, 0,
                     get_byte(sources[p.place], 0))
                     FROM (SELECT first, array_position(conversations, %(chat)s) AS place
                       FROM release_runs) p
                    WHERE p.first = r.first AND p.place IS NOT NULL""",
                {"made": made, "chat": house.chats["chat"]},
            )
            of = certificate.ErasureRecord(
                account=house.accounts["ana"],
                erasure=UUID(int=1),
                conversation=house.chats["chat"],
                cause=certificate.ErasureCause.hold_released,
                state=ErasureState.fenced,
                requested_at=ended,
                fenced_at=ended,
                shredded_at=None,
                swept_at=None,
                verified_at=None,
            )
            found = certificate.rows_by_release(tx, of)
            tx.rollback()
        return found.get(release)

    (row,) = house.query("SELECT ordinal FROM release_rows WHERE conversation_id = %s", chat)[0]
    assert told(chat, 0, [0]) == [row]
    assert told(chat, 1, [0, 1]) == [row]
    assert told(chat, 1, [0]) is None, "the row was made of what is kept on"
    assert told(other, 0, [0]) is None, "another conversation's end"
    assert told(house.chats["bens"], 0, [0]) is None, "another account's end"
    assert told(chat, 0, [0], "safety") is None, "what rests on a safety copy dies with that"
    assert told(chat, 0, [0, 0], "vault", "safety") == [row]


def test_of_a_deletion_every_row_of_it_is_told_and_no_other(house: House) -> None:
    house.open("ben", allow=True)
    house.talk("ben", "bens")
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    ((release, row),) = house.query(
        "SELECT release_id, ordinal FROM release_rows WHERE conversation_id = %s",
        house.chats["chat"],
    )
    house.about(do.Delete, "ana", "chat")
    house.account(do.CloseAccount, "ben")
    (deletion,), (closure,) = owed(house), owed(house, "ben")
    (bens,) = house.query(
        "SELECT ordinal FROM release_rows WHERE account_id = %s", house.accounts["ben"]
    )
    with transaction(house.installation.pool) as tx:
        for seen, rows in ((deletion, [row]), (closure, list(bens))):
            of = certificate.get(tx, parse(Prefix.erasure, seen.erasure))
            assert certificate.rows_by_release(tx, of) == {release: rows}


@pytest.mark.state_is_broken("a page of keys comes back")
def test_what_is_left_anywhere_is_found_and_nothing_is_certified(house: House) -> None:
    house.about(do.Delete, "ana", "chat")
    house.passes(30)
    (page,) = house.query(
        "SELECT slots FROM key_pages WHERE account_id = %s", house.accounts["ana"]
    )
    swept_without_a_certificate(house)
    with transaction(house.installation.pool) as tx:
        tx.execute("UPDATE key_pages SET slots = %s", [page[0]])  # as if a page had come back
    with pytest.raises(BrokenError, match="still in the place `vault`"):
        certificates.advance_erasures(house.installation)
    assert owed(house)[0].state is ErasureState.swept


def swept_without_a_certificate(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        while sweep_batches.sweep_batch(tx, house.now).more:
            pass


def test_a_place_that_nobody_can_read_back_is_never_certified(house: House) -> None:
    house.about(do.Delete, "ana", "chat")
    with transaction(house.installation.pool) as tx:
        of = certificate.get(tx, parse(Prefix.erasure, owed(house)[0].erasure))
        tx.execute("ALTER TABLE copies DROP CONSTRAINT place_is_known")
        tx.execute(
            "UPDATE copies SET place = 'attic' WHERE conversation_id = %s", [house.chats["chat"]]
        )
        with pytest.raises(ValueError, match="attic"):
            certificate.read_back(tx, of, {})
        tx.rollback()


def test_an_overdue_recall_is_shown_until_it_is_acknowledged(house: House) -> None:
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    handout = recall_register.hand_out(house.installation, "one", "lab-one")
    house.about(do.Delete, "ana", "chat")
    certificates.advance_erasures(house.installation)
    (recall,) = recall_register.list_recalls(house.installation)
    assert (recall.recipient, recall.handout, recall.overdue) == ("lab-one", handout, False)
    house.passes(15)
    assert certificates.status(house.installation, recall.erasure).overdue == 1
    done = recall_register.acknowledge(house.installation, recall.erasure, handout)
    assert (done.acknowledged_at, done.overdue) == (house.now, False)
    assert recall_register.list_recalls(house.installation) == []
    with pytest.raises(NotFoundError):
        recall_register.acknowledge(house.installation, recall.erasure, "hand_" + "0" * 32)


def test_an_answer_is_kept_only_if_its_recipient_signed_it(house: House, tmp_path: Path) -> None:
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    handout = recall_register.hand_out(house.installation, "one", "lab-one")
    house.about(do.Delete, "ana", "chat")
    certificates.advance_erasures(house.installation)
    (recall,) = recall_register.list_recalls(house.installation)
    lab, other = (Signer("lab-one", SignatureType.ed25519, bytes([seed]) * 32) for seed in (1, 2))

    def acknowledged(signer: Signer, erasure: str) -> None:
        signed = recipient_answers.sign(signer, erasure, handout, house.now)
        recall_register.acknowledge(house.installation, recall.erasure, handout, signed)

    with pytest.raises(RefusedError, match="no key of `lab-one` is registered"):
        acknowledged(lab, recall.erasure)
    with pytest.raises(UsageError, match="no key of a recipient"):
        recipient_answers.register(
            house.installation, Signer("Lab/One", SignatureType.ed25519, bytes(32)).verifier.vkey
        )
    recipient_answers.register(house.installation, lab.verifier.vkey)
    for signer, erasure, match in (
        (other, recall.erasure, "did not sign"),
        (lab, UNKNOWN, "another recall"),
    ):
        with pytest.raises(RefusedError, match=match):
            acknowledged(signer, erasure)
    assert recall_register.list_recalls(house.installation) == [recall]
    acknowledged(lab, recall.erasure)
    assert recall_register.list_recalls(house.installation) == []


def test_holds_and_standing_flags_are_listed_with_the_day_of_their_review(
    house: House, dsn: str
) -> None:
    house.about(do.Hold, "ana", "chat", matter="kettles")
    house.about(do.Flag, "ana", "other", score=0.9)
    (flag,) = staff_lists.list_flags(house.installation)
    assert (flag.review_at - house.now, flag.overdue) == (timedelta(days=90), False)
    listed = ["hold", "list", "--data", str(house.installation.config.data)]
    run = CliRunner(env={"LICET_DATABASE_URL": dsn})
    for days, code, overdue in ((0, 0, [False, False]), (100, 1, [False, True])):
        house.passes(days)
        save(house.installation.config.data, SimulatedClock(house.now))
        done = run.invoke(main, listed)
        assert (done.exit_code, ["OVERDUE" in line for line in done.stdout.splitlines()]) == (
            code,
            overdue,
        )
    answer = json.loads(run.invoke(main, [*listed, "--json"]).stdout)
    assert [one["conversation"] for one in (*answer["holds"], *answer["flags"])] == [
        *done.stdout.split()[:1],
        flag.conversation,
    ]


def test_holds_are_counted_by_conversation_and_by_their_review(house: House) -> None:
    first = house.now
    for chat, matter in (("chat", "kettles"), ("chat", "irons")):
        house.about(do.Hold, "ana", chat, matter=matter, review_at=first + 30 * DAY)
    house.about(do.Hold, "ana", "other", matter="pans", review_at=first + 60 * DAY)
    found = {}
    for days in (29, 30, 60):
        with transaction(house.installation.pool) as tx:
            found[days] = holds.counts(tx, first + days * DAY)
    assert [one.overdue for one in found.values()] == [0, 2, 3]
    assert {(one.holds, one.conversations, one.first_review) for one in found.values()} == {
        (3, 2, first + 30 * DAY)
    }


def test_of_a_hold_that_is_ended_and_placed_again_at_once_the_last_words_hold(house: House) -> None:
    """In one batch: the hold is reviewed, ended and placed anew. What was said of it before it
    ended is past.
    """
    first, again = do.HoldReason.litigation, do.HoldReason.investigation
    on = {
        "account": house.accounts["ana"],
        "at": house.now,
        "conversation": house.chats["chat"],
        "matter": "kettles",
    }
    house.tell(do.Hold(**on, reason=first, review_at=house.now + 10 * DAY))
    house.tell(
        do.Hold(**on, reason=first, review_at=house.now + 20 * DAY),
        do.Unhold(**on),
        do.Hold(**on, reason=again, review_at=house.now + 30 * DAY),
    )
    with transaction(house.installation.pool) as tx:
        (held,) = holds.list_disclosed(tx, house.accounts["ana"], [house.chats["chat"]])
    assert (held.reason, held.review_at) == (again, house.now + 30 * DAY)


# For strangers


@pytest.fixture
def file(house: House) -> bytes:
    house.about(do.Delete, "ana", "chat")
    certificates.advance_erasures(house.installation, at_once=True)
    documents.append(house.installation)
    return certificates.certificate_file(house.installation, owed(house)[0].erasure)


def broken(raw: bytes, house: House) -> list[str]:
    report = verifier.check_certificate(raw, verifier.trust(documents.key(house.installation).vkey))
    return [finding.promise for finding in report.findings]


def test_the_strangers_verifier_takes_it_alone(house: House, file: bytes, tmp_path: Path) -> None:
    assert broken(file, house) == []
    path = tmp_path / "certificate.json"
    path.write_bytes(file)
    assert (
        run(
            saved(tmp_path), "certificate", path, "--key", documents.key(house.installation).vkey
        ).returncode
        == 4
    )
    assert verification.verify(path, (documents.key(house.installation).vkey,)).broken == ()


def test_it_refuses_what_was_changed_or_is_another_paper(house: House, file: bytes) -> None:
    parts = json.loads(file)
    receipt = documents.receipts(house.installation, house.accounts["ana"])[0]

    def written(**changes: object) -> bytes:
        return (
            json.dumps(
                {**parts, **changes}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
            ).encode()
            + b"\n"
        )

    assert broken(written(), house) == []
    assert broken(written(entry=None, proof=None), house) == []
    head, body, signature = parts["certificate"].split(".")
    payload = base64.urlsafe_b64decode(body + "===").replace(b'"deletion"', b'"closure"')
    forged = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    for lie in (
        written(certificate=f"{head}.{forged}.{signature}"),
        written(certificate=receipt.receipt),
        written(proof=None),
        written(entry=receipt.entry, proof=receipt.proof),
        written(v=2),
        file[:-1],
        b"{}\n",
        b"\xff\n",
    ):
        assert broken(lie, house), lie


def test_the_log_tells_a_salted_hash_and_no_id(house: House, file: bytes) -> None:
    entry = json.loads(json.loads(file)["entry"])
    assert set(entry) == {"at", "facts", "logged", "t", "v"}
    assert set(entry["facts"]) == {"sha256"}
