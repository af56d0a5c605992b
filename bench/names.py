"""What looks for names: how much of what it replaces is right, how much it finds, what it changes
where nobody is named.

python -m bench names

Of labelled texts, by slice: the share of persons and addresses that are found, and of replaced
words that are right (presidio-research's synthetic data, the test part of WNUT17, and messages in
each language that is looked at). Of texts that name nobody, by language and kind: the share of
words that change (`_plain_texts`; Debian's manpages-XX). The floors of these are issue 31's: 0.95
right, 0.80 found, 0.3 % changed, 0.05 % in code. The data is in BENCH_DATA, by default
../shared/data. The figures of labelled texts are kept in src/licet/curate/measured.json, for the cards of releases.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa

from bench import Row, _plain_texts
from licet.curate import deidentify, names_measure
from licet.curate.batches import batches, column
from licet.curate.kernels import NAMES_KINDS, NameKernel
from licet.curate.names import NameFinder
from licet.curate.names_labelled import LabelledText, read_conll, read_marked
from licet.curate.rules import NAMED, IdentifierKind
from licet.keys.material import KEY_BYTES, KeyMaterial
from licet.policy.state import ConversationKind
from licet.release.curation import Document, Voice
from licet.vault.found_names import NamedSegment, open_record, seal_record

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("BENCH_DATA", ROOT.parent / "shared" / "data"))
MESSAGES = ROOT / "tests" / "curate" / "cases" / "named_messages.txt"
KEPT = ROOT / "src" / "licet" / "curate" / names_measure.FILE
RIGHT, FOUND, CHANGED, CHANGED_CODE = 0.95, 0.80, 0.3, 0.05
MEGABYTES_GOAL, AGAIN_GOAL = 0.2, 2.0
CHAT_TEXTS, CHATS = 20, 200
KEY = bytes(32)
# Public domains, dates, ages and titles are not replaced, and not counted.
_LABELS = {
    "PERSON": IdentifierKind.PERSON,
    "STREET_ADDRESS": IdentifierKind.ADDRESS,
    "GPE": IdentifierKind.PLACE,
    "ORGANIZATION": IdentifierKind.ORGANISATION,
    "EMAIL_ADDRESS": IdentifierKind.EMAIL,
    "IBAN_CODE": IdentifierKind.IBAN,
    "US_SSN": IdentifierKind.NATIONAL_ID,
    "IP_ADDRESS": IdentifierKind.IP,
    "US_DRIVER_LICENSE": IdentifierKind.NATIONAL_ID,
    "CREDIT_CARD": IdentifierKind.CARD,
    "PHONE_NUMBER": IdentifierKind.PHONE,
}


def presidio() -> list[LabelledText]:
    file = DATA / "presidio-synth" / "data__synth_dataset_v2.json.gz"
    return [
        LabelledText(
            row["full_text"],
            tuple(
                (span["start_position"], span["end_position"], _LABELS[span["entity_type"]])
                for span in row["spans"]
                if span["entity_type"] in _LABELS
            ),
        )
        for row in json.loads(gzip.decompress(file.read_bytes()))
    ]


def labelled() -> dict[str, list[LabelledText]]:
    """The slices, by name: by none of them a rule, a list or a threshold was chosen; the other half
    of the first was seen.
    """
    messages = {f"messages-{language}": texts for language, texts in read_marked(MESSAGES).items()}
    if not DATA.is_dir():
        return messages
    return {
        "presidio": presidio()[1::2],
        "wnut17": read_conll(DATA / "wnut17" / "emerging.test.annotated"),
        **messages,
    }


def chats() -> list[str]:
    """Conversations of people with assistants."""
    harmless = DATA / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    messages = DATA / "oasst-samples" / "model__model_eval__manual__data__en_100_message.jsonl.gz"
    rows = gzip.decompress(harmless.read_bytes()).splitlines()[:CHATS]
    turns = [turn for line in rows for turn in json.loads(line)["chosen"].split("\n\n") if turn]
    return [
        *turns,
        *(json.loads(line)["text"] for line in gzip.decompress(messages.read_bytes()).splitlines()),
    ]


def figures(names: NameKernel, slices: Mapping[str, Sequence[LabelledText]]) -> Iterator[Row]:
    made = names_measure.measure(names, slices)
    names_measure.replace_figures(
        KEPT,
        {
            names_measure.configuration_key(None): names_measure.measure(None, slices),
            names_measure.configuration_key(names): made,
        },
    )
    for one in made:
        if one.kind == names_measure.PRECISION or one.kind in NAMED:
            goal = RIGHT if one.kind == names_measure.PRECISION else FOUND
            share = one.found / max(one.labelled, 1)
            yield Row(
                f"{one.slice}, {one.kind}, of {one.labelled:,}",
                f"{share:.3f}",
                f"{goal}",
                f"{share / goal:.2f}",
            )


def changed(names: NameKernel) -> Iterator[Row]:
    """The share of words that change where nobody is named."""
    plain = itertools.chain(_plain_texts.pages(), _plain_texts.catalogues())
    prose = ((f"`{language}`", texts, CHANGED) for language, texts in plain)
    code = ((what, texts, CHANGED_CODE) for what, texts in _plain_texts.technical(ROOT))
    for what, texts, goal in (*prose, *code):
        words = sum(len(text.split()) for text in texts)
        lost = 0
        for text in texts:
            for each in deidentify.substitutions([text], KEY, names=names.find_names([text]))[0]:
                lost += (
                    len(text[each.span.start : each.span.end].split())
                    if each.span.kind in NAMED
                    else 0
                )
        share = 100 * lost / max(words, 1)
        yield Row(
            f"words changed in {what}, %, of {words:,}",
            f"{share:.3f}",
            f"{goal}",
            f"{share / goal:.2f}",
        )


def speed(texts: Sequence[str]) -> Iterator[Row]:
    """Of one core over turns, each of which is read for the first time."""
    finder = NameFinder.load()
    finder.detect(texts[:1], NAMES_KINDS)
    started = time.process_time()
    finder.detect(texts, NAMES_KINDS)
    spent = time.process_time() - started
    rate = sum(len(text.encode()) for text in texts) / spent / 1e6
    yield Row(
        "MB a second and core, chats",
        f"{rate:.2f}",
        f"{MEGABYTES_GOAL}",
        f"{rate / MEGABYTES_GOAL:.1f}",
    )
    yield Row(f"us a turn, of {len(texts):,}", f"{1e6 * spent / len(texts):.0f}")


def again(texts: Sequence[str]) -> Row:
    """MB a second of one core in the second build: it marks the texts, opens what is kept, and has
    the step read the rest.
    """
    names = NameKernel(detector=NameFinder.load())
    chats = [tuple(texts[at : at + CHAT_TEXTS]) for at in range(0, len(texts), CHAT_TEXTS)]
    segments = [
        NamedSegment(
            account=uuid4(),
            conversation=uuid4(),
            segment=0,
            slot=0,
            key=KeyMaterial(number.to_bytes(KEY_BYTES, "big")),
        )
        for number in range(len(chats))
    ]
    found = [
        one
        for batch in _documents(chats, [()] * len(chats))
        for one in column(names(batch), "names")
    ]
    kept = [
        seal_record(
            segment, names.finder, {segment.mark(t): f for t, f in zip(chat, own, strict=True)}
        )
        for segment, chat, own in zip(segments, chats, found, strict=True)
    ]
    started = time.process_time()
    records = [
        open_record(*each)
        for each in zip(segments, itertools.repeat(names.finder), kept, strict=False)
    ]
    known = [
        tuple(record.get(segment.mark(text), b"") for text in chat)
        for segment, chat, record in zip(segments, chats, records, strict=True)
    ]
    second = [one for batch in _documents(chats, known) for one in column(names(batch), "names")]
    rate = sum(len(text.encode()) for text in texts) / (time.process_time() - started) / 1e6
    if second != found:
        raise SystemExit("error: a second build finds other names than the first")
    return Row(
        "seen before: MB a second and core",
        f"{rate:,.1f}",
        f"{AGAIN_GOAL}",
        f"{rate / AGAIN_GOAL:.1f}",
    )


def _documents(
    chats: Sequence[tuple[str, ...]], known: Sequence[tuple[bytes, ...]]
) -> Iterator[pa.RecordBatch]:
    return batches(
        Document(
            account=bytes(16),
            name=bytes(16),
            kind=ConversationKind.chat,
            key=bytes(32),
            texts=texts,
            voices=(Voice.user,) * len(texts),
            known=own,
        )
        for texts, own in zip(chats, known, strict=True)
    )


def main(_arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    if not DATA.is_dir():
        raise SystemExit(f"error: `{DATA}` is no folder of data sets\nhint: name one in BENCH_DATA")
    names = NameKernel(detector=NameFinder.load())
    return [*speed(chats()), again(chats()), *figures(names, labelled()), *changed(names)]
