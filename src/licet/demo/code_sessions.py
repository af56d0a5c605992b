"""The town's coding sessions: a person asks, an assistant reads, runs and edits, and tools answer.

A session has one project with folder, branch and stack, and one bug. Tool output looks real
(numbered files, failing tests with a stack trace, unified diffs), with identifiers in their usual
places: settings, logs and commit authors. Keys look real and open nothing: they are documentation
examples, or fail their checksum.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

from licet.policy.state import TurnRole
from licet.vault.content import Content, ToolCall

MODEL = "assistant-large"
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_VERBS = (
    "parse",
    "merge",
    "resolve",
    "collect",
    "schedule",
    "render",
    "validate",
    "split",
    "normalise",
    "fetch",
    "rank",
)
_NOUNS = (
    "invoice", "booking", "sensor", "playlist", "ledger", "shipment", "recipe", "glossary", "voucher", "tenant",
    "timetable", "catalogue", "reading", "roster", "parcel", "survey", "menu", "warranty",
)  # fmt: skip
_PARTS = (
    "lines",
    "totals",
    "window",
    "headers",
    "tree",
    "batch",
    "limits",
    "labels",
    "range",
    "index",
    "cache",
)
_PROJECTS = (
    "tidewater",
    "larkspur",
    "copperfield",
    "northgate",
    "millrace",
    "quillon",
    "saltmarsh",
    "beacon",
    "orrery",
)
_KINDS = ("api", "worker", "cli", "importer", "dashboard", "sync", "bot")
_PEOPLE = (
    ("mbrandt", "Maren Brandt"), ("okafor", "Chidi Okafor"), ("lucia", "Lucía Ferreiro"), ("tpel", "Thibault Pelletier"),
    ("yui", "Yui Onodera"), ("priya.s", "Priya Sharma"), ("dmoffat", "Desmond Moffat"), ("caio", "Caio Nogueira"),
)  # fmt: skip
_WRONG = (
    "an empty {noun} is taken for a missing one",
    "the last of the {parts} is dropped when there are exactly {n}",
    "a {noun} of {year} is read in the local time zone",
    "two {noun}s with the same key overwrite each other",
    "the {parts} are sorted as text, so 10 comes before 9",
    "a {noun} with a comma in its name splits in two",
    "the retry after {n} failures never waits",
    "negative {parts} are clamped to zero without a word",
    "the {noun} is written before its {parts} are",
    "page {n} of the {parts} is fetched twice",
)
_FIX = (
    "compare with None instead of asking whether it is falsy",
    "let the loop run to {n} inclusive",
    "parse the {noun} as UTC and convert at the edge",
    "key the map by tenant and {noun}",
    "sort by the number itself",
    "quote the field before joining",
    "back off by {nn} milliseconds, doubled each time",
    "raise when {parts} are below zero",
    "write {parts} first, in one transaction",
    "carry the cursor of the {parts} over to the next page",
)
_ASKS = (
    (
        "`{test}` fails since {commit} although I only touched the {parts}. Can you find out "
        "why? I think that {wrong}."
    ),
    "In {file} {wrong}. Please fix it and add a test that would have caught it.",
    (
        "Users report that {wrong}. It started with version 0.{n}.{two}. Have a look at `{fn}` "
        "in {file}, line {line} or so."
    ),
    (
        "Add a `--{parts}-max` option to the {noun} command, {nn} by default, and keep `{fn}` "
        "as it is for anyone who calls it."
    ),
    (
        "`{fn}` takes {hundreds} ms for {nn} {noun}s. Profile it and make it faster without "
        "changing what it returns."
    ),
    "Please split {file}. `{fn}` and the {parts} belong together, the rest of {noun} does not.",
    "Review my change to `{fn}` in {file} before I push {branch}. I am unsure about the {parts}.",
)
_MORE = (
    "Good. Now the same for `{fn2}`, which has the {parts} problem too, at line {line}.",
    (
        "The test passes here, but CI says {hundreds} ms for {nn} {noun}s and stops. What else "
        "is slow in {file}?"
    ),
    "Could you write the commit message? Ticket {project}-{hundreds}, and mention that {wrong}.",
    "Hm, now `{test}` is flaky, it failed {n} times out of {nn}. Is it the {parts} or the clock?",
    "Please undo the part in {file} around line {line} and only keep the change to `{fn}`.",
    (
        "What happens to a {noun} from {year} that is stored already? Do we need a migration "
        "for its {parts}?"
    ),
)
_PASTES = (
    "\n\nHere is what the log says:\n\n{trace}",
    "\n\nMy settings, in case it "
    "matters:\n\nDATABASE_URL=postgres://{user}:{secret}@db.{project}.example:5432/{noun}\n"
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "\n\nThe token for staging is ghp_{token}, it may only read {project}.",
    (
        "\n\nRequests come from 192.0.2.{two} and 2001:db8::{two}:{n}, nothing else reaches "
        "port {hundreds}."
    ),
    "\n\ngit blame says {author} <{user}@{project}.example>, {hundreds} days ago.",
)
_PLANS = (
    "I will read `{fn}` in {file} first and then run {test} on its own.",
    "Before I change anything I want to see {test} fail, so that we know it is about the {parts}.",
    (
        "Let me look at where `{fn}` builds the {parts}, since line {line} of {file} is a "
        "likely place."
    ),
    "I start with {file}. If {wrong}, then `{fn}` should show it within {n} lines.",
)
_FOUND = (
    "Found it. In line {line} of {file}, `{fn}` hands the {parts} on before they are complete, so "
    "{wrong}. The smallest change is to {fix}.",
    "The cause is in `{fn}`. It trusts the caller for the {parts}, and `{fn2}` does not keep that "
    "promise, which is why {wrong}. I suggest to {fix}.",
    (
        "This confirms it, {wrong}. Nothing else in {file} depends on the old behaviour; "
        "`{fn2}` only reads it. I will {fix}."
    ),
    "It is not what I expected. `{fn}` is right, and `{fn2}` calls it {n} times for each {noun} at "
    "line {line}. If we {fix}, both come out right.",
)
_DONE = (
    "Done. `{fn}` now does it right for the {parts}, {test} passes, and so do the other {nn} tests "
    "of {noun}. I left `{fn2}` alone and noted at line {line} why.",
    (
        "That is fixed in {file}. To sum up, {wrong}, and now we {fix}. The run took {hundreds} "
        "ms, {n} of {nn} cases are new."
    ),
    "Both pass. One thing to decide, whether a {noun} of {year} should be rewritten. I would not, "
    "since its {parts} are never read again after {nn} days.",
    "{nn} tests pass, none is skipped. You may want to tell {author} that `{fn2}` relied on it, I "
    "added a line to the change log under 0.{n}.{two}.",
)


class Stack(NamedTuple):
    """A language: its files, test command and failure output."""

    file: str
    test_file: str
    run: str
    body: Sequence[str]
    old: str
    new: str
    trace: str
    passed: str


_PYTHON = Stack(
    "src/{project}/{noun}/{parts}.py",
    "tests/test_{noun}_{parts}.py",
    "pytest -q {test_file} -k {fn}",
    (
        '"""The {parts} of a {noun}."""',
        "",
        "import logging",
        "",
        "",
        "def {fn}(rows: list[dict], limit: int = {nn}) -> list:",
        "    kept = []",
        "    for row in rows[:limit]:",
        "        if not row.get('{noun}_id'):",
        "            continue",
        "        kept.append(row['{parts}'])",
        "    return kept",
    ),
    "        if not row.get('{noun}_id'):",
    "        if row.get('{noun}_id') is None:",
    'Traceback (most recent call last):\n  File "{folder}/{test_file}", line {line}, in {test}\n'
    '    assert {fn}(rows, {n}) == expected\n  File "{folder}/{file}", line {nn}, in {fn}\n'
    "    kept.append(row['{parts}'])\nKeyError: '{parts}'\n1 failed, {nn} passed in 0.{two}s",
    "{nn} passed in 0.{two}s",
)
_TYPESCRIPT = Stack(
    "packages/{noun}/src/{parts}.ts",
    "packages/{noun}/test/{parts}.test.ts",
    "npx vitest run {test_file}",
    (
        "import type {{ {cls} }} from './types';",
        "",
        "export function {camel}(items: {cls}[], max = {nn}): {cls}[] {{",
        "  return items",
        "    .filter((item) => item.{parts})",
        "    .sort((a, b) => a.key > b.key ? 1 : -1)",
        "    .slice(0, max);",
        "}}",
    ),
    "    .sort((a, b) => a.key > b.key ? 1 : -1)",
    "    .sort((a, b) => a.key - b.key)",
    "FAIL {test_file} > {camel} > keeps all {parts}\nTypeError: Cannot read properties of "
    "undefined (reading '{parts}')\n"
    "    at {camel} ({folder}/{file}:{line}:{n})\n"
    "    at {folder}/{test_file}:{nn}:11\n Tests  1 failed | {nn} passed",
    " Test Files  1 passed (1)\n      Tests  {nn} passed ({nn})\n   Duration  {hundreds}ms",
)
_GO = Stack(
    "internal/{noun}/{parts}.go",
    "internal/{noun}/{parts}_test.go",
    "go test ./internal/{noun}/ -run {cls}",
    (
        "package {noun}",
        "",
        "// {cls} returns the {parts} of each {noun}.",
        "func {cls}(in []Row, max int) ([]Row, error) {{",
        "\tout := make([]Row, 0, {nn})",
        "\tfor i := 0; i < max; i++ {{",
        "\t\tout = append(out, in[i])",
        "\t}}",
        "\treturn out, nil",
        "}}",
    ),
    "\tfor i := 0; i < max; i++ {{",
    "\tfor i := 0; i < min(max, len(in)); i++ {{",
    "--- FAIL: Test{cls} (0.{two}s)\npanic: runtime error: index out of range [{n}] with length "
    "{n}\n\n"
    "goroutine {nn} [running]:\ngithub.com/example/{project}/internal/{noun}.{cls}(0xc0000{two}, "
    "0x{two})\n"
    "\t{folder}/{file}:{line} "
    "+0x1{two}\nFAIL\tgithub.com/example/{project}/internal/{noun}\t0.{two}s",
    "ok  \tgithub.com/example/{project}/internal/{noun}\t0.{two}s",
)
_SQL = Stack(
    "migrations/0{two}_{noun}_{parts}.sql",
    "queries/{noun}_{parts}.sql",
    "psql -f {test_file} {project}_staging",
    (
        "-- The {parts} of each {noun}, newest first.",
        "SELECT {noun}_id, tenant_id, {parts}",
        "  FROM {noun}s",
        " WHERE tenant_id = $1 AND created_at > $2",
        " ORDER BY {parts}::text",
        " LIMIT {nn};",
    ),
    " ORDER BY {parts}::text",
    " ORDER BY {parts}",
    "Sort  (cost={hundreds}.{two}..{hundreds}.{two} rows={hundreds})\n  Sort Key: "
    "(({parts})::text)\n  ->  Seq Scan on {noun}s\n"
    "        Rows Removed by Filter: {hundreds}\nExecution Time: {hundreds}.{two} ms",
    "Limit  (cost=0.{two}..{n}.{two} rows={nn})\n  ->  Index Scan using {noun}s_{parts}_idx on "
    "{noun}s\n"
    "Execution Time: 0.{two} ms",
)
STACKS = (_PYTHON, _PYTHON, _TYPESCRIPT, _GO, _SQL)


class TownRepository(NamedTuple):
    """A person's project, its stack, their account name there, and the name on commits."""

    project: str
    stack: Stack
    user: str
    author: str

    @property
    def folder(self) -> str:
        return f"/home/{self.user}/projects/{self.project}"


def repository(random: Random) -> TownRepository:
    user, author = random.choice(_PEOPLE)
    project = f"{random.choice(_PROJECTS)}-{random.choice(_KINDS)}"
    return TownRepository(project=project, stack=random.choice(STACKS), user=user, author=author)


class _Names(dict[str, str]):
    """The names of one session; figures and keys are drawn at first use."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    def __missing__(self, name: str) -> str:
        draw = self._random.randrange
        match name:
            case "n":
                return str(draw(2, 10))
            case "nn":
                return str(draw(11, 90))
            case "two":
                return str(draw(10, 100))
            case "line":
                return str(draw(12, 480))
            case "hundreds":
                return str(draw(110, 9_000))
            case "year":
                return str(draw(2009, 2025))
            case "commit":
                return f"{draw(2**28):07x}"
            case "token":
                return "".join(self._random.choices(_ALPHABET, k=36))
            case "secret":
                return "".join(self._random.choices(_ALPHABET, k=14))
            case _:
                raise KeyError(name)


class CodingSession:
    def __init__(self, random: Random, repository: TownRepository) -> None:
        self.repository, self.stack = repository, repository.stack
        names = self.names = _Names(random)
        verb, noun, parts = random.choice(_VERBS), random.choice(_NOUNS), random.choice(_PARTS)
        names["noun"], names["parts"], names["project"] = (
            noun,
            parts,
            repository.project.partition("-")[0],
        )
        names["user"], names["author"] = repository.user, repository.author
        names["folder"] = repository.folder
        names["fn"] = f"{verb}_{noun}_{parts}"
        names["fn2"] = f"{random.choice(_VERBS)}_{noun}"
        names["cls"] = f"{verb}_{noun}_{parts}".title().replace("_", "")
        names["camel"] = names["cls"][0].lower() + names["cls"][1:]
        names["test"] = f"test_{verb}_{noun}_{random.choice(_PARTS)}"
        names["branch"] = f"fix/{noun}-{parts}-{random.randrange(100, 999)}"
        wrong = random.randrange(len(_WRONG))
        names["wrong"], names["fix"] = self._put(_WRONG[wrong]), self._put(_FIX[wrong])
        names["file"], names["test_file"] = (
            self._put(self.stack.file),
            self._put(self.stack.test_file),
        )
        self.title = f"{names['fn']}: {names['wrong']}"
        self._calls = 0

    def _put(self, template: str) -> str:
        return template.format_map(self.names)

    def _draw_phrase(self, random: Random, templates: Sequence[str]) -> str:
        return self._put(random.choice(templates))

    def exchange(self, random: Random, *, first: bool) -> Iterator[tuple[TurnRole, Content]]:
        """The turns until the person speaks again: a question, one or two rounds with tools, and
        the outcome.
        """
        self.names._random = random
        request = self._draw_phrase(random, _ASKS if first else _MORE)
        if random.random() < 0.35:
            self.names["trace"] = self._put(self.stack.trace)
            request += self._draw_phrase(random, _PASTES)
        yield TurnRole.user, self._content(request)
        rounds: list[Callable[[], tuple[str, str, str]]] = [self._read, self._run, self._edit]
        chosen = random.choice(((0,), (1,), (0, 2), (1, 2)) if first else ((2,), (1,)))
        for place, number in enumerate(chosen):
            text = self._draw_phrase(random, _FOUND if place or not first else _PLANS)
            tool, arguments, printed = rounds[number]()
            self._calls += 1
            call = ToolCall(id=f"call_{self._calls}", name=tool, arguments=arguments)
            yield TurnRole.assistant, self._content(text, call)
            yield TurnRole.tool, Content(text=printed, tool_call_id=call.id, tool_name=tool)
        yield TurnRole.assistant, self._content(self._draw_phrase(random, _DONE))

    def _content(self, text: str, *calls: ToolCall) -> Content:
        return Content(
            text=text,
            tool_calls=calls,
            model=MODEL if calls else "",
            folder=self.repository.folder,
            branch=self.names["branch"],
        )

    def _read(self) -> tuple[str, str, str]:
        lines = [self._put(line) for line in self.stack.body]
        shown = "\n".join(f"{number:>4}  {line}" for number, line in enumerate(lines, 1))
        return "read_file", json.dumps({"path": self.names["file"]}), shown

    def _run(self) -> tuple[str, str, str]:
        return (
            "run",
            json.dumps({"command": self._put(self.stack.run)}),
            self._put(self.stack.trace),
        )

    def _edit(self) -> tuple[str, str, str]:
        file, old, new = self.names["file"], self._put(self.stack.old), self._put(self.stack.new)
        around = [self._put(line) for line in self.stack.body]
        at = around.index(old)
        diff = "\n".join(
            [
                f"diff --git a/{file} b/{file}",
                f"--- a/{file}",
                f"+++ b/{file}",
                f"@@ -{at},3 +{at},3 @@",
                f" {around[at - 1]}",
                f"-{old}",
                f"+{new}",
                f" {around[at + 1]}",
                "",
                self._put(self.stack.passed),
            ]
        )
        return "edit_file", json.dumps({"path": file, "old": old, "new": new}), diff
