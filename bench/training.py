"""What the gate costs a training run, and how soon a withdrawal holds on a node.

Each loader is run with and without the gate by turns, in CPU time of this process; the ratio is
that of the sums, so that what the machine does beside it falls on both. A row is some 1,000
characters of two messages; one in a hundred is withdrawn. Beside it stands what people do without a
gate: `select` of the rows that are left, `filter`, and two other formats.

    python -m bench training [ROWS]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

from bench import NAMES_LEFT_IN, NO_NAMES, Row
from licet.config import Configuration
from licet.curate import release_build
from licet.ledger.note import SignatureType, Signer
from licet.policy.state import TurnRole
from licet.release import manifest as release_manifest
from licet.service import policy_changes
from licet.store import embedded
from licet.train import bitmap, gate_files, node
from licet.train.batch_mask import MaskedBatches
from licet.train.dataset import GatedDataset, GatedStream
from licet.train.gate import HandOff, TrainingGate, WhenStale
from licet.train.remote import Keeper
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

ROWS, ROUNDS, BATCH, SHARE, UNIVERSE = 8_000, 9, 32, 0.01, 400_000
SIGNER = Signer("bench.example/withdrawn", SignatureType.ed25519, b"b" * 32)
RELEASE, MANIFEST = "ab" * 16, "cd" * 32
PEOPLE = 40


def main(arguments: list[str]) -> list[Row]:
    count = int(arguments[0]) if arguments else ROWS
    with tempfile.TemporaryDirectory(prefix="licet-training-") as folder:
        withdrawn = Random(3).sample(range(UNIVERSE), int(UNIVERSE * SHARE))
        gate = published(Path(folder), withdrawn)
        rows = [*on_hugging_face(count, gate, withdrawn), on_tokenised(count, gate), check(gate)]
        return [*rows, *on_others(count, withdrawn, Path(folder)), enforced(Path(folder))]


def published(
    folder: Path, withdrawn: Sequence[int], release: str = RELEASE, manifest_sha256: str = MANIFEST
) -> TrainingGate:
    """A gate on a file of these rows, which holds for an hour."""
    rows, now = bitmap.serialize(withdrawn), datetime.now(UTC)
    head = bitmap.BitmapHead(
        release=release,
        manifest_sha256=manifest_sha256,
        number=1,
        issued=now,
        until=now + timedelta(hours=1),
        rows=len(withdrawn),
        sha256=sha256(rows).hexdigest(),
    )
    path = bitmap.write(folder, release, bitmap.encode_file(bitmap.sign(head, SIGNER), rows))
    return TrainingGate(
        path,
        release=release,
        manifest_sha256=manifest_sha256,
        verifier=SIGNER.verifier,
        clock=time.time,
        when_stale=WhenStale.stop,
    )


def data_set(count: int) -> Any:
    from datasets import Dataset

    draw = Random(1)
    words = ["pear", "tree", "plant", "water", "November", "soil", "root", "prune", "graft", "wide"]
    said = [" ".join(draw.choices(words, k=90)) for _ in range(64)]
    return Dataset.from_dict(
        {
            "messages": [
                [
                    {"role": "user", "content": draw.choice(said)},
                    {"role": "assistant", "content": draw.choice(said)},
                ]
                for _ in range(count)
            ],
            "ordinal": list(range(count)),
        }
    )


def by_turns(count: int, *loaders: Callable[[], Iterable[Any]]) -> list[float]:
    """CPU microseconds a row of each loader, run by turns; the median over the rounds."""
    spent: list[list[float]] = [[] for _ in loaders]
    for round_ in range(ROUNDS):
        order = list(enumerate(loaders))
        for place, loader in order if round_ % 2 else reversed(order):
            began = time.process_time()
            for _ in loader():
                pass
            spent[place].append((time.process_time() - began) / count * 1e6)
    return [sorted(times)[len(times) // 2] for times in spent]


def compared(what: str, mine: float, floor: float, goal: str = "") -> Row:
    return Row(f"{what}, CPU us a row{goal}", f"{mine:.2f}", f"{floor:.2f}", f"{mine / floor:.3f}")


def on_hugging_face(count: int, gate: TrainingGate, withdrawn: Sequence[int]) -> list[Row]:
    rows = data_set(count)
    gone = frozenset(withdrawn)
    selected = rows.select([n for n in range(count) if n not in gone], keep_in_memory=True)
    gated, stream = GatedDataset(rows, gate), rows.to_iterable_dataset()
    living = GatedDataset(rows, gate, [n for n in range(UNIVERSE) if n not in gone][:count])
    filtered = stream.filter(lambda row: row["ordinal"] not in gone)
    of_map, alone, mine, of_select = by_turns(
        count, lambda: rows, lambda: living, lambda: gated, lambda: selected
    )
    of_stream, my_stream, of_filter = by_turns(
        count, lambda: stream, lambda: GatedStream(stream, gate), lambda: filtered
    )
    batches = [list(range(at, min(at + BATCH, count))) for at in range(0, count, BATCH)]
    plain, handed = by_turns(
        count,
        lambda: map(rows.__getitems__, batches),
        lambda: MaskedBatches(map(gated.__getitems__, batches), gate),
    )
    return [
        compared(
            "Hugging Face Dataset behind the gate, none of its rows withdrawn",
            alone,
            of_map,
            " (goal: at most 1.01)",
        ),
        compared(
            "the same, one in a hundred withdrawn and another read in its place", mine, of_map
        ),
        compared(
            "batches of 32 behind the gate and checked at hand-off, one in a hundred withdrawn",
            handed,
            plain,
        ),
        compared("beside it: `select` of what is left", of_select, of_map),
        compared(
            "Hugging Face IterableDataset behind the gate, one in a hundred withdrawn",
            my_stream,
            of_stream,
        ),
        compared("beside it: `IterableDataset.filter`", of_filter, of_stream),
    ]


def on_others(count: int, withdrawn: Sequence[int], folder: Path) -> list[Row]:
    """Two loaders with formats of their own, as far as they are installed: neither is part of a
    group of ours.

    Lance deletes by a predicate; Mosaic's Streaming has no way to leave a row out, so its reader
    looks at each.
    """
    rows, gone = data_set(count), frozenset(withdrawn)
    found = []
    if find_spec("lance") is not None:
        import lance

        whole = lance.write_dataset(rows.data.table, str(folder / "whole.lance"))
        less = lance.write_dataset(rows.data.table, str(folder / "less.lance"))
        less.delete(f"ordinal IN ({', '.join(map(str, sorted(n for n in gone if n < count)))})")
        plain, living = by_turns(count, *(partial(_of_lance, each) for each in (whole, less)))
        found.append(compared("beside it: Lance, the same rows deleted", living, plain))
    else:
        found.append(Row("beside it: Lance is not installed (PyPI `pylance`)", "not measured"))
    if find_spec("streaming") is not None:
        from streaming import LocalDataset, MDSWriter

        with MDSWriter(
            out=str(folder / "mds"), columns={"messages": "json", "ordinal": "int"}
        ) as out:
            for row in rows:
                out.write(row)
        stored = LocalDataset(str(folder / "mds"))
        plain, looked = by_turns(
            count,
            lambda: (stored[n] for n in range(count)),
            lambda: (
                row for row in (stored[n] for n in range(count)) if row["ordinal"] not in gone
            ),
        )
        found.append(compared("beside it: Mosaic Streaming, each row looked at", looked, plain))
    else:
        found.append(
            Row(
                "beside it: Mosaic Streaming is not installed (PyPI `mosaicml-streaming`)",
                "not measured",
            )
        )
    return found


def _of_lance(stored: Any) -> Iterator[Any]:
    for batch in stored.to_batches():
        yield from batch.to_pylist()


def on_tokenised(count: int, gate: TrainingGate) -> Row:
    """Batches of 32 through a fast tokenizer into tensors, as a trainer's collator makes them."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    rows = data_set(min(count, 2_000))
    texts = [" ".join(message["content"] for message in row["messages"]) for row in rows]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=30_000, show_progress=False)
    )
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def batches() -> Iterable[Any]:
        for start in range(0, len(texts), BATCH):
            encoded = tokenizer.encode_batch(texts[start : start + BATCH])
            ids = torch.tensor([one.ids for one in encoded])
            # none of them withdrawn: what was, was replaced when it was read
            yield {
                "input_ids": ids,
                "labels": ids.clone(),
                "ordinal": torch.arange(start, start + len(encoded)) + UNIVERSE,
            }

    plain, handed = by_turns(len(texts), batches, lambda: MaskedBatches(batches(), gate))
    return compared(
        "tokenised batches of 32, checked at hand-off", handed, plain, " (goal: at most 1.002)"
    )


def check(gate: TrainingGate) -> Row:
    """The check of a batch, the look at the file included, beside that look alone."""
    draw, hand_off = Random(2), HandOff(gate)
    living = [n for n in range(UNIVERSE) if n not in gate.current()]
    batches = [draw.sample(living, BATCH) for _ in range(1_000)]
    times, floors = [], []
    for _ in range(30):
        began = time.process_time()
        for batch in batches:
            hand_off(0, batch)
        times.append(time.process_time() - began)
        began = time.process_time()
        for _ in batches:
            gate.current()
        floors.append(time.process_time() - began)
    mine, floor = min(times) * 1e3, min(floors) * 1e3
    what = (
        f"check of a batch of 32, {SHARE:.0%} of {UNIVERSE:,} withdrawn, us, beside the look "
        "at "
        "the file (goal: under 2)"
    )
    return Row(what, f"{mine:.2f}", f"{floor:.2f}", f"{mine / floor:.1f}")


# How soon


def enforced(folder: Path) -> Row:
    """From the commit of a withdrawal to the first batch that is checked against it, on a node that
    polls twice a second.
    """
    data = folder / "data"
    data.mkdir()
    with open_installation(Configuration(data=data, curate=NO_NAMES)) as installation:
        people = town(installation)
        built = release_build.build_release(installation, name="bench", purpose="improve_models")
        assert built.manifest is not None
        sealed = installation.config.releases / "bench"
        of = dict(gone(installation))
        keeper = Keeper(
            gate_files.LocalSource(installation),
            gate_files.signer(installation).verifier,
            folder / "gates",
            release=built.manifest.release,
            manifest_sha256=release_manifest.read_manifest(sealed)[1],
            clock=installation.clock,
        )
        keeper.poll()
        over = Event()
        following = Thread(target=keeper.follow, args=[over.wait, lambda _: None])
        following.start()
        gate = node.gate(sealed, folder / "gates", gate_files.signer(installation).verifier.vkey)
        took = []
        for account in people:
            ordinal = of[account]
            time.sleep(Random(ordinal).random())
            verbs.apply_commands(
                installation,
                [do.Choose(account=account, at=installation.clock(), allow=False, via="settings")],
            )
            began = time.perf_counter()
            while not gate.check([ordinal]):
                time.sleep(0.001)
            took.append(time.perf_counter() - began)
        over.set()
        following.join()
    embedded.stop(data / "postgres")
    took.sort()
    what = (
        f"a withdrawal is committed until it holds on a node, {len(took)} times, polling twice "
        "a second (goal: under 1 s)"
    )
    return Row(
        what,
        f"{took[len(took) // 2]:.2f} s, at most {took[-1]:.2f} s",
        "0.25 s",
        f"{took[len(took) // 2] / 0.25:.1f}",
    )


def town(installation: Installation) -> list[Any]:
    """People who said yes, each with a conversation."""
    policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
    key, people = load_host_key(installation), []
    for number in range(PEOPLE):
        at = installation.clock()
        account = uuid7(at, Random(number).randbytes(10))
        said = {
            "account": account,
            "at": at,
            "host_conversation": host_hmac(key, "conversation", f"c{number}"),
        }
        verbs.apply_commands(
            installation,
            [
                do.OpenAccount(
                    account=account,
                    at=at,
                    host=host_hmac(key, "account", str(number)),
                    plan="pro",
                    age=30,
                ),
                do.Choose(account=account, at=at, allow=True, via="notice"),
                do.AddTurn(
                    **said,
                    content=encode(Content(text=f"How does neighbour {number} plant pear trees?")),
                ),
                do.AddTurn(
                    **said, role=TurnRole.assistant, content=encode(Content(text="In November."))
                ),
            ],
        )
        people.append(account)
    return people


def gone(installation: Installation) -> list[tuple[Any, int]]:
    with installation.pool.connection() as conn:
        return conn.execute("SELECT account_id, ordinal FROM release_rows").fetchall()
