"""A release proves itself: strangers decide every row again, and a person finds what became of a
conversation.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.cli import proof as cli_proof
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import BusyError, RefusedError
from licet.ledger import entries, publication
from licet.policy.file import from_document
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.proof import handles as finding
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.proof_lines import write_lines
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import load_policies

from ..installed import House
from ..terms import preset
from .test_build import Meddling, build

IMPROVE, SAFETY = "improve_models", "safety_classifiers"
PLANTED = "the lamp over the ferry door is called Ilse"


@pytest.fixture(params=["article-2025", "strict"])
def house(pool: Pool, tmp_path: Path, request: pytest.FixtureRequest) -> House:
    return lived_in(House(pool, tmp_path / "data", preset(request.param), at=instant("2025-09-01")))


def lived_in(house: House) -> House:
    """Ana's yes with much that happens to her chats; Ben's no; Eva's flag, and her no after it."""
    for name, allow in (("ana", True), ("ben", False), ("eva", True)):
        house.open(name, allow=allow)
    for chat in ("kept", "out", "back", "gone", "dull"):
        house.say("ana", chat, f"about {chat}: {PLANTED}")
        house.say("ana", chat, "an answer", role=TurnRole.assistant)
    house.say("ana", "kept", "rows of a table", role=TurnRole.tool)
    house.about(do.Narrow, "ana", "out")
    house.about(do.Narrow, "ana", "back")
    house.about(do.Widen, "ana", "back")
    house.passes(1)
    house.say("ana", "back", "and on")
    house.about(do.Delete, "ana", "gone")
    house.say("ben", "no", "not for you")
    house.say("eva", "bad", "a scam")
    house.about(do.Flag, "eva", "bad")
    house.choose("eva", False)
    house.passes(1)
    return house


def built(house: House, purpose: str = IMPROVE, name: str = "r") -> BuildResult:
    return release_build.build_release(house.installation, name=name, purpose=purpose)


def findings(house: House, one: BuildResult, year: int = 2025) -> list[str]:
    """What the strangers' verifier finds, with the log published now; where it finds nothing, all
    is proved.
    """
    documents.append(house.installation)
    log = verifier.FolderFiles(house.installation.config.data / "log" / str(year))
    trusted = verifier.trust(documents.key(house.installation, year).vkey)
    report = verifier.check_release(verifier.FolderFiles(one.folder), trusted, log)
    assert report.answer == ("contradicted" if report.findings else "proved"), report.lacks
    return [f"{found.place}: {found.promise}" for found in report.findings]


def lines(one: BuildResult, name: str) -> list[dict[str, Any]]:
    packed = (one.folder / f"proof/{name}.jsonl.gz").read_bytes()
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


@pytest.mark.parametrize("purpose", [IMPROVE, SAFETY])
def test_strangers_decide_every_row_again(house: House, purpose: str) -> None:
    one = built(house, purpose)
    assert one.manifest.rows == (3 if purpose == IMPROVE else 4)
    assert findings(house, one) == []
    assert len(lines(one, "rows")) == one.manifest.rows
    places = {source["because"] for row in lines(one, "rows") for source in row["sources"]}
    assert places == ({"permitted", "flagged"} if purpose == SAFETY else {"permitted"})


def test_a_release_of_which_nothing_may_be_used_is_proved_too(house: House) -> None:
    house.choose("ana", False)
    one = built(house, name="empty")
    assert (one.manifest.rows, len(one.manifest.parts)) == (0, 0)
    assert lines(one, "candidates") != []
    assert findings(house, one) == []


def test_what_happens_after_the_seal_changes_no_proof(house: House) -> None:
    one = built(house)
    house.choose("ana", False)
    house.about(do.Delete, "ana", "kept")
    house.passes(40)
    sweeper.sweep(house.installation)
    assert findings(house, one) == []


@pytest.mark.parametrize("deed", [do.Narrow, do.Delete])
def test_a_row_sealed_after_its_end_is_found(house: House, deed: type[do.Narrow]) -> None:
    """The leaf of a later end, told before the release's decision: as if the operator had not taken
    the row out.
    """
    one = built(house)
    house.about(deed, "ana", "kept")
    with transaction(house.installation.pool) as tx:  # the order in which the log takes the rows
        for told in ("release_decided", "release_sealed"):
            tx.execute("UPDATE outbox SET outbox_id = DEFAULT WHERE entry = %s", [told])
    (found,) = findings(house, one)
    assert found.startswith("row ") and ("kept out" in found or "was deleted" in found)


def test_a_grant_of_the_year_before_is_told_once_before_the_release(house: House) -> None:
    documents.append(house.installation)
    house.passes(150)
    assert house.now.year == 2026
    one, two = built(house), built(house, name="second")
    assert one.manifest.rows == two.manifest.rows > 0
    assert findings(house, one, 2026) == findings(house, two, 2026) == []
    log = publication.PublishedLog(
        house.installation.config.data / "log" / "2026", documents.key(house.installation, 2026)
    )
    told = [json.loads(entry)["t"] for entry in log.entries()]
    assert told == [
        "policy_stands",
        "carried",
        "grant_stands",
        *(["release_decided", "release_sealed"] * 2),
    ]


def test_a_grant_of_the_year_before_is_told_with_the_version_that_was_answered(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "data", preset("article-2025"), at=instant("2025-09-01"))
    document = {
        **preset("article-2025").document(),
        "decide_by": None,
        "version": "next",
        "effective": "2025-09-05",
    }
    policy_changes.apply_policy(house.installation, from_document(document), actor="test")
    house.passes(10)
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    house.passes(150)
    one = built(house)
    assert findings(house, one, 2026) == []
    log = publication.PublishedLog(
        house.installation.config.data / "log" / "2026", documents.key(house.installation, 2026)
    )
    told = [json.loads(entry) for entry in log.entries()]
    assert [one["facts"]["version"] for one in told if one["t"] == "grant_stands"] == [1]


def test_a_row_that_stays_is_proved_as_it_stands_after_what_happened_while_it_was_built(
    pool: Pool, tmp_path: Path
) -> None:
    house = lived_in(House(pool, tmp_path / "data", preset("strict"), at=instant("2025-09-01")))
    one = build(house, cleaner=Meddling(lambda: house.choose("ana", False, question="safety")))
    assert one.manifest.rows > 0
    assert findings(house, one) == []


def test_the_proofs_hold_no_content_no_id_of_ours_and_no_instant(house: House) -> None:
    one = built(house, SAFETY)
    for file in (one.folder / "proof").iterdir():
        text = gzip.decompress(file.read_bytes()).decode()
        assert PLANTED not in text
        for uuid in (*house.accounts.values(), *house.chats.values()):
            assert uuid.hex not in text and str(uuid) not in text
        assert "T0" not in text.replace('"effective":"2025-08-28T00:00:00Z"', "")


def test_a_person_finds_their_conversation_or_that_it_is_not_there(house: House) -> None:
    one = built(house)
    mine = finding.handles(house.installation, house.accounts["ana"])

    def sought(chat: str) -> finding.LogSearch:
        return finding.search_release(
            one.folder, format_id(Prefix.conversation, house.chats[chat]), mine.salt
        )

    kept = sought("kept")
    assert (kept.turns_in, kept.turns_out, kept.why, len(kept.rows)) == (2, 1, {"origin": 1}, 1)
    assert sought("out").text.splitlines()[0] == "out: 2 turns were left out: 2 for `narrowed`"
    assert sought("out").answer == "not proved"
    assert sought("gone").why == {"deleted": 2}
    hidden = finding.search_release(
        one.folder, mine.conversations[format_id(Prefix.conversation, house.chats["out"])]
    )
    assert (
        hidden.text.splitlines()[0]
        == "out: 2 turns were left out: 2 for reasons that need its salt"
    )
    absent = finding.search_release(one.folder, "5" * 64)
    assert (absent.candidate, absent.rows) == (False, ())
    assert absent.text.splitlines()[0] == "out: none of its turns was a candidate"


def test_a_stranger_checks_a_persons_proof_with_the_manifest_alone(
    house: House, tmp_path: Path
) -> None:
    one = built(house)
    mine = finding.handles(house.installation, house.accounts["ana"])
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "manifest.json").write_bytes((one.folder / "manifest.json").read_bytes())
    for chat in ("kept", "out", "gone"):
        name = format_id(Prefix.conversation, house.chats[chat])
        whole = finding.search_release(one.folder, name, mine.salt)
        kept = tmp_path / "proof.json"
        kept.write_text(json.dumps(whole.proof))
        assert finding.search_release(alone, name, mine.salt, kept) == whole
        hidden = whole.proof | {"rows": [], "candidates": []}
        kept.write_text(json.dumps(hidden))
        assert "no line is missing" in finding.search_release(alone, name, mine.salt, kept).text


def test_a_salt_is_the_accounts_own_and_opens_nobody_elses(house: House) -> None:
    one = built(house)
    mine = finding.handles(house.installation, house.accounts["ana"])
    documents.append(house.installation)
    payload: Any = documents.receipts(house.installation, house.accounts["ana"])[0].payload
    assert (payload["log"]["salt"], payload["log"]["who"]) == (mine.salt, mine.who)
    assert verifier.pseudonym(bytes.fromhex(mine.salt)) == mine.who
    bens = finding.handles(house.installation, house.accounts["ben"])
    handle = mine.conversations[format_id(Prefix.conversation, house.chats["out"])]
    assert finding.search_release(one.folder, handle, bens.salt).broken == (
        ("proof", "the salt opens the committed reasons"),
    )
    handle = mine.conversations[format_id(Prefix.conversation, house.chats["kept"])]
    assert "its person's pseudonym" in finding.search_release(one.folder, handle, bens.salt).text


def test_when_the_key_is_dead_nobody_makes_the_handles_again(house: House) -> None:
    one = built(house)
    documents.append(house.installation)
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "UPDATE accounts SET wrapped_key = %s WHERE account_id = %s",
            [bytes(60), house.accounts["ana"]],
        )
    with pytest.raises(RefusedError, match="erased"):
        finding.handles(house.installation, house.accounts["ana"])
    assert findings(house, one) == []


def test_two_years_of_a_conversation_have_no_name_in_common(house: House) -> None:
    ana = house.accounts["ana"]
    one, two = (finding.handles(house.installation, ana, year) for year in (2025, 2026))
    assert one.who != two.who and one.salt != two.salt
    assert not set(one.conversations.values()) & set(two.conversations.values())


def test_a_build_over_the_new_year_is_not_sealed(house: House) -> None:
    house.now = instant("2025-12-31T23:59:59Z")

    class Slow(release_build.RuleCleaner):
        def clean(self, texts: Any, key: bytes) -> Any:
            house.now = instant("2026-01-01T00:00:01Z")
            return super().clean(texts, key)

    installation = house.installation
    builder = Builder(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        Slow(),
        installation.clock,
    )
    with pytest.raises(BusyError, match="new year"):
        builder.run(
            BuildOrder(
                name="r",
                purpose=IMPROVE,
                folder=installation.config.releases / "r",
                software="test",
            )
        )


def test_the_command_says_in_or_out_and_exits_1_on_a_contradiction(house: House) -> None:
    one = built(house)
    mine = finding.handles(house.installation, house.accounts["ana"])
    name = format_id(Prefix.conversation, house.chats["kept"])

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(
            cli_proof.verify, ["release", str(one.folder), *words], standalone_mode=False
        )
        assert done.exception is None, done.exception
        return done.return_value, done.output

    documents.append(house.installation)
    told = (
        "--log",
        str(house.installation.config.data / "log"),
        "--key",
        documents.key(house.installation).vkey,
    )
    bare = run("--conversation", name, "--salt", mine.salt)
    assert (bare[0], bare[1].startswith("in: 2 turns, in row "), "no log was given" in bare[1]) == (
        3,
        True,
        True,
    )
    code, said = run("--conversation", name, "--salt", mine.salt, *told)
    assert (code, said.startswith("in: 2 turns, in row ")) == (0, True)
    code, said = run("--conversation", "5" * 64, *told)
    assert (code, said.startswith("out: ")) == (0, True)
    kept = one.folder.parent / "kept.json"
    kept.write_text(run("--conversation", name, "--salt", mine.salt, *told, "--json")[1])
    assert run("--conversation", name, "--salt", mine.salt, "--proof", str(kept), *told)[0] == 0
    path = one.folder / "proof/rows.jsonl.gz"
    path.write_bytes(
        gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"typed":1', b'"typed":2', 1))
    )
    code, said = run("--conversation", name, "--salt", mine.salt)
    assert code == 1 and said.startswith("contradiction: proof/rows.jsonl.gz")


@settings(deadline=None)
@given(st.sets(st.integers(0, 400), max_size=40), st.integers(0, 400), st.data())
def test_a_sorted_tree_proves_presence_and_absence_and_never_both(
    tmp_path_factory: pytest.TempPathFactory, present: set[int], asked: int, data: st.DataObject
) -> None:
    """For every set of handles; and a proof with a line left out, moved or of another handle is not
    believed.
    """
    folder = tmp_path_factory.mktemp("tree")
    (folder / "proof").mkdir()
    handle = entries.commitment(b"", b"%d" % asked)
    candidates = sorted(entries.commitment(b"", b"%d" % n) for n in present)
    made = [
        json.dumps(
            {"conversation": h, "in": 0, "out": {"origin": 1}, "salted": {}, "v": 1},
            separators=(",", ":"),
        )
        for h in candidates
    ]
    proof = {
        name: write_lines(folder, f"proof/{name}.jsonl.gz", [line.encode() for line in texts])
        for name, texts in (("candidates", made), ("rows", list[str]()))
    }
    promised = {name: {"lines": file.lines, "root": file.root} for name, file in proof.items()}
    manifest = json.dumps(
        {"counts": {"dropped": {}}, "proof": promised, "release": "ab"}, separators=(",", ":")
    )
    (folder / "manifest.json").write_text(manifest)
    shown_all = verifier.prove_conversation(verifier.FolderFiles(folder), handle)
    found = verifier.check_conversation(manifest.encode(), shown_all, handle)
    assert found.candidate is (asked in present)
    if shown_all["candidates"]:
        left = data.draw(st.integers(0, len(shown_all["candidates"]) - 1))
        fewer = [line for n, line in enumerate(shown_all["candidates"]) if n != left]
        with pytest.raises(verifier.ContradictionError):
            verifier.check_conversation(
                manifest.encode(), shown_all | {"candidates": fewer}, handle
            )
