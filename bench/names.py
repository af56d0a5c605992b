"""What looks for names: how much of what people labelled it finds, how much of that is right, and how fast.

python -m bench names [again] [cascade] [FOLDER]

The tagger that ships, spaCy's pipeline where it is installed, and the one in FOLDER: where there is no such folder, it is
trained into it (some fifteen minutes of one core). Recall is of values, covered for four fifths by spans of any kind that
is replaced, on texts that no training saw: presidio-research's synthetic data, the test part of WNUT17 and, for other
languages than English, made texts. The floors are issue 18's goals; precision is of spans of a half in any labelled value.
The last rows are of the cascade: what it loses beside the union of the same detectors, and how fast it is over chats and
code. `again` is how fast a second build reads what the first one read; `again` and `cascade` leave the other rows out.
The data is in BENCH_DATA, by default ../shared/data: without it the program ends with an error.
All figures but those of FOLDER are kept in src/licet/curate/measured.json, for the cards of releases.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
from tools.name_tagger import real_texts, sentences
from tools.name_tagger.__main__ import train

from bench import Row
from licet.curate import names_measure, names_spacy
from licet.curate.batches import batches, column
from licet.curate.detect import CachedDetector, Detector, DetectorUnion
from licet.curate.kernels import NAMES_KINDS, NameKernel
from licet.curate.names import Tagger
from licet.curate.names_built_in import BuiltIn
from licet.curate.names_cascade import CascadeDetector
from licet.curate.names_labelled import LabelledText, conll
from licet.curate.rules import NAMED, IdentifierKind
from licet.keys.material import KEY_BYTES, KeyMaterial
from licet.policy.state import ConversationKind
from licet.release.curation import Document, Voice
from licet.release.manifest import MeasuredFigures
from licet.vault.found_names import NamedSegment, open_record, seal_record

DATA = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
GOALS = {
    ("presidio", "person"): 0.95, ("presidio", "address"): 0.85, ("presidio", "precision"): 0.93,
    ("wnut17", "person"): 0.68,
}  # fmt: skip
MEGABYTES_GOAL = 0.2
AGAIN_GOAL = 10 * MEGABYTES_GOAL  # on what was seen before
CHAT_TEXTS = 20
AGAIN, CASCADE = "again", "cascade"
CHATS = 200
KEPT = Path(names_measure.__file__).parent / names_measure.FILE  # for the cards of releases
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
    """The slices, by name: of nothing that a tagger learns from."""
    if not DATA.is_dir():
        return {}
    return {"presidio": presidio(), "wnut17": conll(DATA / "wnut17" / "emerging.test.annotated")}


def made() -> dict[str, list[LabelledText]]:
    """Made texts, by language: sentences and seeds, and in six languages a locale, that no training has seen."""
    return {f"made-{language}": texts for language, texts in sentences.measuring().items()}


def chats() -> dict[str, list[str]]:
    """Ordinary conversations and messages, of which none is to be left out as doubtful: by where they come from."""
    harmless = DATA / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    messages = DATA / "oasst-samples" / "model__model_eval__manual__data__en_100_message.jsonl.gz"
    dialogues = json.loads(gzip.decompress((DATA / "taskmaster4" / "TM-4-2024__data__data_05.json.gz").read_bytes()))
    return {
        "hh-rlhf": [json.loads(line)["chosen"] for line in gzip.decompress(harmless.read_bytes()).splitlines()[:CHATS]],
        "oasst": [json.loads(line)["text"] for line in gzip.decompress(messages.read_bytes()).splitlines()[:CHATS]],
        "taskmaster": ["\n".join(one["text"] for one in each["utterances"]) for each in dialogues[:CHATS]],
    }


def mixed() -> list[str]:
    """Chats and code, about as much of each."""
    said = [text for texts in chats().values() for text in texts]
    code, size = real_texts.code(DATA), sum(map(len, said))
    return [*said, *("\n".join(code[n : n + 20]) for n in range(0, min(len(code), size), 20))]


def trained(folder: Path) -> Iterator[Row]:
    """Trains into ``folder``, as `python -m tools.name_tagger` does."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        learnt = [DATA / "wnut17" / "wnut17train.conll"] if DATA.is_dir() else []
        file.write("\n".join(real_texts.turns(DATA) if DATA.is_dir() else []))
        file.flush()
        started = time.process_time()
        made = train(folder, conll=learnt, turns=Path(file.name))
    seconds = time.process_time() - started
    yield Row(f"train the tagger, {made.steps:,} steps over {made.texts:,} texts, CPU s", f"{seconds:,.0f}")


def figures(name: str, detector: Detector, slices: Mapping[str, Sequence[LabelledText]]) -> Iterator[Row]:
    """Recall and precision, and what is left out as doubtful."""
    cached = CachedDetector(detector)
    for kinds in (NAMES_KINDS, NAMED):
        named = NameKernel(detector=cached, kinds=kinds)
        told = f"{name}, {'all kinds' if kinds == NAMED else ' and '.join(kinds)}"
        made = names_measure.measured(named, slices)
        if slices and "tagger" not in detector.name:
            names_measure.write(KEPT, {names_measure.key(named): made})
        for one in made:
            if one.kind == names_measure.PRECISION or one.kind in NAMED:
                yield _against(
                    f"{told}; {one.slice}, {one.kind}, of {one.labelled:,}", one, one.found / max(one.labelled, 1)
                )
        for source, texts in chats().items() if slices else ():
            out = sum(any(map(named.doubts, named.found([text]))) for text in texts)
            yield Row(f"{told}; {source}, left out as doubtful, %, of {len(texts)}", f"{100 * out / len(texts):.1f}")


def _against(what: str, one: MeasuredFigures, share: float) -> Row:
    goal = GOALS.get((one.slice, one.kind), 0.0)
    return Row(what, f"{share:.3f}", *([f"{goal:.2f}", f"{share / goal:.2f}"] if goal else ["", ""]))


def speed(name: str, detector: Detector, texts: Sequence[str]) -> Row:
    """MB a second of one core over these texts, each of which is read for the first time."""
    detector.detect(texts[:1], NAMES_KINDS)
    started = time.process_time()
    detector.detect(texts, NAMES_KINDS)
    rate = sum(len(text.encode()) for text in texts) / (time.process_time() - started) / 1e6
    return Row(
        f"{name}: MB a second and core, chats and code",
        f"{rate:.3f}",
        f"{MEGABYTES_GOAL}",
        f"{rate / MEGABYTES_GOAL:.2f}",
    )


def again(texts: Sequence[str]) -> Row:
    """MB a second of one core in the second build: it marks the texts, opens what is kept, and has the step read the rest."""
    names = NameKernel(detector=BuiltIn.read())
    chats = [tuple(texts[at : at + CHAT_TEXTS]) for at in range(0, len(texts), CHAT_TEXTS)]
    segments = [
        NamedSegment(
            account=uuid4(), conversation=uuid4(), segment=0, slot=0, key=KeyMaterial(number.to_bytes(KEY_BYTES, "big"))
        )
        for number in range(len(chats))
    ]  # fmt: skip
    found = [one for batch in _documents(chats, [()] * len(chats)) for one in column(names(batch), "names")]
    kept = [
        seal_record(segment, names.finder, {segment.mark(t): f for t, f in zip(chat, own, strict=True)})
        for segment, chat, own in zip(segments, chats, found, strict=True)
    ]
    started = time.process_time()
    records = [open_record(*each) for each in zip(segments, itertools.repeat(names.finder), kept, strict=False)]
    known = [
        tuple(record.get(segment.mark(text), b"") for text in chat)
        for segment, chat, record in zip(segments, chats, records, strict=True)
    ]
    second = [one for batch in _documents(chats, known) for one in column(names(batch), "names")]
    rate = sum(len(text.encode()) for text in texts) / (time.process_time() - started) / 1e6
    if second != found:
        raise SystemExit("error: a second build finds other names than the first")
    return Row(
        "built-in, seen before: MB a second and core, chats and code", f"{rate:,.1f}", f"{AGAIN_GOAL}",
        f"{rate / AGAIN_GOAL:.1f}",
    )  # fmt: skip


def _documents(chats: Sequence[tuple[str, ...]], known: Sequence[tuple[bytes, ...]]) -> Iterator[pa.RecordBatch]:
    return batches(
        Document(
            account=bytes(16), name=bytes(16), kind=ConversationKind.chat, key=bytes(32), texts=texts,
            voices=(Voice.user,) * len(texts), known=own,
        )
        for texts, own in zip(chats, known, strict=True)
    )  # fmt: skip


def cascaded(name: str, other: Detector, slices: Mapping[str, Sequence[LabelledText]]) -> Iterator[Row]:
    """What the cascade in front of ``other`` loses beside the union with it, and what it gains."""
    first = BuiltIn.read()
    union, cascade = DetectorUnion((first, other)), CascadeDetector(first, (other,))
    texts = mixed()
    yield speed(f"{name} alone", other, texts)
    yield speed(f"built-in before {name}, cascade", cascade, texts)
    english = {slice_: each for slice_, each in slices.items() if not slice_.startswith("made-")}
    both = [names_measure.measured(NameKernel(detector=one), english) for one in (union, cascade)]
    for whole, part in zip(*both, strict=True):
        if whole.kind in (IdentifierKind.PERSON, IdentifierKind.ADDRESS):
            lost = 100 * (whole.found - part.found) / whole.labelled
            yield Row(
                f"built-in before {name}, cascade; {whole.slice}, {whole.kind}, points lost", f"{lost:.1f}", "0.5"
            )


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    if not DATA.is_dir():
        raise SystemExit(f"error: `{DATA}` is no folder of data sets\nhint: name one in BENCH_DATA")
    rows: list[Row] = []
    parts, folders = {AGAIN, CASCADE} & {*arguments}, [one for one in arguments if one not in (AGAIN, CASCADE)]
    slices = {**labelled(), **made()}
    if not parts:
        names_measure.write(KEPT, {names_measure.key(None): names_measure.measured(None, slices)})
        rows += [speed("built-in", BuiltIn.read(), mixed()), *figures("built-in", BuiltIn.read(), slices)]
    if not parts or AGAIN in parts:
        rows.append(again(mixed()))
    others: dict[str, Detector] = {}
    if names_spacy.installed():
        others["spaCy"] = names_spacy.Spacy.read()
    for folder in map(Path, folders):
        rows += trained(folder) if not folder.exists() else ()
        others["tagger"] = Tagger.read(folder)
    for name, other in others.items():
        if not parts:
            rows += figures(name, other, slices)
            rows += figures(f"built-in before {name}", CascadeDetector(BuiltIn.read(), (other,)), slices)
        if not parts or CASCADE in parts:
            rows += cascaded(name, other, slices)
    return rows


if __name__ == "__main__":
    for row in main(sys.argv[1:]):
        print(" | ".join(row))
