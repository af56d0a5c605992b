"""The promises of the structured layer, over cases for every rule, over random text and over
labelled data.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import deidentify as layer
from licet.curate import rules, surrogates
from licet.curate.deidentify import DeidentifiedTexts, deidentify, detect, substitutions
from licet.curate.detect import DetectedSpan
from licet.curate.rules import IdentifierKind
from licet.errors import InputError, UsageError

from ..machine import slowness

KEY = bytes(range(32))
KNOWN = (
    "jordan.alderwick56@example.net",
    "+99 98 178891",
    "9999 4305 1828 4297",
    "/home/usercd075d/x",
    "ghp_EXAMPLEaseoygxlntdvzngjrdejykfpcsysc",
    "000-92-2417",
)
ROOT = Path(__file__).parents[2]
CASES = yaml.safe_load((Path(__file__).parent / "cases" / "deidentify.yaml").read_text("utf-8"))
DATA = Path(os.environ.get("TESTS_DATA", ROOT.parent / "shared" / "data"))
ALPHABETS = {
    "hex": "0123456789abcdef",
    "alnum": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "upperhex": "0123456789ABCDEF",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "digit": "123456789",
}


def filled(text: str) -> str:
    def filler(match: re.Match[str]) -> str:
        alphabet, count = ALPHABETS[match[1]], int(match[2])
        stream = b"".join(
            hashlib.sha256(f"{match.start()}{n}".encode()).digest() for n in range(40)
        )
        return "".join(alphabet[b % len(alphabet)] for b in stream[:count])

    return re.sub(r"\{(hex|alnum|upper|digit):(\d+)\}", filler, text)


def cases(which: str) -> list[tuple[str, str]]:
    return [(name, filled(text)) for name, own in CASES.items() for text in own[which]]


HITS = [
    (rule, text.replace("«", "").replace("»", ""), text[text.index("«") + 1 : text.index("»")])
    for rule, text in cases("hit")
]


def found_by(rule: str, text: str) -> list[str]:
    book = rules.load_rules()
    data = text.encode()
    found = book.spans(data, [len(data)], [book.orders[rule]])
    return [data[f.start : f.end].decode() for f in found]


# --- the rules ------------------------------------------------------------------------------------


def test_every_rule_has_a_case_that_hits_and_one_that_misses() -> None:
    text = (ROOT / "src" / "licet" / "curate" / "rules.yaml").read_text("utf-8")
    own = [r.name for r in rules.parse_rules(text, file="rules.yaml", checked=False).rules]
    # Of national numbers there are some here; tests/curate/test_national_numbers.py has all.
    assert own == [name for name in CASES if name in own]
    assert set(CASES) <= {r.name for r in rules.load_rules().rules}
    assert all(own["hit"] and own["miss"] for own in CASES.values())


@pytest.mark.parametrize(("rule", "text", "value"), HITS)
def test_a_rule_finds_its_value(rule: str, text: str, value: str) -> None:
    assert value in found_by(rule, text)


@pytest.mark.parametrize(("rule", "text"), cases("miss"))
def test_a_rule_passes_over_its_look_alikes(rule: str, text: str) -> None:
    assert [
        v
        for v in found_by(rule, text)
        if not surrogates.is_reserved(rules.load_rules().by_name[rule].kind, v)
    ] == []


@pytest.mark.parametrize(("rule", "text", "value"), HITS)
def test_the_prefilter_lets_every_hit_through(rule: str, text: str, value: str) -> None:
    book = rules.load_rules()
    for around in (text, f"x\n{text}\ny", f"é {text}"):
        assert book.orders[rule] in book.suspects(around.encode())


@pytest.mark.parametrize(("rule", "text", "value"), HITS)
def test_a_value_is_gone_and_the_second_pass_changes_nothing(
    rule: str, text: str, value: str
) -> None:
    once = deidentify([text], KEY)
    assert value not in once.texts[0]
    assert deidentify(once.texts, KEY).texts == once.texts


@pytest.mark.parametrize(
    "bad",
    [
        "macros: {}\nrules: [{name: a, kind: email, score: 1.0, pattern: '(?P<v>a', unknown: 1}]",
        "macros: {}\nrules: [{name: a, kind: email, score: 1.0, pattern: '(?P<v>a'}]",
        "macros: {}\nrules: [{name: a, kind: email, score: 1.0, pattern: 'a'}]",
        (
            "macros: {}\nrules: [{name: a, kind: email, score: 1.0, pattern: '(?P<v>a)', "
            "validator: nobody}]"
        ),
        "macros: {}\nrules: [{name: a, kind: nothing, score: 1.0, pattern: '(?P<v>a)'}]",
        "macros: {}\nrules: [{name: a, kind: email, score: 1.0, pattern: '(?P<v>(a)\\1)'}]",
        "macros: [",
    ],
)
def test_a_bad_rule_file_is_refused_whole(bad: str) -> None:
    with pytest.raises(InputError, match=r"bad\.yaml"):
        rules.parse_rules(bad, file="bad.yaml")


def test_our_own_rules_are_checked_here_and_compiled_when_a_text_asks_for_them() -> None:
    text = (ROOT / "src" / "licet" / "curate" / "rules.yaml").read_text("utf-8")
    numbers = (ROOT / "src" / "licet" / "curate" / "national_numbers.yaml").read_text("utf-8")
    checked = rules.parse_rules(text, file="rules.yaml", numbers=numbers)
    later = rules.parse_rules(text, file="rules.yaml", checked=False, numbers=numbers)
    assert checked.rules == later.rules == rules.load_rules().rules
    data = b"write to ana@pears.example"
    suspects = later.suspects(data)
    assert 0 < len(suspects) < 20 < len(later.rules)
    assert (
        list(later.spans(data, [len(data)], suspects))
        == list(checked.spans(data, [len(data)], suspects))
        != []
    )


def test_the_keywords_of_a_rule_are_text_and_no_pattern() -> None:
    text = (
        "macros: {}\nrules: [{name: a, kind: email, score: 1.0, pattern: '(?P<v>x)', keywords: "
        "['a.c(', '[b']}]"
    )
    (rule,) = rules.parse_rules(text, file="plain.yaml").rules
    found = re.compile(rules.trigger(rule))
    assert [bool(found.search(one)) for one in ("a.c(", "see [b", "abc(", "b", "a.c")] == [
        True,
        True,
        False,
        False,
        False,
    ]


# --- offsets, overlap, evasion --------------------------------------------------------------------


def values(text: str) -> list[str]:
    return [text[s.start : s.end] for s in detect([text])[0]]


@given(st.text(max_size=40), st.text(max_size=40))
def test_offsets_slice_to_the_value_between_any_characters(before: str, after: str) -> None:
    text = f"{before}\n bob@acme.io \n{after}"
    assert "bob@acme.io" in values(text)


def test_offsets_are_of_each_text_and_no_span_crosses_into_the_next() -> None:
    texts = ["é bob@acme.io", "", "𝕏 415-267-", "1234", "ann@acme.io"]
    spans = detect(texts)
    assert [[t[s.start : s.end] for s in own] for t, own in zip(texts, spans, strict=True)] == [
        ["bob@acme.io"],
        [],
        [],
        [],
        ["ann@acme.io"],
    ]


def test_a_question_in_one_turn_explains_the_number_in_the_next() -> None:
    assert detect(["And your phone?", "467 3395"])[1] == [
        DetectedSpan(0, 8, IdentifierKind.PHONE, 0.8, "phone_context")
    ]


def test_the_longest_span_wins_then_the_score() -> None:
    assert values("https://bob:pw9@acme.io/") == ["bob:pw9@acme.io"]
    assert [s.kind for s in detect(['password = "bob@acme.io"'])[0]] == [IdentifierKind.EMAIL]


@pytest.mark.parametrize(
    "hidden",
    [
        "bo\u200bb@acme.io",
        "bob＠acme.io",
        "bob@acme．io",
        "ｂｏｂ@acme.io",
        "415\u2011267\u20111234",
        "４１５-267-1234",
        "460\u00ad-89-9847",
        "٤١٥-٢٦٧-١٢٣٤",
        "415\u00a0267\u00a01234",
    ],
)
def test_disguises_do_not_hide_an_identifier(hidden: str) -> None:
    assert values(f"é \u200b mine: {hidden} \u200b.") == [hidden]


def test_a_disguised_value_and_the_plain_one_get_one_surrogate() -> None:
    one, two = deidentify(["bo\u200bb@acme.io", "BOB＠acme.io"], KEY).texts
    assert one == two


def test_a_lone_surrogate_counts_as_one_character_and_stays() -> None:
    assert values("\ud800 bob@acme.io \udfff") == ["bob@acme.io"]
    assert deidentify(["\ud800 x"], KEY).texts == ("\ud800 x",)


def test_code_stays_valid_where_a_value_was() -> None:
    row = {
        "mail": "bob@acme.io",
        "path": "C:\\Users\\bob\\x",
        "note": 'a\nbob@acme.io\tpassword="hunter2!"',
        "n": [1, 2],
    }
    for text in (json.dumps(row), json.dumps(json.dumps(row))):
        out = deidentify([text], KEY).texts[0]
        assert "bob" not in out and "hunter2" not in out
        assert json.loads(out)
    assert json.loads(deidentify([json.dumps(row)], KEY).texts[0])["note"].startswith("a\n")


def test_a_long_run_of_base64_is_cut_as_a_whole_where_it_hides_somebody() -> None:
    hides, plain = (
        "aGVsbG8gYm9iQGFjbWUuaW8gYW5kIDQxNS0yNjctMTIzNA==",
        "dGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcw==",
    )
    out = deidentify([f"{plain} {hides}"], KEY).texts[0]
    assert out.startswith(plain)
    assert hides[:20] not in out


def seconds(text: str) -> float:
    began = time.process_time()
    detect([text])
    return time.process_time() - began


@pytest.mark.parametrize(
    "unit",
    [
        "a@",
        "1 ",
        "12-",
        "+1 ",
        "a.b@c.",
        "password=",
        "0",
        "eyJa.",
        "::",
        "\\n",
        "4111 1111 1",
        "(09) ",
        "-----BEGIN PRIVATE KEY-----\n",
    ],
)
def test_a_megabyte_of_near_misses_takes_linear_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    half, whole = seconds(text[:500_000]), seconds(text)
    assert whole < 3 * half + 0.5 * slowness()
    assert whole < 20 * slowness()


def test_digests_cost_no_more_than_other_text_by_far() -> None:
    """Of what looks like a token at every byte an automaton may need a state for each: it took 1.5
    s for these bytes.
    """
    digests = Random(7).randbytes(100_000).hex()
    detect([digests[:1_000]])  # the rules are compiled
    assert seconds(digests) < 0.5 * slowness()


# --- surrogates and tags --------------------------------------------------------------------------


def test_one_value_has_one_surrogate_in_a_conversation_and_another_under_another_key() -> None:
    one = deidentify(["bob@acme.io and Bob@acme.io", "again bob@acme.io", "ann@acme.io"], KEY).texts
    first = one[1].removeprefix("again ")
    assert one[0] == f"{first} and {first}" and one[2] != first
    assert deidentify(["again bob@acme.io"], b"o" * 32).texts[0] != one[1]


def test_a_longer_conversation_keeps_the_surrogates_of_its_beginning() -> None:
    texts = [f"from 84.12.{n // 250}.{10 + n % 240}" for n in range(300)]
    assert deidentify(texts, KEY).texts[:100] == deidentify(texts[:100], KEY).texts


def test_no_two_values_share_a_surrogate_while_the_range_lasts() -> None:
    out = deidentify([f"84.12.7.{n}" for n in range(20, 220)], KEY).texts
    assert len(set(out)) == 200


def test_known_answer_so_that_surrogates_never_move() -> None:
    texts = [
        "bob@acme.io",
        "+49 30 901820",
        "4539 2147 1274 6634",
        "/home/alice/x",
        f"ghp_{'a1' * 18}",
        "460-89-9847",
    ]
    assert deidentify(texts, KEY).texts == KNOWN


def test_surrogates_keep_kind_and_shape() -> None:
    card = deidentify(["4539 2147 1274 6634"], KEY).texts[0]
    assert re.fullmatch(r"9999 \d{4} \d{4} \d{4}", card)
    assert re.fullmatch(r"ghp_EXAMPLE[a-z]{29}", deidentify([f"ghp_{'a1' * 18}"], KEY).texts[0])
    assert re.fullmatch(r"/home/user[0-9a-f]{6}/x", deidentify(["/home/alice/x"], KEY).texts[0])
    assert re.fullmatch(r"\(\d{3}\) 555-01\d\d", deidentify(["(415) 267-1234"], KEY).texts[0])
    assert re.fullmatch(
        r"XX\d\d \d{4} \d{4} \d{4} \d{4} \d\d",
        deidentify(["DE89 3704 0044 0532 0130 00"], KEY).texts[0],
    )
    assert re.fullmatch(
        r"Cookie: sid=EXAMPLE[a-z]+; b=EXAMPLE[a-z]+",
        deidentify(["Cookie: sid=a1b2c3; b=d4"], KEY).texts[0],
    )


@pytest.mark.parametrize(
    "number", ["call 9991 2345", "call 5550 1234", "call 555 0223", "phone: 999 123 456"]
)
def test_a_real_number_that_looks_a_little_like_fiction_is_replaced(number: str) -> None:
    assert deidentify([number], KEY).texts != (number,)


def test_what_a_rule_covers_is_the_rules_and_names_have_the_rest() -> None:
    names = [
        [
            DetectedSpan(0, 3, IdentifierKind.PERSON, 0.9, "names"),
            DetectedSpan(4, 6, IdentifierKind.PERSON, 0.9, "names"),
        ]
    ]
    (text,), ((name, address),) = ["Bob bo@acme.io"], substitutions(["Bob bo@acme.io"], KEY, names)
    assert [(text[span.start : span.end], span.kind) for span, _ in (name, address)] == [
        ("Bob", IdentifierKind.PERSON),
        ("bo@acme.io", IdentifierKind.EMAIL),
    ]


def test_a_short_key_is_refused() -> None:
    with pytest.raises(UsageError, match="fewer than"):
        deidentify(["x"], b"short")


def test_content_is_not_in_a_repr() -> None:
    assert "plain words" not in repr(DeidentifiedTexts(("plain words",), {}))


# --- properties over random text ------------------------------------------------------------------

WORDS = st.lists(
    st.sampled_from(
        [
            "the",
            "of",
            "a",
            "plan",
            "we",
            "ship",
            "green",
            "boats,",
            "and\nthen:",
            "rivers",
            "(wide)",
            "flow;",
            "é",
            "“ok”",
            "日本",
        ]
    ),
    max_size=12,
)
PLANTED = [(text, value) for _, text, value in HITS]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(WORDS, st.sampled_from(PLANTED)), min_size=1, max_size=6),
    st.binary(min_size=16, max_size=16),
)
def test_what_is_planted_never_comes_out_and_twice_is_once(
    parts: list[tuple[list[str], tuple[str, str]]], key: bytes
) -> None:
    texts = ["\n".join((" ".join(words), planted[0])) for words, planted in parts]
    once = deidentify(texts, key)
    for _, (_, value) in parts:
        assert all(value not in t for t in once.texts)
    assert deidentify(once.texts, key) == DeidentifiedTexts(once.texts, {})


@given(st.lists(WORDS.map(" ".join), max_size=5))
def test_text_without_identifiers_comes_back_the_same_object(texts: list[str]) -> None:
    out = deidentify(texts, KEY)
    assert all(a is b for a, b in zip(out.texts, texts, strict=True)) and not out.counts


@settings(deadline=None)
@given(st.lists(st.text(alphabet='01 29-.+@:/abX\n\u200b(é="password', max_size=80), max_size=4))
def test_spans_never_overlap_and_the_prefilter_changes_nothing(texts: list[str]) -> None:
    with_it = detect(texts)
    assert with_it == layer._detect(texts, rules.load_rules(), prefilter=False)
    for text, spans in zip(texts, with_it, strict=True):
        assert all(a.end <= b.start for a, b in pairwise(spans))
        assert all(0 <= s.start < s.end <= len(text) for s in spans)


LINES = (
    "call 020 7946 0000 today",
    "value=0.381204",
    "nothing of note here",
    "",
    "x" * 300,
    "a@b.example.net said so",
    "password = hunter2hunter2",
    "10.1.2.3 and 172.16.254.1",
    "4111 1111 1111 1111",
    "and then some words more",
)


@pytest.mark.parametrize("seed", range(6))
def test_lines_that_nearly_all_have_a_trigger_are_tried_together_and_give_the_same(
    seed: int,
) -> None:
    draw = Random(seed)
    dense = [1 if draw.random() < 0.7 else 0.01 for _ in range(8)]
    lines = [
        f"{draw.choice(LINES)} {draw.random() if draw.random() < much else ''}"
        for much in dense
        for _ in range(150)
    ]
    text = "\n".join(lines)
    texts = [text[:9_000], text[9_000:], "4111 1111 1111 1111"]
    assert detect(texts) == layer._detect(texts, rules.load_rules(), prefilter=False)


def test_a_long_text_of_short_lines_is_not_asked_about_line_by_line() -> None:
    book = rules.load_rules()
    data = "\n".join(f"{n} line {n * 7919} value={n / 7:.6f}" for n in range(30_000)).encode()
    for order in book.suspects(data):
        assert sum(1 for _ in book._compiled[order].reaches(data)) < 100, book.rules[order].name


# --- labelled data --------------------------------------------------------------------------------

LABELS = {
    "EMAIL_ADDRESS": IdentifierKind.EMAIL,
    "IBAN_CODE": IdentifierKind.IBAN,
    "US_SSN": IdentifierKind.NATIONAL_ID,
    "US_DRIVER_LICENSE": IdentifierKind.NATIONAL_ID,
    "IP_ADDRESS": IdentifierKind.IP,
    "CREDIT_CARD": IdentifierKind.CARD,
    "PHONE_NUMBER": IdentifierKind.PHONE,
}


def covered(span: DetectedSpan, label: dict[str, int]) -> int:
    return max(0, min(span.end, label["end_position"]) - max(span.start, label["start_position"]))


@pytest.mark.parametrize(
    "name", ["data__synth_dataset_v2.json.gz", "tests__data__generated_large.json.gz"]
)
def test_recall_and_precision_on_labelled_texts(name: str) -> None:
    path = DATA / "presidio-synth" / name
    if not path.exists():
        pytest.skip(f"no labelled data at {path}: set TESTS_DATA")
    total: Counter[IdentifierKind] = Counter()
    hit: Counter[IdentifierKind] = Counter()
    right: Counter[bool] = Counter()
    for row in json.loads(gzip.decompress(path.read_bytes())):
        spans = detect([row["full_text"]])[0]
        labels = [(LABELS[s["entity_type"]], s) for s in row["spans"] if s["entity_type"] in LABELS]
        for kind, label in labels:
            total[kind] += 1
            length = label["end_position"] - label["start_position"]
            hit[kind] += sum(covered(s, label) for s in spans if s.kind is kind) >= 0.8 * length
        right.update(
            any(k is s.kind and covered(s, v) * 2 >= s.end - s.start for k, v in labels)
            for s in spans
        )
    recall = {kind: hit[kind] / total[kind] for kind in total}
    assert all(
        recall[k] == 1 for k in (IdentifierKind.EMAIL, IdentifierKind.IBAN, IdentifierKind.IP)
    )
    assert (
        recall[IdentifierKind.NATIONAL_ID] >= 0.95
        and recall[IdentifierKind.CARD] > 0.95
        and recall[IdentifierKind.PHONE] > 0.95
    )
    assert right[True] / right.total() >= 0.97
