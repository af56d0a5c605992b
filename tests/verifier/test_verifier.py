"""The stand-alone verifier needs nothing of ours, and finds every byte that was changed."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from licet import verifier
from licet.ledger import note
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.log import LogWriter
from licet.ledger.note import encode_base64
from licet.verifier import bundle, statement
from licet.verifier.answer import ContradictionError
from licet.verifier.forms import SIZE_MAX
from licet.verifier.log import read_logs
from licet.verifier.note import open_note
from licet.verifier.tree import roots_of_proof

from ..ledger.world import ORIGIN, SIGNER, STRANGER, WITNESS, Disk, Held, entry_of, naive_root
from .shipped import run, saved

ENTRIES = [entry_of(i) for i in range(262)]
VKEY = SIGNER.verifier.vkey
TRUST = verifier.trust(VKEY)
BOTH = verifier.trust(VKEY, witnesses=[WITNESS.verifier.vkey])


@cache
def written(*batches: int) -> tuple[dict[str, bytes], list[bytes]]:
    """The files of a cosigned log, and each checkpoint that it showed."""
    disk = Disk()
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), ORIGIN, SIGNER)
    shown, size = [log.published], 0
    for batch in batches:
        log.append(ENTRIES[size : size + batch])
        size += batch
        shown.append(log.published)
    log.cosign(WITNESS.cosign(log.checkpoint.text, 1_800_000_000).line.encode(), [WITNESS.verifier])
    return disk.files("log"), shown


def promises(files: dict[str, bytes], trusted: verifier.Trust = TRUST, **more: list) -> list[str]:
    return [
        f"{f.place}: {f.promise}" for f in verifier.check_log(Held(files), trusted, **more).findings
    ]


def test_it_imports_nothing_of_ours_and_only_cryptography_of_others() -> None:
    roots = set()
    for node in ast.walk(ast.parse(bundle.source())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots - sys.stdlib_module_names == {"cryptography"}


def test_an_honest_log_passes_with_every_checkpoint_it_ever_showed() -> None:
    files, shown = written(3, 250, 3, 1, 5)
    report = verifier.check_log(Held(files), BOTH, [(str(i), raw) for i, raw in enumerate(shown)])
    assert report.ok, report.findings
    assert (report.size, report.cosigned, report.ahead) == (262, [WITNESS.name], 0)
    assert report.files == len(files) - 1
    assert report.entry_bytes == sum(map(len, ENTRIES))
    assert report.root == encode_base64(naive_root(ENTRIES))


def test_every_changed_byte_of_a_small_log_is_found() -> None:
    """Partial tiles that later sizes overtook included: they were published, so they may not
    lie.
    """
    files, _ = written(3, 4)
    changed = 0
    for path, data in files.items():
        for at in range(len(data)):
            for change in (1, 0x80):
                lie = files | {path: data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]}
                assert promises(lie, BOTH), (path, at)
                changed += 1
    assert changed > 1500


def test_a_change_anywhere_in_a_log_of_many_tiles_is_found() -> None:
    files, _ = written(3, 250, 3, 1, 5)
    for path, data in files.items():
        for at in {0, len(data) // 2, len(data) - 1, *range(0, len(data), 997)}:
            lie = files | {path: data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]}
            assert promises(lie, BOTH), (path, at)


def test_every_file_shortened_or_lengthened_is_found() -> None:
    files, _ = written(3, 4)
    for path, data in files.items():
        for lie in (data[:-1], b"", data + b"\0", data + data):
            assert promises(files | {path: lie}, BOTH), path


def test_the_answer_names_the_entry_and_the_promise() -> None:
    files, shown = written(3, 4)
    bundle, tile = "tile/entries/000.p/7", "tile/0/000.p/7"
    lie = files | {bundle: files[bundle].replace(b"entry 5", b"entry 9")}
    assert promises(lie) == [
        f"{tile}: its hash 5 is that of entry 5",
        "checkpoint: the 7 entries lead to its root",
    ]
    without = {path: data for path, data in files.items() if path != tile}
    assert promises(without) == [f"{tile}: the log publishes the file that its checkpoint requires"]
    stray = files | {
        "tile/0/1": b"",
        "tile/0/000.p/256": b"",
        "tile/x/000": b"",
        "tile/0/x000/000": b"",
    }
    assert len(promises(stray)) == 4
    assert promises({}) == ["checkpoint: a log has a checkpoint"]
    other = note.sign(Checkpoint(ORIGIN, 3, bytes(32)).text, SIGNER)
    assert promises(files, older=[("seen", other)]) == [
        "seen: the first 3 entries of the log lead to its root"
    ]
    assert promises(files, older=[("seen", shown[1])]) == []
    longer = note.sign(Checkpoint(ORIGIN, 8, bytes(32)).text, SIGNER)
    assert promises(files, older=[("seen", longer)]) == [
        "checkpoint: the log has at least the 8 entries of `seen`"
    ]
    assert promises(files, verifier.trust(STRANGER.verifier.vkey, ORIGIN)) == [
        f"checkpoint: the log's key `{STRANGER.name}` signed it"
    ]
    assert promises(files, verifier.trust(VKEY, "log.example/other")) == [
        "checkpoint: it is a checkpoint of the log `log.example/other`"
    ]


def test_an_operator_who_rewrites_history_is_found_by_an_older_checkpoint() -> None:
    """The lie is whole: entries, tiles and checkpoint agree, signed by the true key. Only memory
    tells.
    """
    files, shown = written(3, 4)
    disk = Disk()
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), ORIGIN, SIGNER)
    log.append([b"another first", *ENTRIES[1:7]])
    forged = disk.files("log")
    assert promises(forged) == []
    assert promises(forged, older=[("seen", shown[1])])
    dropped = Disk()
    log = LogWriter.begin(dropped.folder("log"), dropped.folder("state"), ORIGIN, SIGNER)
    log.append([*ENTRIES[:2], *ENTRIES[3:8]])
    assert promises(dropped.files("log"), older=[("seen", shown[1])])
    assert files["checkpoint"] != log.published


def laid_out(base: Path) -> dict[str, Path]:
    """A published folder, two checkpoints, a proof file and its entry."""
    with LogWriter.create(base / "log", base / "state", ORIGIN, SIGNER) as log:
        log.append(ENTRIES[:3])
        files = {"old": log.published}
        log.append(ENTRIES[3:10])
        files |= {
            "new": log.published,
            "proof": log.prove(4).encode(),
            "entry": ENTRIES[4],
            "consistency": "".join(
                encode_base64(h) + "\n" for h in log.prove_consistency(3)
            ).encode(),
        }
    for name, data in files.items():
        (base / name).write_bytes(data)
    return {name: base / name for name in (*files, "log")}


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Runs the one file alone; answers its exit code and what it printed."""
    file = saved(tmp_path_factory.mktemp("file"))

    def call(*words: object) -> tuple[int, str, str]:
        done = run(file, *words)
        return done.returncode, done.stdout, done.stderr

    return call


def test_the_command_answers_with_exit_codes_and_json(tmp_path: Path, command: Command) -> None:
    at = laid_out(tmp_path)
    key = ("--key", VKEY)
    honest = [
        ("log", at["log"], *key, "--plain", "--older", at["old"], "--older", at["new"]),
        ("proof", at["proof"], "--entry", at["entry"], *key),
        ("checkpoint", at["old"], at["new"], "--log", at["log"], *key),
        ("checkpoint", at["old"], at["new"], "--proof", at["consistency"], *key),
        ("checkpoint", at["new"], at["new"], *key),
    ]
    lies = [
        ("proof", at["proof"], "--entry", at["old"], *key),
        ("checkpoint", at["new"], at["old"], *key),
        ("checkpoint", at["old"], at["new"], *key),
        ("log", at["log"], *key, "--plain", "--witness", WITNESS.verifier.vkey),
    ]
    for words in honest:
        code, out, err = command(*words)
        assert (code, err) == (0, ""), (words, out, err)
        assert out.startswith("proved: ")
    for words in lies:
        code, out, err = command(*words)
        assert (code, err) == (1, ""), (words, out, err)
        assert "broken promise" in out
    assert command(*lies[3], "--quorum", "0")[0] == 0
    code, out, _ = command(*lies[0], "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["findings"][0]["place"]) == (1, False, "entry 4")
    assert json.loads(command(*honest[0], "--json")[1])["size"] == 10


def test_a_wrong_call_is_64_and_says_why(tmp_path: Path, command: Command) -> None:
    for words in (
        (),
        ("log",),
        ("log", tmp_path),
        ("log", tmp_path / "none", "--key", VKEY),
        ("log", tmp_path, "--key", "nonsense"),
        ("log", tmp_path, "--key", WITNESS.verifier.vkey),
        ("log", tmp_path, "--key", VKEY, "--quorum", "1"),
        ("proof", tmp_path / "none", "--entry", tmp_path / "none", "--key", VKEY),
    ):
        code, out, err = command(*words)
        assert (code, out) == (64, ""), words
        assert err.startswith("error: ")
        assert "hint: " in err
    code, out, err = command("log", tmp_path, "--key", VKEY)
    assert (code, err) == (65, "")
    assert out.splitlines()[1] == "unreadable: checkpoint: broken promise: a log has a checkpoint"


def test_a_statement_that_has_not_three_parts_contradicts_its_promise() -> None:
    for text in ("", "a.b", "e30.e30.AA.AA"):
        with pytest.raises(ContradictionError, match="it is a compact JWS"):
            statement.jws_parts(text, "a statement")


def test_a_cosignature_has_a_time_in_range() -> None:
    text = Checkpoint(ORIGIN, 3, bytes(32)).text

    def cosigned(at: int) -> bytes:
        return note.sign(text, SIGNER) + WITNESS.cosign(text, at).line.encode()

    assert open_note(cosigned(SIZE_MAX), "note", BOTH) == (text, (WITNESS.name,))
    late = cosigned(SIZE_MAX).decode().rstrip("\n").rpartition(" ")
    data = note.decode_base64(late[2], "a signature")
    data = data[:4] + (SIZE_MAX + 1).to_bytes(8, "big") + data[12:]
    with pytest.raises(ContradictionError) as error:
        open_note(f"{late[0]} {encode_base64(data)}\n".encode(), "note", BOTH)
    assert error.value.finding.promise.endswith("has a time in range")


@pytest.mark.parametrize(
    ("name", "origin", "named", "trusted"),
    [
        ("log.example/2026", "log.example/2027", None, "log.example/2027"),
        ("log.example/2026", "log.example/2027", "log.example/2026", "log.example/2026"),
        ("log.example/2026", "log.example/20270", None, "log.example/2026"),
        ("log.example/2026", "other.example/2027", None, "log.example/2026"),
        ("log.example/main", "log.example/2027", None, "log.example/main"),
        ("log.example/20260", "log.example/2027", None, "log.example/20260"),
    ],
)
def test_a_log_of_another_year_is_trusted_with_the_key_of_a_year_alone(
    name: str, origin: str, named: str | None, trusted: str
) -> None:
    key = verifier.trust(SIGNER.renamed(name).verifier.vkey)
    logs = read_logs([Held({"checkpoint": f"{origin}\n1\n".encode()})], [key], named)
    assert [(trust.origin, trust.key.name) for trust, _ in logs] == [(trusted, trusted)]


def test_a_tree_extends_itself_without_a_proof_and_with_no_other() -> None:
    root, other = bytes(32), bytes([1]) * 32
    assert roots_of_proof(4, 4, root, []) == (root, root)
    assert roots_of_proof(4, 4, root, [other]) is None
    assert roots_of_proof(4, 4, root, [other], False) == (other, other)
    assert roots_of_proof(4, 4, root, [], False) is None
