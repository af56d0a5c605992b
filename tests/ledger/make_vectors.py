"""Make the published test vectors: `python -m tests.ledger.make_vectors`."""

from __future__ import annotations

import json
from pathlib import Path

from licet.ledger import note, tree
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.log import LogWriter
from licet.ledger.note import SignatureType, Signer, Verifier, encode_base64
from licet.ledger.proof import InclusionProof
from licet.ledger.tiles import TileReader
from licet.ledger.witness import Request

from .world import ORIGIN, SIGNER, STRANGER, WITNESS, Disk, entry_of

VECTORS = Path(__file__).parent / "vectors"
SIZE = 259
ENTRIES = [entry_of(i) for i in range(SIZE)]


def made() -> dict[str, bytes]:
    """Every vector file, path to bytes."""
    disk = Disk()
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), ORIGIN, SIGNER)
    log.append(ENTRIES[:256])
    older = log.published
    log.append(ENTRIES[256:])
    log.cosign(WITNESS.cosign(log.checkpoint.text, 1_800_000_000).line.encode(), [WITNESS.verifier])
    published = disk.files("log")
    tables = {
        "keys.json": _keys(),
        "notes.json": _notes(log.checkpoint),
        "proofs.json": _proofs(log),
        "consistency.json": _consistency(TileReader(published.get, SIZE)),
        "logs.json": _logs(published),
        "quorums.json": _quorums(),
        "cosignatures.json": _cosignatures(log.checkpoint),
        "witness.json": _witness(TileReader(published.get, SIZE)),
    }
    files = {f"log/{path}": data for path, data in published.items()}
    files["older.txt"] = older
    return files | {
        name: json.dumps(table, indent=1).encode() + b"\n" for name, table in tables.items()
    }


def _keys() -> dict[str, dict[str, str]]:
    signers = {"log": SIGNER, "witness": WITNESS, "stranger": STRANGER}
    return {name: {"vkey": s.verifier.vkey, "seed": s.seed.hex()} for name, s in signers.items()}


def _notes(checkpoint: Checkpoint) -> list[dict[str, str]]:
    text = checkpoint.text
    good = note.sign(text, SIGNER).decode()
    line = SIGNER.sign(text).line
    encoded = line.split(" ")[2][:-1]
    short = encode_base64(SIGNER.verifier.key_id + bytes(63))
    other = Checkpoint("log.example/other", checkpoint.size, checkpoint.root).text
    stranger = STRANGER.sign(text).line
    forged = SIGNER.sign(other).line

    def signed(lie: str) -> str:
        return note.sign(lie, SIGNER).decode()

    lines = text.split("\n")
    table = [
        ("signed by the log", good, "good"),
        ("a stranger signed it too", good + stranger, "good"),
        ("a witness cosigned it too", good + WITNESS.cosign(text, 1).line, "good"),
        ("extension lines", signed(text + "more\n"), "good"),
        ("signed twice", good + line, "good"),
        (
            "an unknown key under the log's name",
            good + SIGNER.renamed(STRANGER.name).sign(text).line,
            "good",
        ),
        ("only a stranger signed it", f"{text}\n{stranger}", "unsigned"),
        ("the signature of another text", f"{text}\n{forged}", "forged"),
        ("a good signature and then a forged one", good + forged, "forged"),
        ("a size changed after signing", good.replace("\n259\n", "\n258\n"), "forged"),
        (
            "a signature cut short",
            good.replace(encoded, short),
            "forged",
        ),
        ("another log", note.sign(other, SIGNER).decode(), "foreign"),
        ("no signature", f"{text}\n", "malformed"),
        ("no blank line", text + line, "malformed"),
        ("no newline at the end", good[:-1], "malformed"),
        ("carriage returns", good.replace("\n", "\r\n"), "malformed"),
        ("a hyphen for the dash", good.replace("\u2014", "-"), "malformed"),
        (
            "two spaces in the signature line",
            good.replace(f" {encoded}", f"  {encoded}"),
            "malformed",
        ),
        ("base64 without padding", good.replace(encoded, encoded.rstrip("=")), "malformed"),
        ("base64 with bits left over", good.replace(encoded, _left_over(encoded)), "malformed"),
        (
            "base64 for URLs",
            good.replace(encoded, encode_base64(bytes([251] * 68)).replace("+", "-")),
            "malformed",
        ),
        ("a signature of four bytes", good.replace(encoded, encode_base64(bytes(4))), "malformed"),
        ("text after the signatures", good + "more\n", "malformed"),
        ("a size with a zero before it", signed(text.replace("\n259\n", "\n0259\n")), "malformed"),
        ("a size with a sign", signed(text.replace("\n259\n", "\n+259\n")), "malformed"),
        ("a size of 2**63", signed(text.replace("\n259\n", f"\n{2**63}\n")), "malformed"),
        (
            "digits of another script",
            signed(text.replace("\n259\n", "\n\u0662\u0665\u0669\n")),
            "malformed",
        ),
        (
            "a root of 31 bytes",
            signed(text.replace(lines[2], encode_base64(bytes(31)))),
            "malformed",
        ),
        (
            "a root with bits left over",
            signed(text.replace(lines[2], _left_over(lines[2]))),
            "malformed",
        ),
        ("two lines only", signed("\n".join(lines[:2]) + "\n"), "malformed"),
        ("an empty line among the extensions", signed(text + "\nmore\n"), "malformed"),
        ("an empty origin", signed(text.replace(ORIGIN, "")), "malformed"),
        ("101 signatures", good + stranger * 100, "too-large"),
    ]
    return [{"name": name, "note": text, "verdict": verdict} for name, text, verdict in table]


def _proofs(log: LogWriter) -> list[dict[str, str]]:
    good, entry = log.prove(100), ENTRIES[100]
    text, last = good.encode().decode(), log.prove(258)
    first_hash = text.split("\n")[2]

    def proof(index: int, path: tuple[bytes, ...], extra: bytes | None = None) -> str:
        return InclusionProof(index, path, good.checkpoint, extra).encode().decode()

    table = [
        ("an entry of a full tile", text, entry, "good"),
        ("the last entry", last.encode().decode(), ENTRIES[258], "good"),
        ("the empty entry", log.prove(7).encode().decode(), b"", "good"),
        ("extra data", proof(100, good.path, b"more"), entry, "good"),
        ("another entry", text, ENTRIES[101], "unproven"),
        ("another index", proof(101, good.path), entry, "unproven"),
        ("an index beyond the log", proof(SIZE, good.path), entry, "unproven"),
        ("a hash left out", proof(100, good.path[1:]), entry, "unproven"),
        ("a hash too many", proof(100, (*good.path, bytes(32))), entry, "unproven"),
        (
            "hashes swapped",
            proof(100, (good.path[1], good.path[0], *good.path[2:])),
            entry,
            "unproven",
        ),
        ("no hashes", proof(100, ()), entry, "unproven"),
        (
            "the node above for the entry",
            proof(50, good.path[1:]),
            tree.leaf_hash(entry) + good.path[0],
            "unproven",
        ),
        ("64 hashes", proof(100, (bytes(32),) * 64), entry, "too-large"),
        ("another version", text.replace("@v1", "@v2"), entry, "malformed"),
        ("no index", text.replace("index 100\n", ""), entry, "malformed"),
        (
            "an index with a zero before it",
            text.replace("index 100", "index 0100"),
            entry,
            "malformed",
        ),
        ("a negative index", text.replace("index 100", "index -1"), entry, "malformed"),
        (
            "the extra data after the index",
            text.replace("index 100\n", "index 100\nextra bW9yZQ==\n"),
            entry,
            "malformed",
        ),
        (
            "a hash with bits left over",
            text.replace(first_hash, _left_over(first_hash)),
            entry,
            "malformed",
        ),
        (
            "a hash of 31 bytes",
            text.replace(first_hash, encode_base64(bytes(31))),
            entry,
            "malformed",
        ),
        ("no checkpoint", text.partition("\n\n")[0] + "\n\n", entry, "malformed"),
        ("a forged checkpoint", text.replace("\n259\n", "\n260\n"), entry, "forged"),
    ]
    return [{"name": n, "proof": p, "entry": e.hex(), "verdict": v} for n, p, e, v in table]


def _consistency(reader: TileReader) -> list[dict[str, object]]:
    def row(
        name: str,
        old: int,
        size: int,
        verdict: str,
        path: tuple[bytes, ...] | None = None,
        **roots: bytes,
    ) -> dict:
        hashes = tree.prove_consistency(reader, old, size) if path is None else path
        return {
            "name": name,
            "old": old,
            "old_root": encode_base64(roots.get("old_root", tree.root(reader, old))),
            "size": size,
            "root": encode_base64(roots.get("root", tree.root(reader, size))),
            "path": [encode_base64(h) for h in hashes],
            "verdict": verdict,
        }

    path = tree.prove_consistency(reader, 100, SIZE)
    return [
        *(
            row(f"{old} to {SIZE}", old, SIZE, "good")
            for old in (0, 1, 2, 3, 100, 128, 255, 256, 257, 258, 259)
        ),
        row("another old root", 100, SIZE, "unproven", old_root=bytes(32)),
        row("another root", 100, SIZE, "unproven", root=bytes(32)),
        row(
            "the roots swapped",
            100,
            SIZE,
            "unproven",
            old_root=tree.root(reader, SIZE),
            root=tree.root(reader, 100),
        ),
        row("another old size", 101, SIZE, "unproven", path, old_root=tree.root(reader, 100)),
        row("a hash left out", 100, SIZE, "unproven", path[:-1]),
        row("a hash too many", 100, SIZE, "unproven", (*path, bytes(32))),
        row("no hashes", 100, SIZE, "unproven", ()),
        row("hashes that are not needed", SIZE, SIZE, "unproven", (bytes(32),)),
        row("a proof from nothing", 0, SIZE, "unproven", (bytes(32),)),
        row("the same size with another root", SIZE, SIZE, "unproven", (), root=bytes(32)),
        row("a shrinking log", SIZE, 100, "unproven", path),
    ]


def _logs(files: dict[str, bytes]) -> list[dict[str, str | None]]:
    bundle, tile, top = "tile/entries/001.p/3", "tile/0/001.p/3", "tile/1/000.p/1"
    full, leaves = "tile/entries/000", "tile/0/000"
    table: list[tuple[str, str, bytes | None]] = [
        ("an entry changed", full, files[full].replace(b"entry 100", b"entry 900")),
        ("two entries exchanged", full, files[full].replace(b"entry 10 ", b"entry 15 ", 1)),
        (
            "an entry's length changed",
            bundle,
            b"\0" + bytes([files[bundle][1] - 1]) + files[bundle][2:],
        ),
        ("an entry left out", bundle, files[bundle][files[bundle][1] + 2 :]),
        ("an entry too many", bundle, files[bundle] + b"\0\0"),
        ("a bundle missing", full, None),
        ("a bundle cut short", full, files[full][:-1]),
        ("a tile missing", leaves, None),
        ("a tile cut short", leaves, files[leaves][:-32]),
        (
            "a hash of a tile changed",
            tile,
            files[tile][:40] + bytes([files[tile][40] ^ 1]) + files[tile][41:],
        ),
        ("a hash of the tile above changed", top, files[top][::-1]),
        ("the tile above missing", top, None),
        ("the checkpoint missing", "checkpoint", None),
        ("an older partial tile that lies", "tile/0/000.p/2", files[leaves][:32] + bytes(32)),
        ("a tile under a name that is none", "tile/0/0", files[leaves]),
        ("a tile of a partial width of 256", "tile/0/000.p/256", files[leaves]),
    ]
    rows: list[dict[str, str | None]] = [
        {
            "name": name,
            "path": path,
            "data": None if data is None else data.hex(),
            "verdict": "contradiction",
        }
        for name, path, data in table
    ]
    kept = ("an older partial tile that tells the truth", "tile/0/000.p/2", files[leaves][:64])
    return [*rows, {"name": kept[0], "path": kept[1], "data": kept[2].hex(), "verdict": "good"}]


def _quorums() -> list[dict[str, object]]:
    """Trust policies (c2sp.org/tlog-policy), who cosigned, and whether that is enough."""
    others = [
        Signer(f"w{i}.example", SignatureType.cosignature, bytes([i]) * 32).verifier.vkey
        for i in range(6)
    ]
    a, b, c, d, e, f = others
    log, own = SIGNER.verifier.vkey, WITNESS.verifier.vkey
    three = f"witness A {a}\nwitness B {b}\nwitness C {c}\n"
    six = f"{three}witness D {d}\nwitness E {e}\nwitness F {f}\n"
    levels = (
        f"{six}group X 2 A B C\ngroup Y any D E F\ngroup all-of-them all X Y\nquorum all-of-them\n"
    )
    table: list[tuple[str, str | bytes, list[str], str]] = [
        ("nobody is asked for", "quorum none\n", [], "good"),
        ("one witness", f"witness W {own}\nquorum W\n", [own], "good"),
        ("one witness, who did not", f"witness W {own}\nquorum W\n", [a], "unmet"),
        ("two of three", f"{three}group g 2 A B C\nquorum g\n", [a, c], "good"),
        ("two of three, and one did", f"{three}group g 2 A B C\nquorum g\n", [c], "unmet"),
        ("all of three, and two did", f"{three}group g all A B C\nquorum g\n", [a, b], "unmet"),
        ("any of three", f"{three}group g any A B C\nquorum g\n", [b], "good"),
        ("a witness that no group names", f"{six}group g 1 A B\nquorum g\n", [c], "unmet"),
        ("two levels", levels, [a, b, f], "good"),
        ("two levels, one group short", levels, [a, b, c], "unmet"),
        ("two levels, the other short", levels, [a, d, e, f], "unmet"),
        (
            "comments, tabs, empty lines, URLs",
            f" # why\n\n\tlog\t{log} https://log.example/ \nwitness W {own} "
            "https://w.example/\n  quorum  W\t\n",
            [own],
            "good",
        ),
        ("a name that is no ASCII", f"witness W\u00fc {own}\nquorum W\u00fc\n", [own], "good"),
        (
            "a name that is no UTF-8",
            f"witness W {own}\nquorum W\n".encode().replace(b" W", b" \xff"),
            [own],
            "good",
        ),
        (
            "two names of other octets",
            f"witness K {a}\nwitness \u212a {b}\ngroup g 2 K \u212a\nquorum g\n",
            [a],
            "unmet",
        ),
        ("no quorum", three, [a], "malformed"),
        ("two quorums", f"{three}quorum A\nquorum none\n", [a], "malformed"),
        ("a quorum before its witness", f"quorum A\n{three}", [a], "malformed"),
        ("a group before its member", f"group g any A\n{three}quorum g\n", [a], "malformed"),
        ("an unknown member", f"{three}group g any A Z\nquorum g\n", [a], "malformed"),
        ("a group of itself", f"{three}group g any g A\nquorum g\n", [a], "malformed"),
        ("none as a member", f"{three}group g any none A\nquorum g\n", [], "malformed"),
        ("a witness named none", f"witness none {own}\nquorum none\n", [], "malformed"),
        ("a name twice", f"witness A {a}\nwitness A {b}\nquorum A\n", [a], "malformed"),
        ("a group named as a witness", f"{three}group A any B C\nquorum A\n", [a], "malformed"),
        (
            "a key under two names",
            f"witness A {a}\nwitness B {a}\ngroup g 2 A B\nquorum g\n",
            [a],
            "malformed",
        ),
        (
            "a key under another key name",
            f"witness A {a}\nwitness B {_renamed(a)}\nquorum A\n",
            [a],
            "malformed",
        ),
        ("a member twice", f"{three}group g 2 A A\nquorum g\n", [a], "malformed"),
        (
            "a member of two groups",
            f"{three}group g any A B\ngroup h any A C\nquorum h\n",
            [a],
            "malformed",
        ),
        ("none of three", f"{three}group g 0 A B C\nquorum g\n", [], "malformed"),
        ("four of three", f"{three}group g 4 A B C\nquorum g\n", [a, b, c], "malformed"),
        (
            "a count with a zero before it",
            f"{three}group g 02 A B C\nquorum g\n",
            [a, b],
            "malformed",
        ),
        (
            "a count in digits of another script",
            f"{three}group g \u0662 A B C\nquorum g\n",
            [a, b],
            "malformed",
        ),
        ("a group of nobody", f"{three}group g all\nquorum g\n", [], "malformed"),
        ("a log's key for a witness", f"witness W {log}\nquorum W\n", [], "malformed"),
        ("a witness's key for a log", f"log {own}\nquorum none\n", [], "malformed"),
        ("a log twice", f"log {log}\nlog {log}\nquorum none\n", [], "malformed"),
        (
            "a vkey whose hash is not its own",
            f"witness W {own[:-2]}A=\nquorum W\n",
            [own],
            "malformed",
        ),
        ("an unknown word", f"{three}witnes D {d}\nquorum A\n", [a], "malformed"),
        ("a word too many", f"{three}quorum A B\n", [a], "malformed"),
        ("the last line cut short", f"{three}quorum A", [a], "malformed"),
        ("carriage returns", f"{three}quorum A\n".replace("\n", "\r\n"), [a], "malformed"),
        ("nothing", "", [], "malformed"),
    ]
    rows = [
        (name, text if isinstance(text, bytes) else text.encode(), who, verdict)
        for name, text, who, verdict in table
    ]
    return [
        {"name": name, "file": text.hex(), "cosigned": who, "verdict": verdict}
        for name, text, who, verdict in rows
    ]


def _renamed(vkey: str) -> str:
    """The same key under another name."""
    known = Verifier.parse(vkey)
    return Verifier("another.example", known.type, known.public).vkey


def _cosignatures(checkpoint: Checkpoint) -> list[dict[str, str]]:
    """Checkpoints that `one witness` of the quorums holds for, or not."""
    text = checkpoint.text
    signed = note.sign(text, SIGNER).decode()
    line = WITNESS.cosign(text, 1_800_000_000).line
    other = WITNESS.cosign(Checkpoint(ORIGIN, 258, checkpoint.root).text, 1_800_000_000).line
    encoded = line.split(" ")[2].rstrip("\n")
    raw = bytearray(note.decode_base64(encoded, "a line"))
    later = bytes(raw[:4]) + (1_800_000_001).to_bytes(8, "big") + bytes(raw[12:])
    never = bytes(raw[:4]) + (2**63).to_bytes(8, "big") + bytes(raw[12:])
    second = Signer("w0.example", SignatureType.cosignature, bytes(32))
    plain = Signer(WITNESS.name, SignatureType.ed25519, WITNESS.seed).sign(text)
    table = [
        ("cosigned", signed + line, "good"),
        ("cosigned before the log's own line", f"{text}\n{line}{SIGNER.sign(text).line}", "good"),
        ("cosigned at the beginning of time", signed + WITNESS.cosign(text, 0).line, "good"),
        (
            "cosigned twice, at two times",
            signed + line + WITNESS.cosign(text, 1_800_000_001).line,
            "good",
        ),
        ("another witness cosigned too", signed + line + second.cosign(text, 1).line, "good"),
        ("not cosigned", signed, "unmet"),
        ("another witness cosigned", signed + second.cosign(text, 1).line, "unmet"),
        ("signed by the witness's key without a time", signed + plain.line, "unmet"),
        ("the cosignature of another checkpoint", signed + other, "forged"),
        ("its time changed", signed + line.replace(encoded, encode_base64(later)), "forged"),
        ("a time of 2**63", signed + line.replace(encoded, encode_base64(never)), "forged"),
        (
            "its time left out",
            signed + line.replace(encoded, encode_base64(bytes(raw[:4] + raw[12:]))),
            "forged",
        ),
        (
            "a byte too many",
            signed + line.replace(encoded, encode_base64(bytes(raw) + b"\0")),
            "forged",
        ),
        ("cosigned but not signed by the log", f"{text}\n{line}", "unsigned"),
    ]
    return [{"name": name, "note": text, "verdict": verdict} for name, text, verdict in table]


def _witness(reader: TileReader) -> list[dict[str, object]]:
    """Requests to a witness that last cosigned 100 entries of this log, and the status of its
    answer.
    """

    def shown(
        size: int, root: bytes | None = None, signer: Signer = SIGNER, origin: str = ORIGIN
    ) -> bytes:
        return note.sign(Checkpoint(origin, size, root or tree.root(reader, size)).text, signer)

    def request(old: int, size: int, checkpoint: bytes | None = None) -> bytes:
        path = tree.prove_consistency(reader, old, size) if old <= size else ()
        return Request(old, path, checkpoint or shown(size)).encode()

    table = [
        ("a continuation", request(100, SIZE), 200),
        ("the same checkpoint again", request(100, 100), 200),
        (
            "an unknown log",
            Request(100, (), shown(SIZE, None, STRANGER, "stranger.example")).encode(),
            404,
        ),
        ("signed by a stranger", Request(100, (), shown(SIZE, None, STRANGER)).encode(), 403),
        ("a size changed after signing", request(100, SIZE).replace(b"\n259\n", b"\n258\n"), 403),
        ("an old size behind the witness", request(50, SIZE), 409),
        ("an old size of nothing", request(0, SIZE), 409),
        ("an old size ahead of the witness", request(200, SIZE), 409),
        ("the same size with another root", Request(100, (), shown(100, bytes(32))).encode(), 409),
        ("a fork", request(100, SIZE, shown(SIZE, bytes(32))), 422),
        ("no proof", Request(100, (), shown(SIZE)).encode(), 422),
        ("a proof that is not needed", Request(100, (bytes(32),), shown(100)).encode(), 422),
        ("a checkpoint behind its old size", Request(100, (), shown(99)).encode(), 400),
        ("64 hashes", Request(100, (bytes(32),) * 64, shown(SIZE)).encode(), 400),
        ("a size with a zero before it", request(100, SIZE).replace(b"old 100", b"old 0100"), 400),
        ("no blank line", request(100, SIZE).replace(b"\n\n", b"\n"), 400),
        ("nothing", b"", 400),
    ]
    return [
        {"name": name, "request": body.decode(), "status": status} for name, body, status in table
    ]


def _left_over(encoded: str) -> str:
    """The same bytes spelt with other bits after their end."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = encoded.rstrip("=")
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + encoded[len(body) :]


if __name__ == "__main__":
    for path, data in made().items():
        target = VECTORS / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
