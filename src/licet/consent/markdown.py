"""The subset of Markdown for notices: headings, paragraphs, lists, emphasis and links.

Every character of the source is escaped before a tag of ours is put around it, so no markup of the
source's own reaches a page. A link goes to https, to mail, or to a path of this site; any other
stays the text that it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

_HEADING = re.compile(r"(#{1,3}) +(.+)")
_ITEM = re.compile(r"[-*] +(.+)")
_LINK = re.compile(
    r"\[([^\]]+)\]\((https://[^\s)<>\"']+|mailto:[^\s)<>\"']+|/[^/\s)<>\"'][^\s)<>\"']*)\)"
)
_STRONG = re.compile(r"\*\*([^*\n]+)\*\*")
_EMPHASIS = re.compile(r"\*([^*\n]+)\*")
FIRST = 2  # a notice's title is the page's own first heading


def blocks(source: str) -> Iterator[str]:
    for block in re.split(r"\n[ \t]*\n", source.replace("\r\n", "\n")):
        if block.strip():
            yield block.strip("\n")


def html(source: str) -> str:
    """``source`` as HTML with only our tags. Its top headings become `h2`, below the page's
    title.
    """
    marks = [
        len(heading[1])
        for block in blocks(source)
        if (heading := _HEADING.match(block.strip())) is not None
    ]
    return "\n".join(_block(block, FIRST - min(marks, default=1)) for block in blocks(source))


def plain(source: str) -> str:
    """The words without marks."""
    text = _LINK.sub(r"\1", source)
    text = re.sub(r"(?m)^(#{1,3}|[-*]) +", "", text)
    return text.replace("**", "").replace("*", "")


def _block(block: str, shift: int) -> str:
    lines = [line.strip() for line in block.split("\n") if line.strip()]
    heading = _HEADING.fullmatch(lines[0])
    if heading is not None:
        level = min(len(heading[1]) + shift, 4)
        title = f"<h{level}>{inline(heading[2])}</h{level}>"
        return "\n".join([title, *([_block("\n".join(lines[1:]), shift)] if lines[1:] else [])])
    if _ITEM.fullmatch(lines[0]):
        return (
            "<ul>\n" + "\n".join(f"<li>{inline(item)}</li>" for item in _items(lines)) + "\n</ul>"
        )
    return f"<p>{inline(' '.join(lines))}</p>"


def _items(lines: list[str]) -> list[str]:
    """The items of a list; a line without a mark continues the item before it."""
    items: list[str] = []
    for line in lines:
        item = _ITEM.fullmatch(line)
        if item is not None or not items:
            items.append(item[1] if item else line)
        else:
            items[-1] += f" {line}"
    return items


def inline(text: str) -> str:
    """One line of text as HTML that holds only our tags."""
    escaped = escape(text, quote=False)
    escaped = _LINK.sub(lambda m: f'<a href="{m[2]}">{m[1]}</a>', escaped)
    escaped = _STRONG.sub(r"<strong>\1</strong>", escaped)
    return _EMPHASIS.sub(r"<em>\1</em>", escaped)
