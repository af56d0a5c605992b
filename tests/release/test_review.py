"""A sample of a release is read by people who are on record for it, says only what it may of the
whole, and two sign.
"""

from __future__ import annotations

import math
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from random import Random

import click
import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.cli.command import main
from licet.cli.release_sign import standing_text
from licet.cli.review import ANSWERS, QUESTION, FirstLetters
from licet.clock import utc_now
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import DeniedError, InputError, NotFoundError, RefusedError, UsageError
from licet.ledger.canonical_json import canonical
from licet.policy import period
from licet.proof import documents
from licet.release import card, catalog, manifest, review, signatures
from licet.release.folder_check import ReleasePromise
from licet.release.purge_verbs import purge_release
from licet.release.review import DrawnBy, ReviewFinding, bound, shuffle_numbers
from licet.release.signatures import StaffMember
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault import staff_reads
from licet.vault.ids import uuid7
from licet.vault.installation import Installation

from ..installed import House

PLANTED = "My name is Tilda Marr and I live behind the third lock"


def hired(
    house: House, name: str, *roles: str, via: str = "console", identity: bytes | None = None
) -> StaffMember:
    staff = uuid7(house.now, house.installation.keyring.random(10))
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, %s, %s, %s)",
            [staff, f"{name}@example.org", list(roles), house.now],
        )
    return StaffMember(
        staff_id=staff,
        email=f"{name}@example.org",
        roles=frozenset(roles),
        via=via,
        identity=identity,
    )


def lived_in(house: House, chats: int = 6) -> None:
    for n in range(chats):
        house.open(f"p{n}", allow=True)
        house.talk(f"p{n}", f"c{n}", PLANTED if n == 2 else f"how do pears grow, {n}", "slowly")
    release_build.build_release(house.installation, name="r", purpose="improve_models")


def read_all(
    house: House, reader: StaffMember, findings: dict[str, ReviewFinding] | None = None
) -> list[int]:
    """Reads to the end; a row that holds one of the texts gets its finding, every other
    `nothing`.
    """
    ordinals = []
    while (row := signatures.read_next(house.installation, "r", reader)) is not None:
        text = row.messages[0]["content"]
        found = next(
            (f for part, f in (findings or {}).items() if part in text), ReviewFinding.nothing
        )
        signatures.record_finding(house.installation, "r", reader, row.ordinal, found)
        ordinals.append(row.ordinal)
    return ordinals


def reviewed(house: House, chance: int = 6) -> StaffMember:
    reader = hired(house, "rae", "reviewer")
    signatures.draw(house.installation, "r", chance=chance, by_risk=0)
    read_all(house, reader)
    signatures.close(house.installation, "r")
    return reader


# The bound


def test_nothing_found_in_n_rows_bounds_the_share_by_about_three_over_n() -> None:
    """The rule of three (Hanley and Lippman-Hand, JAMA 249:1743, 1983) is the exact bound rounded
    up a little.
    """
    assert [bound(0, n).ppm for n in (100, 300, 3_000)] == [29_514, 9_937, 999]
    assert all(bound(0, n).ppm <= 3_000_000 / n for n in (3, 10, 100, 300, 3_000))
    assert bound(0, 0).ppm == 1_000_000


def test_what_nobody_read_is_counted_as_if_each_held_something() -> None:
    told = bound(1, 98, 2)
    assert (told.rows, told.unread, told.ppm) == (98, 2, bound(1, 98).ppm)
    assert told.worst_ppm == bound(3, 100).ppm > told.ppm
    assert bound(0, 50).worst_ppm == bound(0, 50).ppm
    assert "2 more were drawn and not read: as if each held something" in review.sentence(told)
    assert "not read" not in review.sentence(bound(0, 50))


@pytest.mark.parametrize(
    ("found", "rows"),
    [(0, 2), (0, 100), (1, 2), (1, 20), (1, 100), (2, 100), (5, 100), (10, 1_000), (99, 100)],
)
def test_something_found_gives_the_exact_bound(found: int, rows: int) -> None:
    """The least share, in a million, under which so few findings would come up less than once in
    twenty samples.
    """

    def at_most(ppm: int) -> Fraction:
        share = Fraction(ppm, 1_000_000)
        return sum(
            (math.comb(rows, n) * share**n * (1 - share) ** (rows - n) for n in range(found + 1)),
            start=Fraction(0),
        )

    ppm = bound(found, rows).ppm
    assert at_most(ppm) <= Fraction(1, 20) < at_most(ppm - 1)


@given(st.integers(1, 400), st.data())
@settings(deadline=None, max_examples=50)
def test_a_bound_never_lies_below_what_was_found_and_grows_with_it(
    rows: int, data: st.DataObject
) -> None:
    found = data.draw(st.integers(0, rows))
    assert bound(found, rows).ppm * rows >= found * 1_000_000 or bound(found, rows).ppm == 1_000_000
    assert found in (0, rows) or bound(found, rows).ppm <= bound(found + 1, rows).ppm
    assert bound(found, rows + 100).ppm <= bound(found, rows).ppm


@given(st.integers(0, 60), st.integers(0, 2**32))
def test_chance_names_every_row_once(count: int, seed: int) -> None:
    assert sorted(shuffle_numbers(Random(seed), count)) == list(range(count))


def test_chance_names_every_row_first_equally_often() -> None:
    firsts = Counter(next(shuffle_numbers(Random(seed), 10)) for seed in range(5_000))
    assert all(350 < firsts[n] < 650 for n in range(10))


def test_a_row_that_introduces_somebody_is_riskier_than_one_that_does_not() -> None:
    def scored(text: str) -> float:
        return review.risk([{"role": "user", "content": text}])

    assert scored(PLANTED) > scored("how do pears grow") == 0
    assert scored("write to a@b.example, 555123456") > scored("a list of fruit")


# Drawing and reading


def test_a_sample_has_what_chance_and_what_risk_chose(house: House) -> None:
    lived_in(house)
    signatures.draw(house.installation, "r", chance=2, by_risk=2)
    rows = house.query("SELECT ordinal, drawn_by FROM review_rows")
    assert sorted(by for _, by in rows) == ["chance"] * 2 + ["risk"] * 2
    assert len({ordinal for ordinal, _ in rows}) == 4
    reader = hired(house, "rae", "reviewer")
    words = []
    while (row := signatures.read_next(house.installation, "r", reader)) is not None:
        words.append(row.messages[0]["content"])
        signatures.record_finding(
            house.installation, "r", reader, row.ordinal, ReviewFinding.nothing
        )
    assert any("Tilda" in text for text in words)


def test_a_sample_that_asks_for_more_rows_than_there_are_has_them_all(house: House) -> None:
    lived_in(house)
    seen = signatures.draw(house.installation, "r")
    assert seen.sample is not None
    assert seen.sample.drawn == 6


def test_one_sample_of_a_release_is_open_at_a_time(house: House) -> None:
    lived_in(house)
    signatures.draw(house.installation, "r", chance=1)
    with pytest.raises(RefusedError, match="is open"):
        signatures.draw(house.installation, "r", chance=1)


def test_what_is_read_is_on_record_told_to_the_log_and_shown_to_its_person(house: House) -> None:
    lived_in(house)
    reader = hired(house, "rae", "reviewer")
    signatures.draw(house.installation, "r", chance=6, by_risk=0)
    read_all(house, reader)
    with transaction(house.installation.pool) as tx:
        for name, account in house.accounts.items():
            (read,) = staff_reads.newest(tx, 10, account=account)
            assert (read.reason, read.role, read.turns) == ("release_review", "reviewer", 2), name
    told = house.query("SELECT payload::json ->> 'reason' FROM outbox WHERE entry = 'content_read'")
    assert told == [("release_review",)] * 6


def test_who_has_no_role_for_it_reads_nothing(house: House) -> None:
    lived_in(house)
    signatures.draw(house.installation, "r", chance=1)
    for role in ("owner", "curator", "auditor"):
        with pytest.raises(DeniedError, match="may not read"):
            signatures.read_next(house.installation, "r", hired(house, role, role))
    assert house.query("SELECT count(*) FROM staff_reads") == [(0,)]


def test_a_row_that_was_withdrawn_since_is_out_of_reach_and_nobody_reads_it(house: House) -> None:
    lived_in(house)
    reader = hired(house, "rae", "reviewer")
    signatures.draw(house.installation, "r", chance=6, by_risk=0)
    house.choose("p0", False)
    house.about(do.Delete, "p2", "c2")
    assert len(read_all(house, reader)) == 4
    said = signatures.close(house.installation, "r").statement
    assert said is not None
    assert (said.chance.drawn, said.chance.read, said.chance.out_of_reach) == (6, 4, 2)
    assert said.bound == bound(0, 4, 2)
    assert house.query("SELECT count(*) FROM staff_reads") == [(4,)]


def test_a_finding_is_that_of_whoever_opened_the_row(house: House) -> None:
    lived_in(house)
    one, other = hired(house, "rae", "reviewer"), hired(house, "sam", "privacy_officer")
    signatures.draw(house.installation, "r", chance=2, by_risk=0)
    first, second = (signatures.read_next(house.installation, "r", each) for each in (one, other))
    assert first is not None
    assert second is not None
    assert first.ordinal != second.ordinal
    again = signatures.read_next(house.installation, "r", one)
    assert again is not None
    assert again.ordinal == first.ordinal  # what was opened and left comes first
    with pytest.raises(RefusedError, match="is not the one that"):
        signatures.record_finding(
            house.installation, "r", other, first.ordinal, ReviewFinding.nothing
        )
    with pytest.raises(UsageError):
        signatures.record_finding(
            house.installation, "r", one, first.ordinal, ReviewFinding.out_of_reach
        )


def test_no_content_is_in_a_repr_of_what_was_opened(house: House) -> None:
    lived_in(house)
    signatures.draw(house.installation, "r", chance=6, by_risk=0)
    row = signatures.read_next(house.installation, "r", hired(house, "rae", "reviewer"))
    assert "pears" not in repr(row)
    assert "Tilda" not in repr(row)


# Closing


def test_only_the_chance_part_carries_the_bound(house: House) -> None:
    def said(drawn_by: DrawnBy) -> review.ReviewStatement:
        rows = [(DrawnBy.chance, ReviewFinding.nothing)] * 99 + [
            (DrawnBy.risk, ReviewFinding.nothing)
        ] * 9
        return review.build_statement(
            release="0" * 32,
            manifest_sha256="0" * 64,
            review="0" * 32,
            drawn_at=house.now,
            closed_at=house.now,
            rows=[*rows, (drawn_by, ReviewFinding.name)],
            readers=1,
        )

    assert said(DrawnBy.risk).bound == bound(0, 99)
    assert said(DrawnBy.chance).bound == bound(1, 100)
    assert said(DrawnBy.risk).found == said(DrawnBy.chance).found == 1


def test_a_sample_is_not_closed_before_every_row_has_its_finding(house: House) -> None:
    lived_in(house)
    signatures.draw(house.installation, "r", chance=2)
    with pytest.raises(RefusedError, match="have no finding yet"):
        signatures.close(house.installation, "r")


def test_the_statement_lies_beside_the_manifest_and_the_card_tells_it(house: House) -> None:
    lived_in(house)
    folder = house.installation.config.releases / "r"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    reader = hired(house, "rae", "reviewer")
    signatures.draw(house.installation, "r", chance=6, by_risk=0)
    read_all(house, reader, {"Tilda": ReviewFinding.name})
    said = signatures.close(house.installation, "r").statement
    assert said is not None
    assert (said.bound.found, said.chance.findings, said.readers) == (1, {"name": 1}, 1)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {name for name in after if after[name] != before.get(name)} == {
        "README.md",
        "review.json",
    }
    stated = review.SIGNED.read(folder)
    assert stated is not None
    assert stated.sha256 in after["README.md"].decode()
    assert "with a `name`" in after["README.md"].decode()
    assert catalog.verify_release(house.installation, "r") == []
    assert signatures.get_standing(house.installation, "r").statement == said


def test_a_stranger_checks_the_statement_with_the_log_alone(house: House) -> None:
    lived_in(house)
    reviewed(house)
    documents.append(house.installation)
    folder = house.installation.config.releases / "r"
    own = verifier.trust(documents.key(house.installation).vkey)
    log = verifier.FolderFiles(documents.place(house.installation).folder / "2025")
    assert verifier.check_release(verifier.FolderFiles(folder), own, log).findings == []
    stated = review.SIGNED.read(folder)
    assert stated is not None
    other = review.SIGNED.encode(f"{stated.jws[:-8]}AAAAAAAA")
    (folder / "review.json").write_bytes(other)
    report = verifier.check_release(verifier.FolderFiles(folder), own, log)
    assert [f.place for f in report.findings] == ["review.json"]


def test_a_statement_that_was_not_made_here_or_does_not_follow_is_a_contradiction(
    house: House,
) -> None:
    lived_in(house)
    reviewed(house)
    folder = house.installation.config.releases / "r"
    stated = review.SIGNED.read(folder)
    assert stated is not None
    (folder / "review.json").write_bytes(review.SIGNED.encode(f"{stated.jws[:-8]}AAAAAAAA"))
    card.write(folder, manifest.read_manifest(folder)[0])
    assert [(c.file, c.promise) for c in catalog.verify_release(house.installation, "r")] == [
        ("review.json", ReleasePromise.REVIEW)
    ]
    (folder / "review.json").write_bytes(b'{"review":"a.b.c","v":1}')
    assert [(c.file, c.promise) for c in catalog.verify_release(house.installation, "r")] == [
        ("review.json", ReleasePromise.REVIEW)
    ]
    signatures.close(house.installation, "r")
    assert catalog.verify_release(house.installation, "r") == []


def test_a_bound_that_does_not_follow_from_its_counts_is_no_statement(house: House) -> None:
    from licet.proof.receipt import sign

    lived_in(house)
    reviewed(house)
    stated = review.SIGNED.read(house.installation.config.releases / "r")
    assert stated is not None
    told = msgspec.to_builtins(stated.statement.bound)
    for change in (
        {"bound": {**told, "ppm": 1}},
        {"bound": {**told, "worst_ppm": 1}},
        {"readers": "two"},
    ):
        payload = {**stated.statement.payload(), **change}
        with pytest.raises(InputError):
            review.SIGNED.decode(review.SIGNED.encode(sign(payload, b"k" * 32, review.SIGNED.typ)))


def test_a_statement_is_these_very_bytes() -> None:
    said = review.build_statement(
        release="a" * 32,
        manifest_sha256="b" * 64,
        review="c" * 32,
        drawn_at=period.instant("2025-09-01"),
        closed_at=period.instant("2025-09-02"),
        readers=2,
        rows=[
            (DrawnBy.chance, ReviewFinding.nothing),
            (DrawnBy.chance, ReviewFinding.out_of_reach),
            (DrawnBy.risk, ReviewFinding.name),
        ],
    )
    assert canonical(said.payload()).decode() == (
        '{"bound":{"confidence_percent":95,"found":0,"ppm":950001,"rows":1,"unread":1,"worst_ppm":974680},'
        '"chance":{"drawn":2,"findings":{},"out_of_reach":1,"read":1},"closed_at":"2025-09-02T00:00:00Z",'
        '"drawn_at":"2025-09-01T00:00:00Z",'
        f'"manifest_sha256":"{"b" * 64}","readers":2,"release":"{"a" * 32}","review":"{"c" * 32}","risk":{{"drawn":1,'
        '"findings":{"name":1},"out_of_reach":0,"read":1},"type":"licet-release-review","v":2}'
    )


# Signing off


def test_two_people_sign_a_release_off_and_one_never_does(house: House) -> None:
    lived_in(house)
    reviewed(house)
    one, other = hired(house, "cy", "curator", via="cli"), hired(house, "pam", "privacy_officer")
    assert not signatures.sign(house.installation, "r", one, names_in=True).signed_off
    with pytest.raises(RefusedError, match="has already signed it"):
        signatures.sign(house.installation, "r", one, names_in=True)
    seen = signatures.sign(house.installation, "r", other, names_in=True)
    assert seen.signed_off
    assert [(s.email, s.via) for s in seen.signatures] == [
        ("cy@example.org", "cli"),
        ("pam@example.org", "console"),
    ]
    told = house.query(
        "SELECT payload::json ->> 'signature' FROM outbox WHERE entry = 'release_signed' ORDER BY 1"
    )
    assert told == [("1",), ("2",)]
    documents.append(house.installation)
    own = verifier.trust(documents.key(house.installation).vkey)
    log = verifier.FolderFiles(documents.place(house.installation).folder / "2025")
    assert verifier.check_log(log, own, (), verifier.new_story(own.origin)).findings == []


def asking_for_two(house: House) -> Installation:
    config = house.installation.config
    web = msgspec.structs.replace(config.web, second_identity=True)
    return msgspec.structs.replace(
        house.installation, config=msgspec.structs.replace(config, web=web)
    )


def test_two_addresses_without_two_identities_are_one_persons_word(house: House) -> None:
    lived_in(house)
    reviewed(house)
    one, other = hired(house, "cy", "curator"), hired(house, "pam", "privacy_officer")
    signatures.sign(house.installation, "r", one, names_in=True)
    seen = signatures.sign(house.installation, "r", other, names_in=True)
    assert (seen.signed_off, seen.second_identity) == (True, False)
    assert standing_text(seen).endswith("signed off, not confirmed by a second identity")
    asked = asking_for_two(house)
    assert not signatures.get_standing(asked, "r").signed_off
    assert standing_text(signatures.get_standing(asked, "r")).endswith(
        "not signed off: not confirmed by a second identity"
    )
    with pytest.raises(RefusedError, match="takes two identities") as refused:
        signatures.sign(asked, "r", hired(house, "di", "curator"), names_in=True)
    assert (refused.value.because, "OIDC_ISSUER" in refused.value.hint) == ("one_identity", True)
    first, second = (
        msgspec.structs.replace(who, identity=bytes([n]) * 32) for n, who in enumerate((one, other))
    )
    assert not signatures.sign(asked, "r", first, names_in=True).signed_off
    # one identity under another address
    with pytest.raises(RefusedError, match="already signed it"):
        signatures.sign(
            asked, "r", msgspec.structs.replace(second, identity=first.identity), names_in=True
        )
    seen = signatures.sign(asked, "r", second, names_in=True)
    assert (seen.signed_off, seen.second_identity) == (True, True)
    assert [one.has_identity for one in seen.signatures] == [True, True]
    told = house.query(
        "SELECT payload::json ->> 'signature' FROM outbox WHERE entry = 'release_signed' ORDER BY 1"
    )
    assert told == [("1",), ("2",)], "an identity that comes later is no other signature"


def test_a_second_reader_of_the_first_ones_identity_is_given_nothing(house: House) -> None:
    lived_in(house)
    signatures.draw(house.installation, "r", chance=2)
    own, others = bytes(32), bytes([1]) * 32
    read_all(house, hired(house, "rae", "reviewer", identity=own))
    same = hired(house, "sam", "reviewer", identity=own)
    assert signatures.rows_for_second(house.installation, "r", same) == 0
    assert signatures.read_next(house.installation, "r", same, second=True) is None
    with pytest.raises(RefusedError, match="takes two identities"):
        signatures.read_next(
            asking_for_two(house), "r", hired(house, "tim", "reviewer"), second=True
        )
    for name, identity in (("ula", None), ("vic", others)):
        reader = hired(house, name, "reviewer", identity=identity)
        row = signatures.read_next(house.installation, "r", reader, second=True)
        assert row is not None
        signatures.record_finding(
            house.installation, "r", reader, row.ordinal, ReviewFinding.nothing, second=True
        )
    seen = signatures.get_standing(house.installation, "r").sample
    assert seen is not None
    assert (seen.agreement.rows, seen.agreement.rows_confirmed) == (2, 1)


def test_a_release_that_fails_a_check_cannot_be_signed(house: House) -> None:
    lived_in(house)
    reviewed(house)
    part = house.installation.config.releases / "r" / "part-00000.parquet"
    part.write_bytes(part.read_bytes() + b"\0")
    with pytest.raises(RefusedError, match="checks fail") as refused:
        signatures.sign(house.installation, "r", hired(house, "cy", "curator"), names_in=True)
    assert refused.value.because == "failed_check"
    assert house.query("SELECT * FROM sign_offs") == []


def test_what_was_not_reviewed_or_is_being_reviewed_cannot_be_signed(house: House) -> None:
    lived_in(house)
    signer = hired(house, "cy", "curator")
    with pytest.raises(RefusedError, match="nobody has reviewed the release"):
        signatures.sign(house.installation, "r", signer, names_in=True)
    signatures.draw(house.installation, "r", chance=1)
    with pytest.raises(RefusedError, match="a sample of the release is open"):
        signatures.sign(house.installation, "r", signer, names_in=True)
    with pytest.raises(DeniedError, match="may not sign"):
        signatures.sign(house.installation, "r", hired(house, "rae", "reviewer"), names_in=True)


def test_another_review_asks_for_both_signatures_again(house: House) -> None:
    lived_in(house)
    reader = reviewed(house)
    one, other = hired(house, "cy", "curator"), hired(house, "pam", "privacy_officer")
    signatures.sign(house.installation, "r", one, names_in=True)
    assert signatures.sign(house.installation, "r", other, names_in=True).signed_off
    house.passes(1)
    assert not signatures.draw(house.installation, "r", chance=1).signed_off
    read_all(house, reader)
    assert signatures.close(house.installation, "r").signatures == ()
    assert not signatures.sign(house.installation, "r", one, names_in=True).signed_off


def test_a_purge_leaves_the_review_and_both_signatures_as_they_are(house: House) -> None:
    lived_in(house)
    reviewed(house)
    for name in ("cy", "di"):
        signatures.sign(house.installation, "r", hired(house, name, "curator"), names_in=True)
    house.about(do.Delete, "p2", "c2")
    house.passes(40)
    sweeper.sweep(house.installation)
    assert signatures.get_standing(house.installation, "r", count_dead=True).rows_dead == 1
    purge_release(house.installation, "r")
    seen = signatures.get_standing(house.installation, "r", count_dead=True)
    assert (seen.signed_off, seen.rows_purged, seen.rows_dead) == (True, 1, 0)
    assert catalog.verify_release(house.installation, "r") == []


def test_any_copy_gets_the_statement_and_nothing_that_was_never_sealed_is_reviewed(
    house: House, tmp_path: Path
) -> None:
    lived_in(house)
    copy = shutil.copytree(house.installation.config.releases / "r", tmp_path / "copy")
    reviewed(house)
    signatures.close(house.installation, str(copy))
    assert (copy / "review.json").read_bytes() == (
        house.installation.config.releases / "r" / "review.json"
    ).read_bytes()
    assert catalog.verify_release(house.installation, str(copy)) == []
    with pytest.raises(NotFoundError):
        signatures.draw(house.installation, "never")


# The command


@pytest.mark.parametrize("word", ANSWERS)
def test_an_answer_is_a_word_or_the_first_letters_that_no_other_has(word: str) -> None:
    kind = FirstLetters(ANSWERS)
    assert word in QUESTION
    for length in range(1, len(word) + 1):
        typed = word[:length]
        if [other for other in ANSWERS if other.startswith(typed)] == [word]:
            assert kind.convert(f" {typed.upper()} ", None, None) == word
        else:
            with pytest.raises(click.BadParameter, match=rf"`{typed}`: it can be .*{word}"):
                kind.convert(typed, None, None)


@pytest.mark.parametrize("typed", ["", " ", "x", "nothings", "out_of_reach"])
def test_an_answer_that_is_no_word_is_asked_for_again(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="it is none of nothing, name"):
        FirstLetters(ANSWERS).convert(typed, None, None)


def test_the_command_reviews_from_the_draw_to_both_signatures(
    pool: Pool, dsn: str, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data", at=utc_now())
    lived_in(house)
    runner = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        result = runner.invoke(main, [*arguments], input=typed)
        return result.exit_code, result.output

    for name, role in (("rae", "reviewer"), ("cy", "curator"), ("di", "privacy_officer")):
        assert run("staff", "add", f"{name}@example.org", "--role", role)[0] == 0
    assert run("staff", "add", "ed@example.org", "--role", "owner")[0] == 64
    assert run("release", "status", "r")[0] == 1
    assert "0 of 6 rows" in run("review", "r", "--chance", "5", "--risk", "1")[1]
    code, said = run("review", "r", "--by", "rae@example.org", typed="no\nNA\nst\n")
    assert (code, QUESTION in said) == (0, True)
    assert "stopped" in said
    code, said = run("review", "r", "--by", "rae@example.org", typed="\n" * 4)
    assert (code, "every row has its finding" in said) == (0, True)
    assert "found 1 name" in run("review", "r", "--close")[1]
    assert run("release", "sign", "r", "--by", "nobody@example.org")[0] == 1
    assert run("release", "sign", "r", "--by", "cy@example.org", "--names-in")[0] == 0
    assert run("release", "sign", "r", "--by", "cy@example.org", "--names-in")[0] == 1
    assert run("release", "sign", "r", "--by", "di@example.org", "--names-in")[0] == 0
    assert run("release", "status", "r", "--json")[0] == 0
    assert "at most" in run("release", "show", "r")[1]
    assert '"signed_off": true' in run("release", "show", "r", "--json")[1]
    assert run("release", "purge", "r", "--dry-run")[0] == 0


def test_of_two_that_sign_or_close_at_once_each_is_told_once(house: House) -> None:
    lived_in(house)
    reader = hired(house, "rae", "reviewer")
    signatures.draw(house.installation, "r", chance=2, by_risk=0)
    read_all(house, reader)
    signers = [hired(house, name, "curator") for name in ("cy", "di", "ed")]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: signatures.close(house.installation, "r"), range(3)))
        list(
            threads.map(
                lambda signer: signatures.sign(house.installation, "r", signer, names_in=True),
                signers,
            )
        )
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'release_reviewed'") == [(1,)]
    told = house.query(
        "SELECT payload::json ->> 'signature' FROM outbox WHERE entry = 'release_signed' ORDER BY 1"
    )
    assert told == [("1",), ("2",), ("3",)]
