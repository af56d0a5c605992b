"""The tagger that ships: it is the one its manifest names, it needs numpy alone, and it is what a first build looks with."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tools.name_tagger import built_in, real_texts, sentences

from licet import doctor
from licet.config import Configuration, Curate
from licet.curate import engine_settings, names_measure, release_build, rules
from licet.curate import names_built_in as served
from licet.curate.kernels import NameKernel
from licet.curate.names_built_in import BuiltIn, PassageBounds
from licet.curate.names_cascade import CascadeDetector
from licet.curate.rules import IdentifierKind
from licet.policy import file
from licet.store.connect import Pool

from ..installed import House
from ..terms import preset
from .documents import Words

ROOT = Path(__file__).parents[2]
FOLDER = files("licet.curate") / served.FOLDER
SHIPPED_BYTES_MAX = 3_000_000
_there = engine_settings._there  # before tests/conftest.py leaves nothing there
BUILT_IN = NameKernel(detector=BuiltIn.read())


@pytest.fixture
def as_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bare installation has: neither a tagger nor spaCy."""
    monkeypatch.setattr("licet.curate.names_spacy.installed", lambda: "")
    monkeypatch.setattr(engine_settings, "_there", _there)


def found(text: str) -> list[tuple[str, str]]:
    (spans,) = BUILT_IN.found([text])
    return [(text[span.start : span.end], span.kind.value) for span in spans if span.score >= BUILT_IN.sure]


def test_what_ships_is_what_its_manifest_says_and_was_trained_on_the_sentences_that_are_here() -> None:
    content = (FOLDER / served.WEIGHTS_FILE).read_bytes()
    told = msgspec.json.decode((FOLDER / served.MANIFEST_FILE).read_bytes(), type=built_in.ShippedManifest)
    assert (told.sha256, told.version) == (sha256(content).hexdigest(), built_in.VERSION)
    assert len(content) <= SHIPPED_BYTES_MAX
    assert len(told.languages) >= 12 and told.languages == sentences.LANGUAGES
    assert told.sources["sentences"] == sentences.sha256()
    assert told.sources["without_names"] == real_texts.hashes(None)["without_names"]
    assert BuiltIn.read().sha256 == told.sha256


def test_the_sources_of_what_ships_are_named_beside_it() -> None:
    said = (FOLDER / "NOTICE.md").read_text("utf-8")
    assert all(source in said for source in ("WNUT 2017", "CC BY 4.0", "Taskmaster-4", "Faker", "Apache-2.0", "MIT"))


def test_training_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("faker")
    for name in ("one", "other"):
        subprocess.run(
            [sys.executable, "-m", "tools.name_tagger.built_in", str(tmp_path / name), "--steps", "3", "--share", "0.002"],
            env={**os.environ, "PYTHONHASHSEED": "0"}, cwd=ROOT, capture_output=True, check=True,
        )  # fmt: skip
    files_of = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "other")]
    assert files_of[0] == files_of[1] and set(files_of[0]) == {served.WEIGHTS_FILE, served.MANIFEST_FILE}
    served.NameNetwork(served.Weights.read(files_of[0][served.WEIGHTS_FILE]))


def test_training_that_would_not_be_the_same_twice_is_refused(tmp_path: Path) -> None:
    random = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    ran = subprocess.run(
        [sys.executable, "-m", "tools.name_tagger.built_in", str(tmp_path / "new")],
        env=random, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1 and "set PYTHONHASHSEED=0" in ran.stderr and not (tmp_path / "new").exists()


def test_it_needs_numpy_alone() -> None:
    program = """
import sys
for name in ("torch", "onnxruntime", "spacy", "tokenizers", "transformers", "faker"):
    sys.modules[name] = None
from licet.curate.names_built_in import BuiltIn, PassageBounds
from licet.curate.names_cascade import CascadeDetector
from licet.curate.rules import IdentifierKind
((span,),) = BuiltIn.read().detect(["My name is Peter Miller."], [IdentifierKind.PERSON])
print("My name is Peter Miller."[span.start : span.end])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "Peter Miller\n"


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("Hi, I'm Jonathan Miller. What can you do?", "Jonathan Miller"),
        ("Hallo, ich heiße Katharina Schmidt und brauche Hilfe.", "Katharina Schmidt"),
        ("Bonjour, je m'appelle Camille Lefebvre.", "Camille Lefebvre"),
        ("Hola, me llamo Lucía Fernández.", "Lucía Fernández"),
        ("Ciao, mi chiamo Giulia Romano.", "Giulia Romano"),
        ("Olá, o meu nome é Beatriz Carvalho.", "Beatriz Carvalho"),
        ("Hallo, ik heet Sanne Jansen.", "Sanne Jansen"),
        ("Hej, jag heter Elin Lindberg.", "Elin Lindberg"),
        ("Cześć, nazywam się Agnieszka Nowak.", "Agnieszka Nowak"),
        ("Jmenuji se Petra Novotná.", "Petra Novotná"),
        ("Привет, меня зовут Анна Кузнецова.", "Анна Кузнецова"),
        ("Привіт, мене звати Оксана Шевченко.", "Оксана Шевченко"),
        ("Merhaba, benim adım Elif Yılmaz.", "Elif Yılmaz"),
        ("私の名前は佐藤陽子です。", "佐藤陽子"),
        ("你好，我叫王秀英，作业需要帮忙。", "王秀英"),
        ("제 이름은 김민준입니다.", "김민준"),
        ("مرحبا، اسمي فاطمة الزهراني.", "فاطمة الزهراني"),
        ("मेरा नाम प्रिया शर्मा है।", "प्रिया शर्मा"),
    ],
)
def test_it_finds_who_says_a_name_in_eighteen_languages(text: str, person: str) -> None:
    assert (person, "person") in found(text)


def test_it_finds_an_address_and_leaves_the_words_around_it() -> None:
    text = "Please send the parcel to 2148 Maple Grove Apt. 7, Lake Jeffery, AL 50466 before Monday."
    ((address, kind),) = found(text)
    assert (address, kind) == ("2148 Maple Grove Apt. 7, Lake Jeffery, AL 50466", "address")


@pytest.mark.parametrize(
    "text",
    [
        "Can you explain the difference between Java and Python?",
        "On Monday the Senate and the House of Representatives voted.",
        "Der Hund liegt unter dem Tisch, und die Katze schläft auf dem Sofa.",
        "请修改：学生们学习数学和历史。",
        "def main(args: list[str]) -> None:\n    return Path(args[0]).read_text()",
        "",
        "\0\n \ud800 ...",
    ],
)
def test_what_is_no_name_is_left(text: str) -> None:
    assert found(text) == []


def test_what_is_found_in_a_text_depends_on_no_other_and_on_no_length() -> None:
    said = "My name is Peter Miller and I live in Leeds."
    alone, beside = BuiltIn.read().detect([said, f"{said}\n"], rules.NAMED)
    assert [span.start for span in alone] == [span.start for span in beside]
    lines = [said if number % 97 == 0 else f"Line {number} of the report is about water." for number in range(1200)]
    network = served._loaded(BuiltIn.read().sha256)
    every = served.tokens("\n".join(lines))
    assert len(every) > 2 * served.CHUNK_TOKENS
    place = served.CHUNK_TOKENS - 5
    near = every[place - 40 : place + 40]
    whole, cut = network.likelihoods(every)[place - 20 : place + 20], network.likelihoods(near)[20:60]
    assert np.allclose(whole, cut, atol=1e-4)


def test_more_words_than_it_remembers_change_nothing() -> None:
    network = served.NameNetwork(served._loaded(BuiltIn.read().sha256)._weights)
    first = network.likelihoods(served.tokens("My name is Peter Miller."))
    for part in range(10):
        network.likelihoods(served.tokens(" ".join(f"word{part}x{number}y" for number in range(2_000))))
    assert np.array_equal(network.likelihoods(served.tokens("My name is Peter Miller.")), first)


# --- what a first build does ---------------------------------------------------------------------------


@pytest.mark.usefixtures("as_installed")
def test_auto_means_it_unless_the_policy_lets_names_in(tmp_path: Path) -> None:
    config = Configuration(data=tmp_path)
    assert engine_settings.looks_for(config) == {"person", "address"}
    assert engine_settings.looks_for(config, left_in=True) == frozenset()
    names = engine_settings.named(config.curate, tmp_path)
    assert names is not None and names.detector.name == "built-in"
    assert engine_settings.named(config.curate, tmp_path, left_in=True) is None
    chosen = Curate(names=("built-in",))
    assert engine_settings.named(chosen, tmp_path, left_in=True) is not None
    assert names_measure.known(names) is not msgspec.UNSET


@pytest.mark.usefixtures("as_installed")
def test_a_first_build_replaces_names_and_its_card_says_by_what_and_how_well(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data", file.preset("article-2025"))
    house.open("ana", allow=True)
    house.talk("ana", "a1", "My name is Peter Miller, can you help me?", "Of course, Peter Miller.")
    built = release_build.build_release(house.here, name="r", purpose="improve_models")
    made = built.manifest.deidentification
    assert made.left_in is msgspec.UNSET and made.counts["person"] >= 2
    assert made.names is not msgspec.UNSET and [pin.name for pin in made.names.detectors] == ["built-in"]
    card = (built.folder / "README.md").read_text("utf-8")
    assert "`built-in`" in card and "| presidio | `person` |" in card and "made-hi" in card
    (seen,) = [one for one in doctor.examine(house.here) if one.what == "notices"]
    assert "address, person" in seen.seen


@pytest.mark.usefixtures("as_installed")
def test_a_policy_that_lets_names_in_has_them_in(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data", preset("article-2025"))
    house.open("ana", allow=True)
    house.talk("ana", "a1", "My name is Peter Miller, can you help me?", "Of course.")
    made = release_build.build_release(house.here, name="r", purpose="improve_models").manifest.deidentification
    assert made.names is msgspec.UNSET and made.left_in is not msgspec.UNSET


def test_a_span_is_cut_as_a_word_and_a_possessive_stays() -> None:
    assert ("Maria", IdentifierKind.PERSON) in found("Is this Maria's bag? Maria said so.")


@pytest.mark.parametrize(
    ("post", "name"),
    [
        ("messi watching this game tv .", "messi"), ("That bagdanovich part I rewind 3 times . LMFAO", "bagdanovich"),
        ("This would have been a lot better if Bee was n't so annoying", "Bee"), ("Jon is hilarious !", "Jon"),
        ("There was intent to cross check . It was just the fact that Crosby went down", "Crosby"),
    ],
)  # fmt: skip
def test_a_cascade_rules_out_only_what_is_surely_no_name(post: str, name: str) -> None:
    other = Words((name, IdentifierKind.PERSON, 0.9))
    cascade = CascadeDetector(BuiltIn.read(), (other,))
    (spans,) = cascade.detect([post], (IdentifierKind.PERSON,))
    assert name in {post[span.start : span.end] for span in spans}
    assert cascade.detect([post, post], (IdentifierKind.PERSON,)) == [spans, spans]


def test_a_cascade_reads_near_passages_as_one_and_a_short_text_as_a_whole() -> None:
    words = "the cat sat on the mat and so did the dog " * 40
    text = f"{words}I am Jonathan Miller, {words[:80]} says Katharina Schmidt. {words}"
    bounds = PassageBounds(written=0.2, other=0.2, around=2, apart=40, whole=60)
    ((spans, passages),) = BuiltIn.read().read_with_passages([text], (IdentifierKind.PERSON,), bounds)
    assert len(spans) == 2 and len(passages) == 1
    ((_, apart),) = BuiltIn.read().read_with_passages([text], (IdentifierKind.PERSON,), bounds._replace(apart=0))
    assert len(apart) == 2 and all(passages[0][0] <= start < end <= passages[0][1] for start, end in apart)
    short = "I am Jonathan Miller, and the rest of it is about the ferry"
    ((_, whole),) = BuiltIn.read().read_with_passages([short], (IdentifierKind.PERSON,), bounds)
    assert whole == [(0, len(short))]
