"""Every field of every artefact has a level, and the level is honest.

The adversary holds the log's key: each field of each artefact is altered, the artefact signed anew,
and where the log names it by its hash, its leaf is told anew. A field that is called proved must
then be contradicted, or the whole be not proved.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tools import field_levels

from licet import verifier
from licet.ledger.canonical_json import canonical
from licet.legal.paper import PaperKind, load_form
from licet.policy import purposes
from licet.proof import receipt
from licet.train import statement
from licet.train.bitmap import BitmapHead
from licet.verifier import LEVELS, Verdict
from licet.verifier import document as documents
from licet.verifier import receipt as receipts

from ..ledger.world import SIGNER, STRANGER
from . import mutants
from .mutants import TRUST, Artefact, artefacts, look, places, put
from .shipped import shipped

ROOT = Path(__file__).parents[2]
MANIFEST = "manifest, told anew"
# What each artefact of the fuzzer is in the table of levels: by the keys that lead to it.
KINDS: dict[str, dict[tuple[Any, ...], str]] = {
    "receipt, signed anew": {("receipt",): "receipt"},
    "certificate, signed and told anew": {(): "certificate"},
    MANIFEST: {(): "manifest"},
    "release, told anew": {("rows", 0): "rows", ("rows", 3): "rows", ("candidates", 0): "candidates",
                           ("candidates", 4): "candidates", ("policies", 0): "policies"},
    "addendum, review and measurement, told anew": {
        ("purge",): "addendum", ("review",): "review", ("measurement",): "measurement"},
    "document, signed and told anew": {(): "document"},
}  # fmt: skip


def kinds() -> Iterator[tuple[Artefact, tuple[Any, ...], str]]:
    for of in artefacts():
        for at, kind in KINDS.get(of.name, {}).items():
            yield of, at, kind


def field_of(kind: str, at: tuple[Any, ...], value: Any) -> str:
    """The name of a field in the table, by the keys that lead to it."""
    for key in reversed(at):
        value = [value] if isinstance(key, int) else {key: value}
    (name, *_) = verifier.levels_of(kind, value, "here")
    return name


def simple(value: Any) -> Iterator[tuple[Any, ...]]:
    for at in places(value):
        if not isinstance(look(value, at), dict | list):
            yield at


def others(value: Any, draw: random.Random) -> list[Any]:
    """Values of the same kind that are not this one."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, max(0, value - 1), 10**9, 1, 0]
        case None:
            return ["x", 1, "2026-03-01T12:00:00Z", "ab" * 32, False]
        case str() if len(value) >= 10 and value[4:5] == "-" and value[7:8] == "-":
            return [
                value.replace(value[:10], day) for day in ("2026-03-04", "2025-12-31", "2099-01-01")
            ]
        case str() if len(value) in (32, 64) and not set(value) - set("0123456789abcdef"):
            return ["0" * len(value), f"{draw.getrandbits(4 * len(value)):0{len(value)}x}"]
        case str():
            return ["x", f"{value}x", "P1D", "kept", "account", "declined", value[:-1] or "y"]
    return []


@pytest.mark.parametrize(
    ("of", "at", "kind"), list(kinds()), ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_field_that_is_proved_is_contradicted_when_its_operator_alters_it(
    of: Artefact, at: tuple[Any, ...], kind: str
) -> None:
    draw, tried, dishonest = random.Random(f"{of.name} {at}"), 0, set[str]()
    for way in simple(look(of.tree, at)):
        name = field_of(kind, way, look(of.tree, (*at, *way)))
        for new in others(look(of.tree, (*at, *way)), draw):
            if new == look(of.tree, (*at, *way)):
                continue
            judged = of.judge(put(deepcopy(of.tree), (*at, *way), new))
            report, tried = judged.report, tried + 1
            if report is not None and judged.answer not in (
                Verdict.contradicted,
                Verdict.unreadable,
            ):
                dishonest |= (
                    {name} if report.fields().get(kind, {}).get(name) is Verdict.proved else set()
                )
    assert dishonest == set() and tried > 10


@pytest.mark.parametrize(
    ("of", "at", "kind"), list(kinds()), ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_field_that_has_no_level_is_refused(of: Artefact, at: tuple[Any, ...], kind: str) -> None:
    """In each mapping of each artefact, whatever is in it."""
    for way in places(look(of.tree, at)):
        inner = look(of.tree, (*at, *way))
        if isinstance(inner, dict) and not is_free(kind, way):
            judged = of.judge(put(deepcopy(of.tree), (*at, *way, "nobody_knows"), "said"))
            assert judged.answer in (Verdict.contradicted, Verdict.unreadable, Verdict.unproved), (
                kind,
                way,
            )


def is_free(kind: str, way: tuple[Any, ...]) -> bool:
    """Whether any key may stand there: counts by a word, and what is the operator's own."""
    try:
        verifier.levels_of(kind, _nested(way, {"nobody_knows": "said"}), "here")
    except verifier.ContradictionError:
        return False
    return True


def _nested(way: tuple[Any, ...], value: Any) -> Any:
    for key in reversed(way):
        value = [value] if isinstance(key, int) else {key: value}
    return value


@cache
def reports() -> dict[str, verifier.VerifierReport]:
    """What the verifier answers of each honest artefact."""
    found = {}
    for of in artefacts():
        if of.name in KINDS:
            report = of.judge(deepcopy(of.tree)).report
            assert report is not None
            found[of.name] = report
    return found


def test_every_field_of_every_honest_artefact_has_its_level_in_the_answer() -> None:
    for of, at, kind in kinds():
        fields = reports()[of.name].fields()[kind]
        for way in simple(look(of.tree, at)):
            assert fields[field_of(kind, way, look(of.tree, (*at, *way)))] in LEVELS
    assert {kind for _, _, kind in kinds()} | {
        "card",
        "croissant",
        "model",
    } == verifier.FIELDS.keys()


def test_no_field_is_in_the_table_twice_and_each_can_be_read_back() -> None:
    for kind, levels in verifier.FIELDS.items():
        names = [name for text in levels.values() for name in text.split()]
        assert len(set(names)) == len(names), kind
        assert set(levels) <= set(LEVELS)


def test_what_is_stated_is_one_line_in_words_and_each_field_is_in_json(
    tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "receipt.json").write_bytes(mutants.lies.receipt_of(mutants.lies.ASKED + 1))
    words = ["receipt", str(tmp_path / "receipt.json"), "--key", SIGNER.verifier.vkey]
    assert shipped().main(words) == 0
    text = capsys.readouterr().out.splitlines()
    (line,) = [line for line in text if line.startswith("stated by the operator, not proved: ")]
    for word in ("created", "parties", "storage_locations", "withdrawal_method"):
        assert word in line
    assert text[1] == line
    assert shipped().main([*words, "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)["fields"]["receipt"]
    assert (
        fields["created"] == "stated" and fields["record.processes[].retention_period"] == "proved"
    )


def test_a_receipt_that_is_not_in_the_log_proves_no_field() -> None:
    file = json.loads(mutants.lies.receipt_of(mutants.lies.ASKED + 1))
    payload = mutants.payload_of(file["receipt"])
    del payload["log"]
    early = {
        "v": 1,
        "entry": None,
        "proof": None,
        "receipt": mutants.signed(payload, "licet-receipt+jws"),
    }
    report = verifier.check_receipt(mutants.text_of(early) + b"\n", TRUST)
    assert report.answer is Verdict.unproved
    assert set(report.fields()["receipt"].values()) == {Verdict.stated}


# Certificates


def certificate(change: Any = lambda _said: None) -> verifier.VerifierReport:
    said = deepcopy(mutants.certificates()[0])
    change(said)
    return verifier.check_certificate(mutants.certificate_file(said), TRUST)


def test_a_certificate_tells_what_was_read_back_from_what_was_asked_and_what_was_answered() -> None:
    report = certificate()
    assert report.answer is Verdict.stated
    assert [
        line.strip().partition(": ")[2].partition(" at ")[0].partition(":")[0]
        for line in report.notes
    ] == [
        "read back",
        "nobody looked",
        "nobody looked",
        "read back",
        "read back",
    ]
    said = mutants.certificates()[0]
    assert [one["read_back"] is None for one in said["places"]] == [False, True, True, False, False]


def test_a_closure_of_an_account_that_stored_nothing_says_so() -> None:
    said = deepcopy(mutants.certificates()[1]) | {"places": []}
    report = verifier.check_certificate(mutants.certificate_file(said), TRUST)
    assert (report.answer, report.findings, report.lacks) == (Verdict.stated, [], [])
    assert "nothing of the account was stored" in report.notes[0]


@pytest.mark.parametrize("by", [verifier, shipped()], ids=["the package", "the one file"])
def test_an_answer_that_its_recipient_signed_is_proved_by_their_key_alone(by: Any) -> None:
    raw = mutants.certificate_file(mutants.certificates()[0])
    uni = by.trust(STRANGER.renamed("uni").verifier.vkey)
    trusted = by.trust(SIGNER.verifier.vkey)
    without, given = (by.check_certificate(raw, trusted, "it", others) for others in ((), (uni,)))
    assert not [part for part in without.parts if part.what.startswith("answer")]
    assert [part.answer for part in given.parts if part.what == "answer of uni"] == ["proved"]
    forger = by.trust(SIGNER.renamed("uni").verifier.vkey)
    assert by.check_certificate(raw, trusted, "it", (forger,)).answer == "contradicted"
    other = deepcopy(mutants.certificates()[0])
    other["places"][2]["answered"]["signed"] = mutants.recall_answer(erasure="era_" + "9" * 32)
    assert (
        by.check_certificate(mutants.certificate_file(other), trusted, "it", (uni,)).answer
        == "contradicted"
    )


# Releases


def test_names_are_stated_unless_the_policy_leaves_them_in() -> None:
    """A manifest that says `person` was looked for is believed, and no more."""
    (of,) = [of for of in artefacts() if of.name == MANIFEST]
    honest = of.judge(deepcopy(of.tree)).report
    assert honest is not None
    assert [part.answer for part in honest.parts if part.what == "names"] == [Verdict.proved]
    said = deepcopy(of.tree)
    made = said["deidentification"]
    del made["left_in"]
    made["names"] = {
        "detectors": [{"name": "x", "sha256": "0" * 64}],
        "kinds": ["person"],
        "languages": ["en"],
    }
    report = of.judge(said).report
    assert report is not None
    assert [(part.answer, part.is_aside) for part in report.parts if part.what == "names"] == [
        (Verdict.stated, True)
    ]


@pytest.mark.parametrize(
    "junk",
    [b"x" * 30, b"", b"PAR1" + b"\x00" * 22 + b"PAR1"],
    ids=["30 bytes", "none", "its magic"],
)
@pytest.mark.parametrize("by", [verifier, shipped()], ids=["the package", "the one file"])
def test_a_part_of_junk_is_found_though_the_manifest_names_it(by: Any, junk: bytes) -> None:
    report = made_anew(by, junk)
    assert report.answer == "contradicted"
    assert "rows in the parts" not in [
        part.what for part in report.parts if part.answer == "proved"
    ]


@pytest.mark.parametrize("by", [verifier, shipped()], ids=["the package", "the one file"])
@pytest.mark.parametrize("number", [0, 7], ids=["the first", "the last"])
def test_a_part_without_one_of_its_rows_is_found_though_the_manifest_names_it(
    by: Any, number: int
) -> None:
    rows = mutants.releases()[0]["rows"]
    assert made_anew(by, mutants.part_of(rows)).answer == "proved"
    assert made_anew(by, mutants.part_of(rows, (number,))).answer == "contradicted"


def made_anew(by: Any, part: bytes) -> Any:
    """A release whose part is this, with a manifest and a leaf that name it."""
    made = mutants.releases_copy()
    files, _ = mutants.sealed(made)
    made["manifest"]["parts"][0] |= {
        "sha256": mutants.hashlib.sha256(part).hexdigest(),
        "bytes": max(1, len(part)),
    }
    files, log = mutants.sealed(made)
    files["part-00000.parquet"] = part
    return by.check_release(mutants.Held(files), by.trust(SIGNER.verifier.vkey), mutants.Held(log))


# What the verifier knows by heart is what the product writes


def test_the_forms_of_papers_are_those_that_the_product_fills_in() -> None:
    """A changed text needs its new hash in `verifier.document`."""
    for kind in PaperKind:
        made = load_form(kind)
        text = {
            "kind": made.kind.value,
            "title": made.title,
            "law": made.law,
            "sections": msgspec.to_builtins(made.sections),
        }
        assert documents.FORMS[kind.value] == mutants.hashlib.sha256(canonical(text)).hexdigest(), (
            kind
        )
    assert documents.FORMS.keys() == {kind.value for kind in PaperKind}


DIGITS = ("AES-256-GCM", "UTF-8", "30(1)(e)", "30(1)(g)", "ISO 639")


def test_no_form_holds_a_number_of_its_own() -> None:
    for kind in PaperKind:
        for section in load_form(kind).sections:
            for line in section.lines:
                text = documents._PLACE.sub("", line.says)
                for word in DIGITS:
                    text = text.replace(word, "")
                assert not any(map(str.isdigit, text)), line.says


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[0].update(says="1,000,000"),
        lambda lines: lines[0].update(says="{figures.log.certificates}"),
        lambda lines: lines.append({"asks": "Certificates", "says": "1,000,000"}),
    ],
    ids=["a typed number", "another value", "a line more"],
)
def test_a_paper_with_a_text_of_its_own_is_not_proved(change: Any) -> None:
    said = deepcopy(mutants.papers()[0])
    change(said["sections"][3]["lines"])
    assert mutants.judge_paper(said).answer is Verdict.unproved


def test_the_words_of_a_receipt_are_those_that_the_product_writes() -> None:
    assert {name: one.address for name, one in purposes.PURPOSES.items()} == receipts.PURPOSES
    assert {kind.value: text for kind, text in receipt._CONCERNS.items()} == receipts.SCOPE_TEXTS


def test_every_field_of_the_statement_about_a_model_has_a_level_and_no_other_is_taken() -> None:
    """No log tells of a model: nothing of it is proved."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    head = BitmapHead(
        release="1" * 32,
        manifest_sha256="2" * 64,
        number=1,
        issued=at,
        until=at,
        rows=3,
        sha256="3" * 64,
    )
    source = statement.StatementSource(name="release", sha256="2" * 64, more={"rows": 3})
    run = statement.RunStatement(
        model="model_1",
        name="small",
        recipe="sft",
        parameters={"steps": 4},
        sources=(source,),
        first=head,
        last=head,
        results={"loss": 1.5},
        software={"licet": "0"},
        started=at,
        finished=at,
    )
    made = json.loads(
        msgspec.json.encode(
            statement.build_statement(run, {"model.bin": "4" * 64}, {"release.json": "2" * 64})
        )
    )
    levels = verifier.levels_of("model", made, "it")
    assert set(levels.values()) == {Verdict.consistent, Verdict.stated}
    with pytest.raises(verifier.ContradictionError, match="and no other"):
        verifier.levels_of("model", made | {"promise": "it forgot"}, "it")


def test_the_page_has_the_table() -> None:
    """Made anew: python -m tools.field_levels --write"""
    assert (
        field_levels.written_in((ROOT / "docs" / "verify.md").read_text()) == field_levels.table()
    )
