"""Every page is done as it is written, from an empty folder: its commands, its programs, its files,
what it shows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .begun import Begun
from .conftest import Databases
from .person import allows
from .walkthrough import ROOT, Kind, PageError, Walk, steps

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "quickstart").glob("*.md")),
]
EMBEDDED = {
    "README.md",
    "install.md",
    "operate.md",
}  # with the database that comes along; the others with one of the tests
# Done by a test of its own, which knows what stands beside the page.
ELSEWHERE = {
    "litellm.md": "test_quickstart.py: test_litellm",
    "claude-code.md": "test_quickstart.py: test_claude_code",
    "open-webui.md": "test_quickstart.py: test_open_webui",
    "client.md": "client/test_package.py: test_the_page_of_the_client_does_what_it_shows",
    "train.md": "train/test_train_page.py: test_the_page_runs_as_it_is_written",
    "audit.md": "test_audit.py: test_a_line_of_the_document_says_yes",
}
# their policy has names replaced, by what ships
REPLACING = {"README.md", "install.md", "you-already-have-users.md"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Begun:
    """Pages with the embedded database begin by themselves; of the others, the first one does."""
    return Begun(tmp_path_factory.mktemp("begun") / "licet-data", databases(migrated=False))


def test_the_pages_are_all_of_them() -> None:
    assert len(PAGES) > 25
    assert ELSEWHERE.keys() <= {page.name for page in PAGES}
    for where in ELSEWHERE.values():
        file, test = where.split(": ")
        assert f"def {test}(" in (ROOT / "tests" / file).read_text("utf-8"), where


def test_a_page_that_types_commands_shows_what_they_print() -> None:
    pages = [page for page in PAGES if page.name not in ELSEWHERE]
    kinds = {page.name: {step.kind for step in steps(page)} for page in pages}
    assert [
        name for name, held in kinds.items() if Kind.shell in held and Kind.output not in held
    ] == []


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name not in ELSEWHERE], ids=lambda page: page.stem
)
def test_a_page_is_done_as_it_is_written(
    page: Path, tmp_path: Path, databases: Databases, begun: Begun
) -> None:
    """Fails by PageError at the first command that fails, or whose output is not the one that the
    page shows.
    """
    names = {"LICET_CURATE__NAMES": "built-in"} if page.name in REPLACING else {}
    store = None if page.name in EMBEDDED else databases()
    with Walk(tmp_path, store, person=allows, begun=begun, settings=names) as walk:
        walk.beside(ROOT / "examples" / "claude-code", "~/.claude/projects/-garden")
        assert walk.do(page) == steps(page), "it was left before its end"


def page(folder: Path, text: str) -> Path:
    file = folder / "page.md"
    file.write_text(text)
    return file


def test_a_command_that_fails_fails_its_page(tmp_path: Path) -> None:
    broken = page(tmp_path, "```sh\ntrue\nls no-such-file | cat\ntrue\n```\n")
    with (
        Walk(tmp_path / "walk") as walk,
        pytest.raises(PageError, match=r"page.md:1: lines end with \{2: 2\}"),
    ):
        walk.do(broken)


def test_an_exit_that_the_page_states_must_be_the_one_that_comes(tmp_path: Path) -> None:
    said = (
        "Stated:\n\n    sh -c 'exit 2'   # exits 2: there are changes\n\n```sh\nsh -c \\\n  "
        "'exit 1' # exits 1\n```\n"
    )
    with Walk(tmp_path / "walk") as walk:
        walk.do(page(tmp_path, said))
        with pytest.raises(PageError, match=r"and the page says \{1: 2\}"):
            walk.do(page(tmp_path, "    true   # exits 2\n"))


def test_what_a_page_shows_is_what_is_printed(tmp_path: Path) -> None:
    good = "```sh\nA=4\nprintf 'a 1\\nb 2\\nc 3\\n'\n```\n\n```text\na ...\n...\nc 3\n```\n"
    good += "\n```sh\necho $A\n```\n\n```text\n4\n```\n"
    with Walk(tmp_path / "walk") as walk:
        walk.do(page(tmp_path, good))
        with pytest.raises(PageError, match=r"page.md:16: shows"):
            walk.do(page(tmp_path, good.replace("4\n```", "5\n```")))


def test_an_id_stands_for_one_that_was_printed_and_for_no_other(tmp_path: Path) -> None:
    shown = (
        "    echo conv_"
        + "0" * 31
        + "1\n\nThen:\n\n    echo is conv_...-3\n\n```text\nis conv_"
        + "0" * 31
        + "1-3\n```\n"
    )
    with Walk(tmp_path / "walk") as walk:
        walk.do(page(tmp_path, shown))
        with pytest.raises(PageError, match=r"nothing on the page has shown a `era_\.\.\.`"):
            walk.do(page(tmp_path, "    echo era_...\n"))


def test_files_programs_and_servers_of_a_page_are_there_for_its_next_blocks(tmp_path: Path) -> None:
    text = """
`words.csv`:

```csv
a,b
```

```sh
URL=http://127.0.0.1:8787
python -m http.server --bind 127.0.0.1 "${URL##*:}" &
until curl -sf $URL/words.csv; do sleep 0.2; done
export WORD=said
```

```python
import os

print(os.environ["WORD"])
```

```text
said
```

In outline:

```sh
no-such-program
```
"""
    with Walk(tmp_path / "walk") as walk:
        walk.do(page(tmp_path, text))
    assert [step.kind for step in steps(page(tmp_path, text))] == [
        Kind.file,
        Kind.shell,
        Kind.python,
        Kind.output,
        Kind.outline,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "```yaml\na: 1\n```\n",  # a file without a name
        "```text\nnothing printed this\n```\n",
        "```html\n<b>\n```\n",
        "```sh\nnever ends\n",
    ],
)
def test_a_block_that_nobody_would_know_what_to_do_with_is_refused(
    text: str, tmp_path: Path
) -> None:
    with pytest.raises(PageError):
        steps(page(tmp_path, text))
