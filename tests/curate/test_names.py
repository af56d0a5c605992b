"""What looks for names: code stays valid, what is not looked at is kept out, and people keep one
name each.
"""

from __future__ import annotations

import ast
import json
import pickle
import re
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.curate import made_up_names, name_spans, runners
from licet.curate.batches import batches
from licet.curate.code_strings import readable
from licet.curate.deidentify import deidentify
from licet.curate.detect import CachedDetector, DetectedSpan, merge_spans, subtract_spans
from licet.curate.kernels import NAMES_CHARACTERS_MAX, NameKernel
from licet.curate.pipeline import Pipeline
from licet.curate.plan import plan
from licet.curate.rules import NAMED, IdentifierKind
from licet.release.curation import Curated, Document, LeftOut, Voice

from .documents import KEY, Cleaner, Words, chat, said

PEOPLE = Words(
    ("Maria Rossi", IdentifierKind.PERSON, 0.9),
    ("Maria", IdentifierKind.PERSON, 0.9),
    ("Rossi", IdentifierKind.PERSON, 0.9),
    ("Tom Baker", IdentifierKind.PERSON, 0.9),
    ("12 Mill Lane, Derby", IdentifierKind.ADDRESS, 0.8),
    ("Derby", IdentifierKind.PLACE, 0.7),
    ("Hope", IdentifierKind.PERSON, 0.3),
    ("Jordan", IdentifierKind.PERSON, 0.9),
    ("Acme Foods", IdentifierKind.ORGANISATION, 0.9),
)


def released(*texts: str, detector: Words = PEOPLE, key: bytes = KEY) -> tuple[str, ...]:
    """The texts of a conversation as a release has them."""
    return deidentify(
        texts, key, names=NameKernel(detector=detector, kinds=NAMED).find_names(texts)
    ).texts


# --- several are one ------------------------------------------------------------------------------

spans = st.builds(
    lambda start, length, kind, score: DetectedSpan(start, start + length, kind, score, kind.value),
    st.integers(0, 40),
    st.integers(1, 12),
    st.sampled_from(NAMED),
    st.sampled_from([0.2, 0.5, 0.9]),
)


def places(found: Sequence[DetectedSpan]) -> set[int]:
    return {place for span in found for place in range(span.start, span.end)}


@given(st.lists(spans, max_size=8))
def test_what_any_detector_covers_the_union_covers_and_its_spans_do_not_overlap(
    many: list[DetectedSpan],
) -> None:
    one = merge_spans(many)
    assert places(one) == places(many)
    assert all(a.end <= b.start for a, b in pairwise(one))
    assert merge_spans(one) == one


@given(spans, st.lists(spans, max_size=5))
def test_of_a_name_all_stays_that_no_rule_covers(
    name: DetectedSpan, many: list[DetectedSpan]
) -> None:
    covers = merge_spans(many)
    assert places(subtract_spans(name, covers)) == places([name]) - places(covers)


def test_the_longest_of_what_overlaps_gives_the_kind() -> None:
    found = [
        DetectedSpan(0, 5, IdentifierKind.PERSON, 0.9, "a"),
        DetectedSpan(3, 20, IdentifierKind.ADDRESS, 0.4, "b"),
    ]
    assert merge_spans(found) == [DetectedSpan(0, 20, IdentifierKind.ADDRESS, 0.9, "b")]


def test_a_text_is_asked_for_once_and_its_cache_holds_no_text() -> None:
    counted = Words(("Maria", IdentifierKind.PERSON, 0.9))
    cached = CachedDetector(counted)
    first = cached.detect(["Maria", "nobody", "Maria", ""], NAMED)
    assert (
        first
        == cached.detect(["Maria", "nobody", "Maria", ""], NAMED)
        == counted.detect(["Maria", "nobody", "Maria", ""])
    )
    assert counted.asked[:3] == ["Maria", "nobody", ""]
    assert counted.asked.count("nobody") == 2  # by the cache once, and once by this test
    assert "nobody" not in repr(cached.__dict__)
    assert pickle.loads(pickle.dumps(cached)).detect(["Maria"], NAMED) == [first[0]]
    assert cached.detect(["Maria"], [IdentifierKind.PLACE]) == [[]], (
        "other kinds are another question"
    )


# --- people keep their names ----------------------------------------------------------------------


def test_a_person_is_the_same_by_whole_name_by_given_and_by_family_name() -> None:
    whole, given_, titled, shouted = released(
        "Maria Rossi wrote", "Maria’s mail", "Dr. Rossi", "MARIA"
    )[:3] + released(
        "Maria Rossi MARIA",
        detector=Words(
            ("Maria Rossi", IdentifierKind.PERSON, 1.0), ("MARIA", IdentifierKind.PERSON, 1.0)
        ),
    )
    first, family = whole.removesuffix(" wrote").split(" ")
    assert (first in made_up_names.GIVEN_MADE, family in made_up_names.FAMILY) == (True, True)
    assert (given_, titled) == (f"{first}’s mail", f"Dr. {family}")
    assert shouted.split()[2] == first.upper()


def test_a_word_keeps_its_surrogate_whatever_it_is_met_in_later() -> None:
    texts = ("ask Rossi", "Maria Rossi", "Maria")
    assert released(*texts)[:1] == released(*texts[:1])
    alone, whole, given_ = released(*texts)
    assert whole == f"{given_} {alone.removeprefix('ask ')}"


def test_another_conversation_has_other_names() -> None:
    assert released("Maria Rossi") != released("Maria Rossi", key=KEY[::-1])


def test_many_people_share_no_name() -> None:
    many = [f"{a}{b}" for a in "BCDFGHJKLM" for b in ("ob", "en", "al", "ir", "um", "ost", "und")]
    made = released(*many, detector=Words(*((name, IdentifierKind.PERSON, 1.0) for name in many)))
    assert len(set(made)) == len(many)


def test_what_was_made_is_recognised_and_de_identifying_twice_changes_nothing() -> None:
    texts = (
        "Maria Rossi of Acme Foods, 12 Mill Lane, Derby",
        "ROSSI in Derby",
        "Tom Baker, bob@acme.io",
    )
    once = released(*texts)
    made = [word for text in once for word in re.findall(r"[A-Za-z][\w-]+", text)]
    again = Words(
        *(
            (text, kind, 1.0)
            for kind in (IdentifierKind.PERSON, IdentifierKind.PLACE)
            for text in made
            if made_up_names.is_made_person(text)
        ),
    )
    assert not any(
        word in " ".join(once)
        for word in ("Maria", "Rossi", "Tom", "Baker", "Mill", "Derby", "Acme")
    )
    assert released(*once, detector=again) == once


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        (IdentifierKind.PERSON, "Maria Rossi", made_up_names.is_made_person),
        (IdentifierKind.PERSON, "J. Rossi-Baker", made_up_names.is_made_person),
        (IdentifierKind.ADDRESS, "12 Mill Lane", made_up_names.is_made_address),
        (IdentifierKind.ADDRESS, "12 Mill Lane\nDerby", made_up_names.is_made_address),
        (IdentifierKind.PLACE, "derby", made_up_names.is_made_place),
        (IdentifierKind.ORGANISATION, "Acme Foods", made_up_names.is_made_organisation),
        (IdentifierKind.ORGANISATION, "Acme", made_up_names.is_made_organisation),
    ],
)
def test_a_surrogate_is_of_its_kind_and_no_real_value_is(
    kind: IdentifierKind, value: str, made: object
) -> None:
    (out,) = released(value, detector=Words((value, kind, 1.0)))
    assert made(out) and not made(value)
    assert out.count("\n") == value.count("\n")
    assert out.islower() == value.islower()


def test_a_usual_name_is_replaced_although_addresses_are_made_with_it() -> None:
    assert "Jordan" in made_up_names.GIVEN_USUAL
    assert released("I am Jordan") != ("I am Jordan",)


def test_what_a_rule_knows_to_be_nobodys_is_left_alone() -> None:
    text = "write to maria@example.com"
    assert released(text, detector=Words(("maria", IdentifierKind.PERSON, 0.9))) == (text,)


# --- code -----------------------------------------------------------------------------------------

PYTHON = '''```python
# written by Maria Rossi
class Jordan(Base):
    """Asked for by Tom Baker.

    Tom Baker lives at 12 Mill Lane, Derby.
    """

    owner = "Maria Rossi"
    def Maria(self): return Jordan.Rossi
```'''


def test_names_in_strings_and_comments_are_replaced_and_the_code_stays_what_it_was() -> None:
    (made,) = released(PYTHON)
    assert "Tom Baker" not in made and "Maria Rossi" not in made and "Mill Lane" not in made
    assert "class Jordan(Base)" in made and "def Maria(self): return Jordan.Rossi" in made
    code = made.removeprefix("```python").removesuffix("```")
    assert ast.dump(ast.parse(code)).count("ClassDef") == 1


@pytest.mark.parametrize(
    ("text", "stay"),
    [
        ("Jordan writes code", ["Jordan"]),
        ("import Jordan;", []),
        ("x = Jordan.Maria(Rossi);", []),
        ('print("Maria Rossi");', ["Maria Rossi"]),
        ("const a = 1; // for Tom Baker;", ["Tom Baker"]),
        ("```\nMaria Rossi,Derby\n```", ["Maria Rossi", "Derby"]),
        ("```yaml\nname: Maria Rossi\n```", ["Maria Rossi"]),
        ("```go\nfunc Maria() {}\n```\nMaria", ["Maria"]),
        ("```js\nlet MariaRossi = 1\nf('Tom Baker')", ["Tom Baker"]),
        ('{"Derby": "Maria Rossi", "n": 3}', ["Maria Rossi"]),
        ("```sql\nSELECT 'Tom Baker' -- Maria\n```", ["Tom Baker", "Maria"]),
        ("```c\n/* Tom Baker\n Maria */ int Derby;\n```", ["Tom Baker", "Maria"]),
        ("```python\nx = 'it\\'s' + Derby\n```", []),
    ],
)
def test_of_code_only_what_is_meant_to_be_read_is_looked_at(text: str, stay: list[str]) -> None:
    found = merge_spans(s for s in PEOPLE.detect([text])[0])
    assert [text[s.start : s.end] for s in readable(text, found)] == stay


def test_json_stays_json_whatever_is_replaced_in_it() -> None:
    row = {
        "name": "Maria Rossi",
        "home": "12 Mill Lane, Derby",
        "note": 'says "Maria"\n',
        "n": [1, None],
    }
    for text in (json.dumps(row), json.dumps(json.dumps(row)), json.dumps(row, indent=2)):
        (made,) = released(text)
        assert json.loads(made) and "Rossi" not in made and "Mill" not in made


@given(st.text(alphabet="ab_\"'`#/*\\\n -{}();xMaria", max_size=60))
def test_any_text_is_read_and_what_stays_is_among_what_was_found(text: str) -> None:
    found = PEOPLE.detect([text])[0]
    assert set(readable(text, found)) <= set(found)


# --- the step -------------------------------------------------------------------------------------


def curated(*documents: Document, names: NameKernel) -> Sequence[Curated]:
    pipeline = Pipeline(plan(Cleaner(), KEY, names=names), runners.Local())
    made = pipeline.curate(documents)
    pipeline.close()
    return made


def test_what_is_in_a_language_that_is_not_looked_at_is_left_out_unless_names_may_stay() -> None:
    unread, looked_at = chat("a", "I am Hope", "hello"), chat("b", "I am Maria", "hello")
    dropped, kept = curated(unread, looked_at, names=NameKernel(detector=PEOPLE))
    assert (dropped.dropped, kept.dropped) == (LeftOut.unread_language, None)
    assert (dropped.unread_language, kept.unread_language) == ("xx", "")
    stays, _ = curated(unread, looked_at, names=NameKernel(detector=PEOPLE, may_stay=True))
    assert stays.dropped is None and stays.texts[0] == "I am Hope"


def test_a_text_that_is_too_long_to_be_read_is_left_out_though_nothing_else_is_doubtful() -> None:
    long, other = curated(
        chat("a", "x " * (NAMES_CHARACTERS_MAX // 2 + 1)),
        chat("b", "y"),
        names=NameKernel(detector=PEOPLE, may_stay=True),
    )
    assert (long.dropped, other.dropped) == (LeftOut.doubtful, None)


def test_kinds_that_are_not_asked_for_stay() -> None:
    (made,) = curated(
        chat("a", "Maria in Derby"),
        names=NameKernel(detector=PEOPLE, kinds=(IdentifierKind.PERSON,)),
    )
    assert made.texts[0].endswith(" in Derby") and made.replaced == {"person": 1}


def test_equal_texts_of_many_conversations_are_read_once_and_the_names_of_tools_never() -> None:
    counted = Words(("Maria", IdentifierKind.PERSON, 0.9))
    documents = [
        said(f"{n}", (Voice.user, "hello Maria"), (Voice.name, "Maria"), (Voice.call, "{}"))
        for n in range(5)
    ]
    made = curated(*documents, names=NameKernel(detector=counted))
    assert sorted(counted.asked) == ["hello Maria", "{}"]
    assert all(one.texts[1] == "Maria" for one in made)


def test_what_is_known_of_a_text_is_not_read_again_and_the_result_is_the_same() -> None:
    document = said(
        "a",
        (Voice.user, "hello Maria Rossi"),
        (Voice.name, "Maria"),
        (Voice.assistant, "hm"),
        (Voice.tool, ""),
    )
    counted = Words(("Maria Rossi", IdentifierKind.PERSON, 0.9))
    (first,) = curated(document, names=NameKernel(detector=counted))
    assert [bool(found) for found in first.found] == [True, False, True, False]
    counted.asked.clear()
    known = msgspec.structs.replace(document, known=tuple(first.found))
    assert curated(known, names=NameKernel(detector=counted)) == [first]
    assert counted.asked == []
    (partly,) = curated(
        msgspec.structs.replace(document, known=(*first.found[:1], b"", b"", b"")),
        names=NameKernel(detector=counted),
    )
    assert partly == first and counted.asked == ["hm"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"x",
        b"\x90\x90",
        msgspec.msgpack.encode([[0, 5]]),
        msgspec.msgpack.encode([[0, 5, "person", "much", "words"]]),
        msgspec.msgpack.encode([[0, 5, "nobody", 0.9, "words"]]),
        msgspec.msgpack.encode([[3, 99, "person", 0.9, "words"]]),
        msgspec.msgpack.encode([[-1, 3, "person", 0.9, "words"]]),
        msgspec.msgpack.encode([[3, 3, "person", 0.9, "words"]]),
        msgspec.msgpack.encode([[0, 5, "person", 0.9, "words"], [4, 6, "person", 0.9, "words"]]),
    ],
)
def test_what_cannot_be_the_names_of_a_text_is_as_unknown(wrong: bytes) -> None:
    counted = Words(("Maria Rossi", IdentifierKind.PERSON, 0.9))
    names, document = NameKernel(detector=counted), chat("a", "hello Maria Rossi")
    assert curated(msgspec.structs.replace(document, known=(wrong,)), names=names) == curated(
        document, names=names
    )
    assert counted.asked == ["hello Maria Rossi"] * 2


def test_what_is_found_travels_in_these_bytes() -> None:
    spans = [DetectedSpan(0, 5, IdentifierKind.PERSON, 0.9, "words")]
    packed = name_spans.pack(spans)
    assert packed.hex() == "91950005a6706572736f6ecb3feccccccccccccda5776f726473"
    assert name_spans.unpack(packed) == spans and name_spans.pack([]) == b"\x90"


def test_a_finder_is_another_by_all_that_what_is_found_depends_on() -> None:
    other = Words(("x", IdentifierKind.PLACE, 1.0))
    finders = [
        NameKernel(**{"detector": PEOPLE, **how}).finder
        for how in ({}, {"detector": other}, {"kinds": (IdentifierKind.PERSON,)})
    ]
    assert len(set(finders)) == len(finders)
    assert NameKernel(detector=PEOPLE, may_stay=True).finder == finders[0]
    assert plan(Cleaner(), KEY).finder == ""


def test_whatever_company_a_document_is_in_it_becomes_the_same() -> None:
    documents = [chat("a", "Maria Rossi", "Derby"), chat("b", "", "Tom Baker"), chat("c", "Hope")]
    together = curated(*documents, names=NameKernel(detector=PEOPLE))
    assert together == [curated(one, names=NameKernel(detector=PEOPLE))[0] for one in documents]


def test_the_hash_of_a_plan_tells_who_looked_for_which_names() -> None:
    plans = [
        plan(Cleaner(), KEY),
        *(
            plan(Cleaner(), KEY, names=NameKernel(**{"detector": PEOPLE, **other}))
            for other in (
                {},
                {"detector": Words(("x", IdentifierKind.PLACE, 1.0))},
                {"kinds": (IdentifierKind.PERSON,)},
                {"may_stay": True},
            )
        ),
    ]
    assert len({one.sha256() for one in plans}) == len(plans)


def test_the_step_travels_and_gives_the_same_bytes_elsewhere() -> None:
    made = plan(Cleaner(), KEY, names=NameKernel(detector=CachedDetector(PEOPLE)))
    (batch,) = batches([chat("a", "Maria Rossi", "Derby"), chat("b", "Hope")])
    assert pickle.loads(pickle.dumps(made))(batch).equals(made(batch))
