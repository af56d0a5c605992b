"""HTML pages of a data export, to open from a folder: an index, and a page a conversation.

Each page is self-contained, with inline style, and no script, image or remote resource. All text of
people is escaped. The index links every page and every machine-readable file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Any

import msgspec

from licet.consent import own_conversations
from licet.consent.catalogue import Catalogue
from licet.masked import Masked
from licet.policy.period import instant

_STYLE = """:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}
body{max-width:42rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-block-start:2rem}
ol,ul{padding-inline-start:1.25rem}li{margin-block:.4rem}
p.words{white-space:pre-wrap;overflow-wrap:anywhere;margin-block:.25rem}
small,.soft{opacity:.75}"""


class PageLink(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in the index."""

    href: str
    title: str
    about: str


class IndexFacts(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the index beside its links. ``lines`` are sentences by section; ``files`` are all
    files of the zip.
    """

    taken_at: datetime
    plan: str
    lines: dict[str, tuple[str, ...]]
    files: tuple[str, ...]


def page(words: Catalogue, title: str, body: str) -> bytes:
    """A whole page around escaped markup."""
    return (
        f'<!doctype html>\n<html lang="{words.language}">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src '
        "'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}</body>\n</html>\n"
    ).encode()


def conversation(words: Catalogue, line: dict[str, Any]) -> tuple[PageLink, bytes]:
    """The page of a conversation, from its line in `messages.jsonl`, and its link for the index."""
    first = (
        instant(line["messages"][0]["created_at"]) if line["messages"][0]["created_at"] else None
    )
    title = line["title"] or (
        words.say("chats.untitled", day=words.day(first))
        if first
        else words.say("takeout.untitled")
    )
    about = [words.say(f"chats.kind.{line['kind']}")]
    about += [words.day(first)] if first else []
    about += [words.count("chats.messages", len(line["messages"]))]
    about += [words.say("search.use.incognito")] if line["incognito"] else []
    about += [words.say("search.use.kept_out")] if line["kept_out"] else []
    messages = "".join(_message(words, message) for message in line["messages"])
    back = f'<p><a href="../{INDEX}">{escape(words.say("takeout.index.title"))}</a></p>'
    body = (
        f"{back}\n<h1>{escape(title)}</h1>\n<p "
        f"class=soft>{escape(' · '.join(about))}</p>\n<ol>\n{messages}</ol>\n"
    )
    href = f"chats/{line['conversation_id']}.html"
    return PageLink(href=href, title=title, about=" · ".join(about)), page(words, title, body)


def _message(words: Catalogue, message: dict[str, Any]) -> str:
    content = message["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    more = [
        words.say("chat.turn.file", name=part["filename"])
        for part in parts
        if part["type"] == "file"
    ]
    more += [
        words.say("chat.turn.call", name=call["function"]["name"])
        for call in message.get("tool_calls", ())
    ]
    speaker = own_conversations.speaker(message["role"], message["origin"])
    when = words.moment(instant(message["created_at"])) if message["created_at"] else ""
    lines = "".join(f"<p class=soft>{escape(one)}</p>" for one in more)
    head = (
        f"<strong>{escape(words.say(f'chat.turn.{speaker}'))}</strong> "
        f"<small>{escape(when)}</small>"
    )
    return f'<li>{head}<p class=words dir="auto">{escape(text)}</p>{lines}</li>\n'


def feedback(words: Catalogue, lines: Iterator[bytes]) -> Iterator[bytes]:
    """Streams the page of all feedback, from the lines of `feedback.jsonl`."""
    yield from _stream_page(
        words, words.say("feedback.title"), _feedback(words, lines), words.say("feedback.none")
    )


def _feedback(words: Catalogue, lines: Iterator[bytes]) -> Iterator[str]:
    for raw in lines:
        one = json.loads(raw)
        rated = "check" if one["check"] else "rating"
        sentences = [
            words.say(f"feedback.{rated}.{one['rating']}"),
            words.say(f"feedback.share.{one['share']}"),
        ]
        sentences += (
            [words.say("takeout.taken_back", day=words.day(instant(one["taken_back"])))]
            if one["taken_back"]
            else []
        )
        texts = [(words.say("feedback.comment"), one["comment"])] if one["comment"] else []
        texts += [
            (words.say("chat.part.message", first=shared["turn"]), shared["text"])
            for shared in one["shared"]
        ]
        yield _section(
            words.say("feedback.of", day=words.moment(instant(one["given"]))), sentences, texts
        )


def safety_copies(words: Catalogue, lines: Iterator[bytes]) -> Iterator[bytes]:
    """Streams the page of safety copies, from the lines of `safety_copies.jsonl`."""
    yield from _stream_page(
        words, words.say("data.safety"), _copies(words, lines), words.say("timeline.none.safety")
    )


def _copies(words: Catalogue, lines: Iterator[bytes]) -> Iterator[str]:
    for raw in lines:
        one = json.loads(raw)
        until = (
            words.say("chats.kept", day=words.day(instant(one["kept_until"])))
            if one["kept_until"]
            else ""
        )
        texts = [
            (words.say(f"chat.turn.{'typed' if s['role'] == 'user' else s['role']}"), s["text"])
            for s in one["copied"]
        ]
        yield _section(one["conversation"], [until], texts)


def _section(title: str, sentences: Sequence[str], texts: Sequence[tuple[str, str]]) -> str:
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in sentences if line)
    quoted = "".join(
        f'<p><strong>{escape(term)}</strong></p><p class=words dir="auto">{escape(text)}</p>'
        for term, text in texts
    )
    return f"<h2>{escape(title)}</h2>\n{paragraphs}{quoted}\n"


def _stream_page(
    words: Catalogue, title: str, sections: Iterator[str], nothing: str
) -> Iterator[bytes]:
    """Streams a page: its head, its sections, its end."""
    mark = "\0"
    back = f'<p><a href="{INDEX}">{escape(words.say("takeout.index.title"))}</a></p>'
    head, _, end = (
        page(words, title, f"{back}\n<h1>{escape(title)}</h1>\n{mark}").decode().partition(mark)
    )
    yield head.encode()
    is_empty = True
    for section in sections:
        is_empty = False
        yield section.encode()
    if is_empty:
        yield f"<p>{escape(nothing)}</p>\n".encode()
    yield end.encode()


def index(words: Catalogue, facts: IndexFacts, chats: Sequence[PageLink]) -> bytes:
    """The index page."""
    title = words.say("takeout.index.title")
    body = [f"<h1>{escape(title)}</h1>"]
    body.append(
        f"<p>{escape(words.say('takeout.index.about', day=words.moment(facts.taken_at), plan=facts.plan))}</p>"
    )
    listed = [
        f'<a href="{escape(chat.href)}">{escape(chat.title)}</a> <small>{escape(chat.about)}</small>'
        for chat in chats
    ]
    body.append(_list(words.say("chats.list"), listed, words.say("chats.none")))
    for name, href in (("feedback.title", FEEDBACK), ("data.safety", COPIES)):
        label = words.say(name)
        body.append(f'<h2>{escape(label)}</h2>\n<p><a href="{href}">{escape(label)}</a></p>')
    for section, lines in facts.lines.items():
        body.append(
            _list(
                words.say(section),
                [escape(line) for line in lines],
                words.say("settings.releases.none"),
            )
        )
    files = [
        f'<a href="{escape(name)}">{escape(name)}</a>{_about(words, name)}' for name in facts.files
    ]
    body.append(_list(words.say("takeout.index.files"), files, ""))
    body.append(f"<h2>{escape(words.say('takeout.index.elsewhere'))}</h2>")
    body.append(
        f"<p>{escape(words.say('takeout.index.import'))}</p>\n<pre>licet import FOLDER</pre>"
    )
    return page(words, title, "\n".join(body) + "\n")


def _list(title: str, items: Sequence[str], nothing: str) -> str:
    inside = "".join(f"<li>{item}</li>\n" for item in items)
    return f"<h2>{escape(title)}</h2>\n" + (
        f"<ul>\n{inside}</ul>" if items else f"<p>{escape(nothing)}</p>"
    )


def _about(words: Catalogue, name: str) -> str:
    """The description of a file, by its name."""
    known = (
        name.split("/")[0]
        .removesuffix(".jsonl")
        .removesuffix(".csv")
        .removesuffix(".json")
        .removesuffix(".txt")
    )
    return (
        f" <small>{escape(words.say(f'takeout.file.{known}'))}</small>"
        if known in FILES_KNOWN
        else ""
    )


INDEX, FEEDBACK, COPIES = "index.html", "feedback.html", "safety_copies.html"
FILES_KNOWN = frozenset({
    "licet", "accounts", "choices", "projects", "suggestions", "learnt", "recipients", "messages", "feedback", "requests",
    "safety_copies", "receipts", "notices", "policies", "vkeys", "verifier.py",
})  # fmt: skip
