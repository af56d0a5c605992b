"""Go, Rust and Java stay what they were: only strings, comments and numbers are changed, and what
identifies is gone from them.

Go's own scanner and parser tell what a string or a comment is, and tree-sitter's grammars of Rust
and Java. The corpus is three files with every form of literal (`tests/curate/code`), and the
standard libraries of the three languages where they are installed, with identifiers planted in
their strings and comments. The detector of names is the worst that there is.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
import tree_sitter
import tree_sitter_java
import tree_sitter_rust
from tests.curate.test_structure import PLANTED, cleaned, fenced

FOLDER = Path(__file__).parent / "code"
BYTES_MAX, FILES = 30_000, 40
Said = list[tuple[int, int]]  # offsets in bytes of what strings, comments and numbers say
LITERAL = re.compile(r"literal$|comment$")
HELD = {
    "CARD": r"(?<!\d)\d{16}(?!\d)", "IBAN": r"\b[A-Z]{2}\d{20}\b", "SSN": r"\b\d{3}-\d\d-\d{4}\b",
    "KEY": r"\bAKIA[A-Za-z0-9]{16}\b",
    "MAC": r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", "TOKEN": r"\bghp_[A-Za-z0-9]{35}\b", "USER": r"\b[a-z]+_[a-z]+_\d{4}\b",
}  # fmt: skip


@pytest.fixture(scope="module")
def go_said(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that tells what the strings and comments of Go files say."""
    if shutil.which("go") is None:
        message = "no Go: `apt-get install golang-go`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    base = tmp_path_factory.mktemp("go")
    env = os.environ | {"GO111MODULE": "off", "GOFLAGS": ""}
    call = ["go", "build", "-o", str(base / "said"), str(FOLDER / "said.go")]
    subprocess.run(call, env=env, check=True, timeout=600)
    return base / "said"


def _of_go(program: Path, codes: Sequence[str], folder: Path) -> list[Said | None]:
    """Of each code what is said in it; None where it is no Go."""
    names = [str(folder / f"{number}.go") for number in range(len(codes))]
    for name, code in zip(names, codes, strict=True):
        Path(name).write_text(code, "utf-8")
    done = subprocess.run(
        [program, *names], capture_output=True, text=True, check=True, timeout=600
    )
    return [
        None if line == "!" else pairs([int(word) for word in line.split()])
        for line in done.stdout.splitlines()
    ]


def pairs(numbers: Sequence[int]) -> Said:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def of_rust(codes: Sequence[str]) -> list[Said | None]:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))
    return [_of_tree(parser.parse(code.encode())) for code in codes]


def of_java(codes: Sequence[str]) -> list[Said | None]:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_java.language()))
    return [_of_tree(parser.parse(code.encode())) for code in codes]


def _of_tree(tree: tree_sitter.Tree) -> Said | None:
    if tree.root_node.has_error:
        return None
    out, open_nodes = list[tuple[int, int]](), [tree.root_node]
    while open_nodes:
        node = open_nodes.pop()
        if LITERAL.search(node.type) is None or node.type == "boolean_literal":
            open_nodes += node.children
        else:
            out.append(inside(node.start_byte, (node.text or b"").decode().rstrip("\n")))
    return sorted(out)


def inside(start: int, text: str) -> tuple[int, int]:
    """What is between the delimiters of a literal or a comment."""
    opens = re.match(r"""//|/\*|[bc]{0,2}r(#*)"|[bc]?"{3}|[bc]?"|b?'|""", text)
    assert opens is not None
    closes = {"//": "", "/*": "*/"}.get(opens[0], opens[0].lstrip("bcr")[::-1])
    assert text.endswith(closes)
    return start + len(opens[0].encode()), start + len(text.encode()) - len(closes)


def rest(code: str, said: Said) -> list[bytes]:
    """The code between what is said in it."""
    data, at = code.encode(), 0
    out = []
    for start, end in [*said, (len(data), len(data))]:
        out.append(data[at:start])
        at = end
    return out


def planted(code: str, said: Said, draw: Random) -> str:
    """``code`` with an identifier at the end of some of its comments, and of strings that hold a
    blank.
    """
    data = code.encode()
    places = [
        end for start, end in said if data[start - 1 : start] in b"/*" or b" " in data[start:end]
    ]
    for place in sorted(draw.sample(places, min(len(places), 12)), reverse=True):
        if not data[:place].endswith(b"\\"):
            data = data[:place] + f" {draw.choice(list(PLANTED.values()))} ".encode() + data[place:]
    return data.decode()


def filled(name: str) -> str:
    text = (FOLDER / name).read_text("utf-8")
    for kind, value in PLANTED.items():
        text = text.replace("{" + kind + "}", value)
    return text


def some(codes: Iterator[str]) -> list[str]:
    fitting = [code for code in codes if 500 < len(code) < BYTES_MAX and "\r" not in code]
    return Random(3).sample(fitting, min(FILES, len(fitting)))


def go_library() -> Iterator[str]:
    for folder in sorted(Path("/usr/share").glob("go-*/src")) or sorted(
        Path("/usr/lib").glob("go-*/src")
    ):
        yield from (path.read_text("utf-8") for path in sorted((folder / "net").rglob("*.go")))


def java_library() -> Iterator[str]:
    for archive in sorted(Path("/usr/lib/jvm").glob("*/lib/src.zip")):
        with zipfile.ZipFile(archive) as opened:
            names = (
                name
                for name in opened.namelist()
                if name.startswith("java.base/java/") and name.endswith(".java")
            )
            yield from (opened.read(name).decode() for name in names)
        return


def rust_library() -> Iterator[str]:
    """As rustup installs it, in pages of the documentation."""
    home = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
    for folder in sorted(home.glob("toolchains/stable-*/share/doc/rust/html/src"))[:1]:
        for path in sorted((folder / "alloc").rglob("*.rs.html")):
            page = re.search(
                r'<pre class="rust"><code>(.*?)</code></pre>', path.read_text("utf-8"), re.DOTALL
            )
            code = re.sub(
                r"<a [^>]*data-nosnippet[^>]*>\d+</a>", "", page[1] if page is not None else ""
            )
            yield html.unescape(re.sub(r"<[^>]+>", "", code))


Reads = Callable[[Sequence[str]], list[Said | None]]


@pytest.fixture
def of_go(go_said: Path, tmp_path: Path) -> Reads:
    return lambda codes: _of_go(go_said, codes, tmp_path)


def test_go_keeps_all_but_what_its_strings_and_comments_say(of_go: Reads) -> None:
    assert_holds("go", filled("orders.go"), of_go)


def test_the_library_of_go_keeps_all_but_what_its_strings_and_comments_say(of_go: Reads) -> None:
    assert_library_holds("go", go_library(), of_go)


@pytest.mark.parametrize("fence", ["rust", "rs"])
def test_rust_keeps_all_but_what_its_strings_and_comments_say(fence: str) -> None:
    assert_holds(fence, filled("orders.rs"), of_rust)


def test_the_library_of_rust_keeps_all_but_what_its_strings_and_comments_say() -> None:
    assert_library_holds("rust", rust_library(), of_rust)


def test_java_keeps_all_but_what_its_strings_and_comments_say() -> None:
    assert_holds("java", filled("Orders.java"), of_java)


def test_the_library_of_java_keeps_all_but_what_its_strings_and_comments_say() -> None:
    assert_library_holds("java", java_library(), of_java)


def assert_holds(fence: str, code: str, reads: Reads) -> None:
    [said] = reads([code])
    assert said is not None
    for after in (fenced(fence, code), cleaned(code)):
        assert unlike(code, said, after, *reads([after])) == ""


def assert_library_holds(fence: str, library: Iterator[str], reads: Reads) -> None:
    """A bare file, in no fence, may look like no code: one in ten."""
    plain, draw = some(library), Random(5)
    if not plain:
        pytest.skip(f"the source of the standard library is not installed for `{fence}`")
    codes = [
        planted(code, said, draw)
        for code, said in zip(plain, reads(plain), strict=True)
        if said is not None
    ]
    saids = reads(codes)
    held = [(code, said) for code, said in zip(codes, saids, strict=True) if said is not None]
    assert len(held) > len(plain) / 2
    for bare in (False, True):
        afters = [cleaned(code) if bare else fenced(fence, code) for code, _ in held]
        told = [
            unlike(*one, after, then)
            for one, after, then in zip(held, afters, reads(afters), strict=True)
        ]
        assert len(list(filter(None, told))) <= (len(held) // 10 if bare else 0), told


def unlike(code: str, said: Said, after: str, then: Said | None) -> str:
    """What of ``after`` is not as it must be; empty where all is."""
    if then is None:
        return "it is no code any more"
    for one, other in zip(rest(code, said), rest(after, then), strict=False):
        if one != other:
            return f"{one.decode()!r} became {other.decode()!r}"
    left = [
        after[max(0, after.index(v) - 60) :][: 120 + len(v)] for v in PLANTED.values() if v in after
    ]
    short = [
        kind
        for kind, shape in HELD.items()
        if len(re.findall(shape, after)) < code.count(PLANTED[kind])
    ]
    return f"it still says {left}" if left else f"of another shape: {short}" if short else ""
