"""No mutant of anything that the verifier reads is proved, unless it means the same; none ends in a
traceback.

`TESTS_MUTANTS` sets how many there are (32,000, each field's own changes included), `TESTS_SEED`
where the draw begins. A run tries a sixteenth of them, every sixteenth change of a field and as
many draws: `tests/tiers.py`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from licet.verifier import EXITS, Verdict

from ..ledger.world import SIGNER
from ..tiers import SIXTEENTH, SIXTEENTHS, WHOLE, seeds
from . import mutants
from .mutants import Artefact, Judged, artefacts, drawn, mutated
from .shipped import shipped

MUTANTS = int(os.environ.get("TESTS_MUTANTS", "32000"))
SEED = int(os.environ.get("TESTS_SEED", "0"))
STEP = 1 if WHOLE else SIXTEENTHS
# of the mutants of an artefact, at least this part is seen through; the others mean the same
SHARE_MIN = 0.3
SHARES = sum(one.share for one in artefacts())
SYSTEMATIC = sum(1 for one in artefacts() for _ in one.every())


def told(of: Artefact, what: object, judged: Judged) -> str:
    return f"{of.name}, {what}: {judged.answer}: {', '.join(judged.wrong)}"


@pytest.mark.parametrize("of", artefacts(), ids=lambda of: of.name)
def test_an_honest_artefact_is_proved(of: Artefact) -> None:
    """But for a certificate: nobody but the operator can look into the places that it names."""
    judged, is_certificate = of.judge(of.tree), of.name.startswith("certificate")
    assert (judged.answer, judged.wrong) == (
        Verdict.stated if is_certificate else Verdict.proved,
        (),
    )


@pytest.mark.parametrize("of", artefacts(), ids=lambda of: of.name)
def test_no_change_of_any_one_field_is_proved_unless_it_means_the_same(of: Artefact) -> None:
    answers: Counter[Verdict] = Counter()
    for number, (at, change) in list(enumerate(of.every()))[SIXTEENTH % STEP :: STEP]:
        judged = of.judge(mutated(of, [(at, change)], mutants.random.Random(number)))
        assert judged.wrong == (), told(of, (at, change.__name__), judged)
        answers[judged.answer] += 1
    assert (
        answers[Verdict.contradicted] + answers[Verdict.unreadable] > SHARE_MIN * answers.total()
    ), answers


@pytest.mark.parametrize("of", artefacts(), ids=lambda of: of.name)
def test_no_changes_drawn_together_are_proved_unless_they_mean_the_same(of: Artefact) -> None:
    count = max(10, (MUTANTS - SYSTEMATIC) * of.share // SHARES)
    answers: Counter[Verdict] = Counter()
    for seed in seeds(count, SEED):
        judged = of.judge(drawn(of, seed))
        assert judged.wrong == (), told(of, f"seed {seed}", judged)
        answers[judged.answer] += 1
    assert (
        answers[Verdict.contradicted] + answers[Verdict.unreadable] > SHARE_MIN * answers.total()
    ), answers


def test_there_are_as_many_mutants_as_promised() -> None:
    assert SYSTEMATIC < MUTANTS
    assert len({one.name for one in artefacts()}) == len(artefacts()) >= 12


# The command, as strangers run it


CALLS = max(200, MUTANTS // 50)
DEEP = b"[" * 100_000 + b"]" * 100_000
BYTES = (
    b"",
    b"\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b"\xff\xfe\n",
    b'{"v":1}\n',
    DEEP + b"\n",
    b'{"v":' + DEEP + b"}\n",
    b"\x00" * 64,
)


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def asked(*words: object) -> tuple[int, str]:
    """The command's exit code and what it printed; an exception of it is one of the test."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = shipped().main([str(word) for word in words])
    assert err.getvalue() == "", err.getvalue()
    return code, out.getvalue()


def answered(*words: object) -> None:
    """It gives one of the answers, the same in words as in JSON, and by its exit code."""
    code, said = asked(*words)
    again, told = asked(*words, "--json")
    answer = Verdict(json.loads(told)["answer"])
    assert code == again == EXITS[answer], (words, said)
    assert any(line.startswith(f"{answer.value}: ") for line in said.splitlines()), said


def calls(at: Path, seed: int) -> tuple[object, ...]:
    """A mutant on the disk, and the call that asks about it."""
    of = artefacts()[seed % len(artefacts())]
    key, value = ("--key", SIGNER.verifier.vkey), drawn(of, seed)
    match of.name.split(",")[0]:
        case "receipt" | "receipt of before":
            file = value | {"receipt": mutants.signed(value.get("receipt"), "licet-receipt+jws")}
            return ("receipt", *one(at, mutants.text_of(file) + b"\n"), *key)
        case "certificate":
            return ("certificate", *one(at, mutants.certificate_file(value)), *key)
        case "document":
            file, log = mutants.paper_file(value)
            release = laid_out(
                at / "release", {"manifest.json": mutants.carried()[0]["manifest.json"]}
            )
            return (
                "document",
                *one(at, file),
                "--log",
                laid_out(at / "log", log),
                "--release",
                release,
                *key,
            )
        case "addendum and review":
            files, log, later = mutants.with_since(value)
            laid_out(at / "public" / "2026", log), laid_out(at / "public" / "2027", later)
            return ("release", laid_out(at / "release", files), "--log", at / "public", *key)
        case "conversation":
            folder = laid_out(
                at / "release", {"manifest.json": mutants.text_of(value.get("manifest"))}
            )
            proof, log = (
                one(at, mutants.text_of(value.get("proof"))),
                laid_out(at / "log", mutants.carried()[1]),
            )
            handle = mutants.release_lies.handle("a1")
            return ("conversation", folder, handle, "--proof", *proof, "--log", log, *key)
        case "log":
            return (
                "log",
                laid_out(
                    at / "log",
                    mutants.small_log([mutants.text_of(entry) for entry in value][:200] or [b""]),
                ),
                *key,
            )
        case _:
            folder = dict(mutants.carried()[0]) | {"manifest.json": mutants.text_of(value)}
            log = laid_out(at / "log", mutants.carried()[1])
            return ("release", laid_out(at / "release", folder), "--log", log, *key)


def one(at: Path, data: bytes) -> tuple[Path]:
    (at / "file.json").write_bytes(data)
    return (at / "file.json",)


def test_the_command_answers_every_mutant_and_never_with_a_traceback(tmp_path: Path) -> None:
    """`answered` asserts that each answer is one of the verifier's, by its words, its JSON and its
    exit code.
    """
    for seed in seeds(CALLS, SEED):
        at = tmp_path / str(seed)
        at.mkdir()
        answered(*calls(at, seed))


@pytest.mark.parametrize("data", BYTES, ids=range(len(BYTES)))
def test_what_is_none_of_ours_is_unreadable_and_never_a_contradiction(
    tmp_path: Path, data: bytes
) -> None:
    key, (file,) = ("--key", SIGNER.verifier.vkey), one(tmp_path, data)
    log = laid_out(tmp_path / "log", mutants.carried()[1])
    release = laid_out(tmp_path / "release", dict(mutants.carried()[0]) | {"manifest.json": data})
    whole = laid_out(tmp_path / "whole", mutants.carried()[0])
    broken = laid_out(tmp_path / "broken", mutants.carried()[1] | {"checkpoint": data})
    for words in (
        ("receipt", file),
        ("certificate", file),
        ("document", file),
        ("proof", file, "--entry", file),
        ("checkpoint", file, file),
        ("release", release, "--log", log),
        ("release", whole, "--log", broken),
        ("log", broken),
        ("conversation", release, "5" * 64, "--log", log),
        ("conversation", whole, "5" * 64, "--proof", file, "--log", log),
    ):
        assert asked(*words, *key)[0] == EXITS[Verdict.unreadable], words
    assert asked("text", file, "--log", log, *key)[0] == EXITS[Verdict.unproved]
