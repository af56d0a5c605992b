"""The papers of the law: byte-equal at a position, proved from outside, and open where nobody has
answered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from licet import verifier
from licet.consent import controller, operator_answers
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.ledger import jws
from licet.ledger.canonical_json import canonical
from licet.legal import figures, paper_pages, papers
from licet.legal.paper import JWS_TYPE, PaperKind, list_placeholders, load_form
from licet.legal.papers import MadePaper
from licet.proof import documents
from licet.service import verification
from licet.store.connect import Pool, transaction
from licet.verifier import Verdict

from ..installed import House
from ..verifier.shipped import shipped
from .world import STATED, town

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return town(pool, tmp_path)


def made(house: House, kind: PaperKind = PaperKind.ab2013, **more: Any) -> MadePaper:
    return papers.make(house.installation, kind, actor="counsel", **more)


def logged(house: House, paper: MadePaper) -> Path:
    """The paper as a file, with its proof, after the log was published."""
    documents.append(house.installation)
    documents.publish(house.installation, house.installation.config.data / "published")
    file = house.installation.config.data / "paper.json"
    file.write_bytes(papers.render(house.installation, paper.sha256, "json"))
    return file


def checked(
    house: House, file: Path, releases: bool = True, log: bool = True
) -> verification.CheckResult:
    return verification.verify(
        file,
        (documents.key(house.installation).vkey,),
        log=house.installation.config.data / "published" if log else None,
        release=house.installation.config.releases if releases else None,
    )


@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        ("P1D", "policy.keep", "1 day"),
        ("P2D", "policy.keep", "2 days"),
        ("P30Y", "policy.keep", "30 years"),
        ("2025-09-01T00:00:00Z", "policy.effective", "2025-09-01"),
        ("P1D", "stated.name", "P1D"),
        (True, "policy.training", "yes"),
        (12_345, "figures.totals.rows", "12,345"),
        (None, "stated.name", paper_pages.TO_BE_PROVIDED),
        (None, "figures.totals.first_month", paper_pages.NOT_COUNTED),
        ({"web_app": 1, "api": 1_200}, "figures.totals.surfaces", "api (1,200), web app (1)"),
        ({"a_model": 1}, "figures.totals.models", "a_model (1)"),
        ({}, "figures.totals.kinds", "none"),
        (["improve_models"], "policy.purposes", "improve models"),
        (["a_name"], "stated.recipients", "a_name"),
        ([], "policy.purposes", "none"),
    ],
)
def test_a_value_is_written_as_people_read_it(value: object, name: str, words: str) -> None:
    assert paper_pages.format_value(value, name) == words


def test_the_policy_in_force_is_the_last_applied_or_the_newest_that_a_year_begins_with() -> None:
    tally = figures.LogTally()
    for kind, number, in_force in [
        ("policy_stands", 3, 3),
        ("policy_stands", 2, 3),
        ("policy_stands", 4, 4),
        ("policy_applied", 2, 2),
    ]:
        facts = {"number": number, "sha256": f"{number}"}
        tally.take(figures.LoggedEntry(kind, "", "", facts))
        assert tally.policy == (in_force, f"{in_force}")


# Made again


@pytest.mark.parametrize("kind", PaperKind)
def test_a_paper_at_a_position_is_byte_equal_whatever_came_since(
    house: House, kind: PaperKind
) -> None:
    first = made(house, kind)
    assert (first.again, house.query("SELECT count(*) FROM documents")) == (False, [(1,)])
    file = logged(house, first).read_bytes()
    house.passes(5)
    house.open("later", allow=True)
    house.choose("p3", False)
    documents.append(house.installation)
    again = made(house, kind, log_position=first.position)
    assert (again.document, again.sha256, again.again) == (first.document, first.sha256, True)
    assert (
        json.loads(papers.render(house.installation, first.sha256, "json"))["document"]
        == json.loads(file)["document"]
    )
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'document_made'") == [(1,)]
    now = made(house, kind)
    assert now.sha256 != first.sha256
    assert (
        now.payload["figures"]["log"]["answers_no"]
        == first.payload["figures"]["log"]["answers_no"] + 1
    )


def test_a_dry_run_keeps_and_tells_nothing(house: House) -> None:
    before = house.dump()
    dry = made(house, dry_run=True)
    assert house.dump() == before
    assert made(house).sha256 == dry.sha256


@pytest.mark.parametrize(
    ("at", "error", "words"),
    [
        ("9999", UsageError, "entries, not `9999`"),
        ("0", UsageError, "entries, not `0`"),
        ("2019/1", UsageError, "has 0 entries"),
        ("soon", UsageError, "not a position"),
        ("1/2", UsageError, "not a position"),
    ],
)
def test_a_position_that_is_none_is_refused(
    house: House, at: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        made(house, log_position=at)


def test_before_there_is_a_log_there_is_no_paper(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no log yet"):
        made(House(pool, tmp_path))


# From outside


@pytest.mark.parametrize("kind", PaperKind)
def test_a_paper_is_proved_with_the_log_and_the_manifests_and_by_the_verifier_alone(
    house: House, kind: PaperKind
) -> None:
    file = logged(house, made(house, kind))
    seen = checked(house, file)
    assert (seen.answer, seen.broken, seen.lacks) == (Verdict.proved, (), ())
    assert {seen.fields["document"][name] for name in ("stated.**", "recorded.**", "scope")} == {
        Verdict.stated
    }
    assert seen.fields["document"]["sections.**"] is Verdict.proved
    for releases, log in ((False, True), (True, False)):
        assert checked(house, file, releases, log).answer is Verdict.unproved


def test_a_paper_that_no_log_tells_of_is_not_proved(house: House) -> None:
    paper = made(house)
    file = house.installation.config.data / "paper.json"
    file.write_bytes(papers.render(house.installation, paper.sha256, "json"))
    documents.publish(house.installation, house.installation.config.data / "published")
    seen = checked(house, file)
    assert (seen.answer, seen.lacks[0][1].startswith("it is signed, and not in the log")) == (
        Verdict.unproved,
        True,
    )


def test_a_number_that_is_changed_by_hand_is_contradicted(house: House) -> None:
    file = logged(house, made(house))
    held = json.loads(file.read_bytes())
    head, body, signature = held["document"].split(".")
    said = jws.decode_unverified(held["document"]).replace(b'"rows":20', b'"rows":21')
    other = jws.sign(json.loads(said), b"\1" * 32, JWS_TYPE).split(".")[1]
    assert other != body
    file.write_bytes(canonical(held | {"document": f"{head}.{other}.{signature}"}) + b"\n")
    assert checked(house, file).answer is Verdict.contradicted


def put(*way: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        target: Any = said
        for key in way[:-1]:
            target = target[key]
        target[way[-1]] = value

    return change


OPERATOR = (
    (put("figures", "totals", "rows", value=21), "totals.rows"),
    (put("figures", "totals", "tokens", value=1), "totals.tokens"),
    (put("figures", "totals", "size_bin", value="more than 10 trillion tokens"), "totals.size_bin"),
    (put("figures", "totals", "user_data", value=False), "totals.user_data"),
    (put("figures", "totals", "models", "aurora-2", value=12), "totals.models.aurora-2"),
    (put("figures", "totals", "last_month", value="2025-12"), "totals.last_month"),
    (put("figures", "releases", 0, "rows", value=12), "releases.0.rows"),
    (put("figures", "releases", 1, "contents", "bytes", value=5), "releases.1.contents.bytes"),
    (put("figures", "log", "deletions", value=0), "log.deletions"),
    (put("figures", "log", "answers_yes", value=True), "log.answers_yes"),
    (put("figures", "log", "certificates", value=3), "log.certificates"),
    (put("figures", "log", "note", value=3), "nothing else"),
    (put("figures", "releases", value=[]), "no other"),
    (put("scope", value=["0" * 32]), "no other"),
    (put("policy", "document", "keep", "opted_in", value="P1D"), "has the hash"),
    (put("policy", "purposes", value=["research"]), "its purposes"),
    (put("policy", "number", value=4), "newest that the log names"),
    (put("at", "time", value="2025-09-01T00:00:00Z"), "last counted entry"),
    (put("at", "entries", value=3), "of its position"),
    (
        put("sections", 0, "lines", 0, "says", value="{figures.totals.nothing}"),
        "an existing value",
    ),
    (put("sections", 0, "lines", 0, "says", value="{v}"), "a figure, the policy"),
)


@pytest.mark.parametrize(("change", "promise"), OPERATOR)
def test_what_an_operator_signs_otherwise_than_the_log_is_contradicted(
    house: House, change: Callable[[dict[str, Any]], None], promise: str
) -> None:
    """The key signs the changed paper, and the log is told of it: only the numbers, counted again,
    betray it.
    """
    honest = made(house, dry_run=True)
    said = honest.payload
    change(said)
    house.installation.config.data.joinpath("published").mkdir()
    with transaction(house.installation.pool) as tx:
        seed = house.installation.keyring.log_seed(tx)
        document = jws.sign(said, seed, JWS_TYPE)
        kept = papers.KeptDocument(
            sha256=papers.legal_documents.hash_of(document),
            kind=honest.kind,
            log_year=2025,
            entries=1,
            made_at=house.now,
            made_by="operator",
            document=document,
        )
        papers.legal_documents.keep(tx, kept)
    file = logged(house, msgspec.structs.replace(honest, sha256=kept.sha256))
    seen = checked(house, file)
    assert seen.answer is Verdict.contradicted
    assert any(promise in f"{place}: {why}" for place, why in seen.broken), seen.broken


@pytest.mark.state_is_broken
def test_a_release_whose_manifest_is_not_there_is_listed_and_not_counted(house: House) -> None:
    (house.installation.config.releases / "spring" / "manifest.json").unlink()
    paper = made(house)
    spring, summer = paper.payload["figures"]["releases"]
    assert (spring["name"], spring["rows"], spring["contents"], summer["name"]) == (
        None,
        11,
        None,
        "summer",
    )
    totals = paper.payload["figures"]["totals"]
    assert (totals["uncounted"], totals["rows"], totals["turns"]) == (1, 20, 18)
    seen = checked(house, logged(house, paper))
    assert (seen.answer, "does not count its manifest" in seen.lacks[0][1]) == (
        Verdict.unproved,
        True,
    )


def test_a_paper_may_be_about_some_releases_only(house: House) -> None:
    paper = made(house, PaperKind.training_summary, releases=("summer",))
    assert [one["name"] for one in paper.payload["figures"]["releases"]] == ["summer"]
    assert checked(house, logged(house, paper)).answer is Verdict.proved
    with pytest.raises(NotFoundError, match="no release `autumn`"):
        made(house, releases=("autumn",))
    ((first,),) = house.query("SELECT min(index) FROM outbox WHERE entry = 'release_sealed'")
    with pytest.raises(RefusedError, match="is not in the log up to there"):
        made(house, releases=("summer",), log_position=str(first + 1))


# What nobody answered


@pytest.mark.parametrize("kind", PaperKind)
def test_what_is_not_answered_is_to_be_provided_and_never_guessed(
    house: House, kind: PaperKind
) -> None:
    paper = made(house, kind)
    asked = {
        name
        for part in load_form(kind).sections
        for line in part.lines
        for name in list_placeholders(line.says)
    }
    stated = {name.removeprefix("stated.") for name in asked if name.startswith("stated.")}
    unanswered = {key for key in stated if paper.payload["stated"][key] is None}
    assert set(paper.to_be_provided) == unanswered
    text = paper_pages.render_markdown(paper.payload, paper.sha256)
    assert text.count(paper_pages.TO_BE_PROVIDED) >= len(unanswered) > 0
    controller.write(house.installation.config.controller, controller.Controller())
    nothing = made(house, kind)
    assert set(nothing.to_be_provided) == stated
    assert set(nothing.payload["stated"].values()) == {None}


def test_every_answer_that_is_asked_for_stands_in_the_papers_that_it_is_asked_for() -> None:
    for kind in PaperKind:
        said = {
            name
            for part in load_form(kind).sections
            for line in part.lines
            for name in list_placeholders(line.says)
        }
        used = {name.removeprefix("stated.") for name in said if name.startswith("stated.")}
        asked = operator_answers.ASKED.items()
        needed = {key for key, (_, papers) in asked if kind.value in papers.split(", ")}
        assert used & set(operator_answers.ASKED) == needed, kind


# To read


def test_an_answer_cannot_change_the_page_that_it_stands_in(house: House) -> None:
    paper = made(house, PaperKind.risk_assessment)
    page = papers.render(house.installation, paper.sha256, "html").decode()
    text = papers.render(house.installation, paper.kind, "markdown").decode()
    assert "Better answers &lt;for everybody&gt; | in a {table}." in page
    assert r"Better answers \<for everybody\> \| in a {table}." in text
    assert "<script" not in page
    assert "style=" not in page


@pytest.mark.parametrize("kind", PaperKind)
def test_the_papers_read_as_they_were_read(house: House, kind: PaperKind) -> None:
    """TESTS_WRITE_GOLDEN=1 writes them anew: read the diff as counsel would."""
    paper = made(house, kind)
    text = paper_pages.render_markdown(paper.payload, "(hash)")
    file = GOLDEN / f"{kind.value}.md"
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


def test_the_template_of_the_commission_stands_in_its_own_order() -> None:
    numbers = [part.number for part in load_form(PaperKind.training_summary).sections]
    assert numbers == [
        "1.1",
        "1.2",
        "1.3",
        "2.1",
        "2.2.1",
        "2.2.2",
        "2.3",
        "2.4",
        "2.5",
        "2.6",
        "3.1",
        "3.2",
        "3.3",
    ]
    twelve = [part.number for part in load_form(PaperKind.ab2013).sections][1:]
    assert twelve == [f"(a)({number})" for number in range(1, 13)]
    letters = [part.number for part in load_form(PaperKind.ropa).sections]
    assert letters == [*(f"30(1)({letter})" for letter in "abcdefg"), "30(2)"]


# Since the last


def test_a_diff_shows_what_changed_since_the_last(house: House) -> None:
    with pytest.raises(NotFoundError, match="not two papers"):
        papers.diff(house.installation, PaperKind.ropa)
    first = made(house, PaperKind.ropa)
    assert papers.render(house.installation, first.sha256, "json").startswith(b'{"document":')
    assert papers.render(house.installation, first.sha256, "markdown").startswith(b"# Record of")
    with pytest.raises(NotFoundError, match="not two papers"):
        papers.diff(house.installation, PaperKind.ropa, after=first.sha256)
    assert (
        papers.diff(house.installation, PaperKind.ropa, first.sha256[:10], first.sha256).changes
        == ()
    )
    house.passes(1)
    documents.append(house.installation)
    answers = {**STATED.papers, "transfers": False}
    controller.write(
        house.installation.config.controller, msgspec.structs.replace(STATED, papers=answers)
    )
    second = made(house, PaperKind.ropa)
    seen = papers.diff(house.installation, PaperKind.ropa)
    assert (seen.before, seen.after) == (first.sha256, second.sha256)
    found = {one.place: (one.before, one.after) for one in seen.changes}
    assert found["stated.transfers"] == ("to be provided", "no")
    entries = first.payload["figures"]["log"]["entries"]
    assert found["figures.log.entries"] == (str(entries), str(entries + 1))
    assert [one.sha256 for one in papers.list_papers(house.installation)] == [
        second.sha256,
        first.sha256,
    ]
    assert papers.list_papers(house.installation, PaperKind.ab2013) == []


def test_a_public_paper_is_published_beside_the_log_and_the_shipped_verifier_proves_it(
    house: House,
) -> None:
    secret, public = made(house, PaperKind.ropa), made(house, PaperKind.ab2013)
    logged(house, public)
    published, key = (
        house.installation.config.data / "published",
        documents.key(house.installation).vkey,
    )
    (file,) = (published / "documents").iterdir()
    assert (file.name, secret.kept) == (f"{public.sha256}.json", True)
    call = [
        "document",
        str(file),
        "--log",
        str(published),
        "--release",
        str(house.installation.config.releases),
        "--key",
        key,
    ]
    assert shipped().main(call) == 0
    assert verifier.main([*call, "--json"]) == 0
