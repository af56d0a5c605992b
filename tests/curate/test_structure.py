"""What is replaced leaves everything else as it was: code parses, by its own parsers, and means the
same; a surrogate has the type, the length and the case of its value; a name is one name throughout
its conversation and nowhere else.

The corpus is what is installed: Python's own library, and the JSON, YAML, JavaScript and shell
files of packages. The detector of names is the worst that there is: it takes every capitalised word
for one.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import sqlite3
import subprocess
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from licet.curate import rules, surrogates
from licet.curate.code_strings import readable
from licet.curate.deidentify import deidentify
from licet.curate.detect import DetectedSpan
from licet.curate.national_numbers import CHECKED
from licet.curate.rules import IdentifierKind

KEY, OTHER = b"one conversation's key", b"another conversation's"
ROOT = Path(__file__).parents[2]
LIBRARY, PACKAGES = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
CAPITALISED = re.compile(r"\b[A-Z][a-z]+\b")
PLANTED = {
    "EMAIL": "mara.lindqvist@kontor.se", "PHONE": "+46 8 555 123 45", "IBAN": "DE89370400440532013000",
    "CARD": "4556737586899855", "HOST_IP": "81.2.69.142", "HOME": "/home/mlindqvist/work", "MAC": "3c:22:fb:9a:01:7e",
    "KEY": "AKIAQ3EGTN5ZPLKD7W2B", "TOKEN": "ghp_x9Kq2LmN8pRt4Vw6Yz1Ab3Cd5Ef7Gh0Ij2K", "USER": "daiki_lee_6144",
    "URL": "postgres://mara:Tr0ub4dor-x9@db.kontor.se/main", "SSN": "536-22-8726",
}  # fmt: skip


def cleaned(text: str, key: bytes = KEY) -> str:
    """``text`` without what the rules find and without what the worst detector takes for a name."""
    spans = [
        DetectedSpan(m.start(), m.end(), IdentifierKind.PERSON, 0.9, "worst")
        for m in CAPITALISED.finditer(text)
    ]
    return deidentify([text], key, names=[readable(text, spans)]).texts[0]


@cache
def files(folder: Path, ending: str, count: int, bytes_max: int = 40_000) -> list[Path]:
    """Some files of an installed folder, the same each time."""
    found = (
        path
        for path in folder.rglob(f"*{ending}")
        if path.is_file() and 200 < path.stat().st_size < bytes_max
    )
    paths = sorted(path for path in found if not path.is_symlink())
    return sorted(Random(3).sample(paths, min(count, len(paths))))


def read(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def meaning(code: str) -> str:
    """A module's tree without what its strings and numbers say."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(
            node.value, str | bytes | int | float | complex
        ):
            node.value = type(node.value)()
    return ast.dump(tree)


@pytest.mark.parametrize("in_fence", [True, False], ids=["fenced", "bare"])
def test_python_means_the_same_but_for_what_its_strings_say(in_fence: bool) -> None:
    changed = touched = count = 0
    for path in files(LIBRARY, ".py", 60):
        code = read(path)
        try:
            before = meaning(code or "(")
        except SyntaxError:  # a test of the parser's
            continue
        assert code is not None
        after = fenced("python", code) if in_fence else cleaned(code)
        changed, count = changed + (after != code), count + 1
        touched += meaning(after) != before  # SyntaxError fails the test
    assert count > 40 and changed > count / 2
    # a bare file of a few lines may look like none
    assert touched <= (0 if in_fence else count // 50)


def fenced(language: str, code: str) -> str:
    """``code`` as it comes out of a fence of its language."""
    begin, end = f"```{language}\n", "\n```"
    return cleaned(f"{begin}{code}{end}").removeprefix(begin).removesuffix(end)


def keys_and_types(value: Any) -> Any:
    if isinstance(value, dict):
        return [
            (key if isinstance(key, str) else type(key).__name__, keys_and_types(one))
            for key, one in value.items()
        ]
    return list(map(keys_and_types, value)) if isinstance(value, list) else type(value).__name__


def test_json_keeps_its_keys_and_types() -> None:
    paths = files(PACKAGES, ".json", 60)
    planted = json.dumps(
        {
            "People": [{"Name": "Mara Lindqvist", **PLANTED}],
            "note": json.dumps(PLANTED),
            "n": [1, 2.5, None],
        }
    )
    count = 0
    for text in [planted, json.dumps(json.loads(planted), indent=2), *map(read, paths)]:
        try:
            before = json.loads(text or "")
        except ValueError:
            continue
        if text and text.lstrip()[:1] in "{[":
            assert keys_and_types(json.loads(cleaned(text))) == keys_and_types(before)
            count += 1
    assert count > 10
    # JSON in JSON is JSON still
    assert json.loads(json.loads(cleaned(planted))["note"]).keys() == PLANTED.keys()
    assert not set(PLANTED.values()) & set(
        json.loads(json.loads(cleaned(planted))["note"]).values()
    )


def test_yaml_keeps_its_keys_and_types() -> None:
    planted = yaml.safe_dump(
        {
            "service": {key.lower(): value for key, value in PLANTED.items()},
            "on": [1, True, None, 2.5],
        }
    )
    for text in [
        planted,
        *map(read, [*files(PACKAGES, ".yaml", 8), *files(ROOT / "docs", ".yaml", 8)]),
    ]:
        if text is not None:
            said = (text, deidentify([text], KEY).texts[0])
            before, after = (
                [keys_and_types(one) for one in yaml.load_all(each, yaml.CSafeLoader)]
                for each in said
            )
            assert after == before


def test_javascript_parses_as_before(tmp_path: Path) -> None:
    node = next(
        (path for path in PACKAGES.glob("playwright/driver/node*") if path.is_file()), None
    ) or shutil.which("node")
    if not node:
        pytest.skip("there is no `node` here to parse JavaScript with")
    planted = "".join(
        f'const {key} = "{value}"; // {value} of Mara Lindqvist\n' for key, value in PLANTED.items()
    )
    checked = 0
    for number, code in enumerate([planted, *map(read, files(PACKAGES, ".js", 14))]):
        if code is not None and parses(node, "--check", tmp_path / f"{number}.js", code):
            after = fenced("js", code)
            assert parses(node, "--check", tmp_path / f"{number}-after.js", after)
            checked += 1
    assert checked > 1 and "Mara" not in cleaned(f"```js\n{planted}\n```")


def test_shell_parses_as_before(tmp_path: Path) -> None:
    shell = shutil.which("bash")
    if not shell:
        pytest.skip("there is no `bash` here to parse shell scripts with")
    planted = "#!/bin/bash\n" + "".join(
        f"export {key}='{value}'\necho {value} # Mara Lindqvist\n" for key, value in PLANTED.items()
    )
    checked = 0
    for number, code in enumerate(
        [planted, *map(read, [ROOT / "run", ROOT / ".ci" / "run", *files(PACKAGES, ".sh", 12)])]
    ):
        if code is not None and parses(shell, "-n", tmp_path / f"{number}.sh", code):
            assert parses(
                shell,
                "-n",
                tmp_path / f"{number}-after.sh",
                fenced("sh", code),
            )
            checked += 1
    assert checked > 2


def parses(program: str | Path, option: str, file: Path, code: str) -> bool:
    file.write_text(code, "utf-8")
    return (
        subprocess.run(
            [program, option, file], capture_output=True, timeout=60, check=False
        ).returncode
        == 0
    )


def test_sql_runs_as_before_and_stores_as_many_values_of_the_same_types() -> None:
    columns = ", ".join(f"{key} TEXT" for key in PLANTED)
    values = ", ".join(f"'{value}'" for value in PLANTED.values())
    script = f"""
        CREATE TABLE People (Name TEXT, n INTEGER, {columns}); -- of Mara Lindqvist
        INSERT INTO People VALUES ('Mara Lindqvist', 7, {values});
        UPDATE People SET n = n + 1 WHERE Name = 'Mara Lindqvist' AND EMAIL = '{PLANTED["EMAIL"]}';
        INSERT INTO People SELECT * FROM People WHERE USER LIKE '{PLANTED["USER"]}';
    """
    with sqlite3.connect(":memory:") as database:
        database.executescript(fenced("sql", script))
        rows = database.execute("SELECT * FROM People").fetchall()
    # what was one value is one value in each statement
    assert len(rows) == 2 and rows[0] == rows[1]
    assert rows[0][1] == 8 and not {"Mara Lindqvist", *PLANTED.values()} & set(rows[0])


# --- surrogates -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("call +46 8 555 123 45", r"call \+\d\d \d \d{3} \d{3} \d\d"),
        ("4556 7375 8689 9855", r"\d{4} \d{4} \d{4} \d{4}"),
        ("SSN 536-22-8726", r"SSN \d{3}-\d\d-\d{4}"),
        ("at 3C:22:FB:9A:01:7E", r"at (?:[0-9A-F]{2}:){5}[0-9A-F]{2}"),
        ("at 3c:22:fb:9a:01:7e", r"at (?:[0-9a-f]{2}:){5}[0-9a-f]{2}"),
        ("IBAN DE89 3704 0044 0532 0130 00", r"IBAN [A-Z]{2}\d\d(?: \d{4}){4} \d\d"),
        ("from MARA.LINDQVIST@KONTOR.SE", r"from [A-Z.]+\d\d@EXAMPLE\.(?:COM|NET|ORG)"),
        ("user_id: daiki_lee_6144", r"user_id: [a-z]+_[a-z]+_\d{4}"),
        ("key ghp_x9Kq2LmN8pRt4Vw6Yz1Ab3Cd5Ef7Gh0Ij2K", r"key ghp_EXAMPLE[a-z]{28}"),
    ],
)
def test_a_surrogate_has_the_type_the_length_and_the_case_of_its_value(
    text: str, shape: str
) -> None:
    [made] = deidentify([text], KEY).texts
    assert made != text and re.fullmatch(shape, made), made
    assert deidentify([made], OTHER).texts == (made,)


def numbers() -> Iterator[str]:
    draw = Random(5)
    for length in range(6, 19):
        yield from ("".join(draw.choices("0123456789", k=length)) for _ in range(12))
    for _ in range(150):
        letters = "".join(draw.choices("ABCDEFGHKZ", k=draw.randint(1, 4)))
        yield (
            letters
            + "".join(draw.choices("0123456789", k=draw.randint(5, 10)))
            + draw.choice(["", "A", "K", "ZB"])
        )
        yield "-".join(
            "".join(draw.choices("0123456789", k=draw.randint(2, 5)))
            for _ in range(draw.randint(2, 4))
        )


def test_the_surrogate_of_a_national_number_passes_the_check_of_no_country() -> None:
    passes = rules.load_rules().validators[CHECKED]
    drawn = list(numbers())
    made = [surrogates.make_surrogate(KEY, IdentifierKind.NATIONAL_ID, value) for value in drawn]
    assert sum(map(passes, drawn)) > 20  # of numbers at random many pass
    assert [one for one in made if passes(one)] == []
    assert [len(one) for one in made] == list(map(len, drawn))


# --- names ----------------------------------------------------------------------------------------


def found(text: str, name: str) -> DetectedSpan:
    return DetectedSpan(
        text.index(name), text.index(name) + len(name), IdentifierKind.PERSON, 0.9, "model"
    )


def test_a_name_found_in_one_turn_is_replaced_in_all_and_is_the_same_person() -> None:
    texts = [
        "I am Daiki Lee.",
        "Hello Daiki!",
        "his id is daiki_lee_6144",
        "Mr. Lee, and DAIKI? Anna-Lee is another",
        "王伟在这里",
        "你看见王伟了吗",
    ]
    names = [[found(texts[0], "Daiki Lee")], [], [], [], [found(texts[4], "王伟")], []]
    one, other = (deidentify(texts, key, names=names).texts for key in (KEY, OTHER))
    given, family = one[0].removeprefix("I am ").removesuffix(".").split()
    assert one[1] == f"Hello {given}!"
    assert re.fullmatch(rf"his id is {given.lower()}_{family.lower()}_\d{{4}}", one[2])
    assert one[3].startswith(f"Mr. {family}, and") and "Anna-Lee" in one[3]
    assert (
        one[4].removesuffix("在这里")
        == one[5].removeprefix("你看见").removesuffix("了吗")
        != "王伟"
    )
    assert other[0] != one[0]


def test_the_author_of_a_commit_is_the_same_person_where_nobody_looked_for_names() -> None:
    one, other = deidentify(
        ["Author: Jane Doe <jane@corp.io>", "Jane Doe broke it. Will Jane mend it?"], KEY
    ).texts
    name = one.removeprefix("Author: ").partition(" <")[0]
    assert other == f"{name} broke it. Will {name.split()[0]} mend it?"


@pytest.mark.parametrize("word", ["Will", "May", "Mark", "Grace"])
def test_a_usual_word_is_replaced_where_it_was_found_and_not_wherever_it_stands(word: str) -> None:
    texts = [f"I met {word} there", f"{word} it rain?"]
    one, other = deidentify(texts, KEY, names=[[found(texts[0], word)], []]).texts
    assert word not in one and other == texts[1]


IDS = ["daiki_lee_6144", "mia_de_silva_203", "sofia.rossi77"]
NO_IDS = [
    "utf_16_2048",
    "batch_size_1024",
    "credit_card_7334",
    "test_case_0001",
    "gift_card_9911",
    "shift_jis_2004",
]


@pytest.mark.parametrize("user", IDS)
def test_the_id_of_a_user_that_is_made_of_a_name_is_one(user: str) -> None:
    [said] = deidentify([f'{{"user_id": "{user}"}}'], KEY).texts
    assert user not in said and json.loads(said)["user_id"].count("_") == user.count("_")


@pytest.mark.parametrize("name", NO_IDS)
def test_an_identifier_of_a_program_is_no_users(name: str) -> None:
    text = f"set {name} and user: {name}"
    assert deidentify([text], KEY).texts == (text,)


STAYS = [
    ("call os.Getenv first", "Getenv"), ("use mutex.Unlock() here", "Unlock"), ("Random.seed() is set", "Random"),
    ("then f(0) and F(x)", "F"), ("see https://github.com/Smith/Garden", "Smith"), ("open src/Garden/Main.java", "Main"),
    ('{"Alice": 3}', "Alice"), ("the `Parser` fails", "Parser"), ("a formula $E = mc^2 \\cdot Alpha$", "Alpha"),
    ("say {Name} in it", "Name"), ("std::Vector", "Vector"), ("in Main.java", "Main"), ("set $Path", "Path"),
    ("Foo(a, b)", "Foo"), ("x + Yy = 3", "Yy"), ("```go\nvar Garden = Tree{}\n```", "Garden"),
]  # fmt: skip
GOES = [
    ("I am Alice.", "Alice"), ("Smith (2019) says", "Smith"), ("thanks, Bob", "Bob"), ("J.R.R. Tolkien", "Tolkien"),
    ("Mr.Smith came", "Smith"), ("John/Mary", "Mary"), ('{"name": "Alice"}', "Alice"), ("(Alice)", "Alice"),
    ("```python\n# by Alice\nx = 1\n```", "Alice"), ("name = Alice", "Alice"), ("Alice's dog", "Alice"),
    ("I paid $5 and Alice paid $6", "Alice"), ("@Alice said so", "Alice"), ('if name == "Alice":', "Alice"),
    ("Alice (my sister) came", "Alice"), ("I like this.Alice too", "Alice"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "word"), STAYS)
def test_replacing_names_changes_nothing_in_code_formulas_links_and_keys(
    text: str, word: str
) -> None:
    assert readable(text, [found(text, word)]) == []


@pytest.mark.parametrize(("text", "word"), GOES)
def test_a_name_in_what_people_write_is_replaced(text: str, word: str) -> None:
    assert readable(text, [found(text, word)]) == [found(text, word)]
