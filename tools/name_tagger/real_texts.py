"""Real texts to learn from, out of a folder of public data sets: turns, lines without names, labelled posts.

The folder holds ``taskmaster4`` (Google, CC BY 4.0), ``oasst-samples`` (LAION, Apache-2.0), ``hh-rlhf-harmless-test``
(Anthropic, MIT), ``swe-agent-traj`` (SWE-agent, MIT) and ``wnut17`` (WNUT 2017, CC BY 4.0), as the benches have them.
Beside this module ``without_names.txt`` holds lines of our own docs and notices, in 31 languages, none with a name in it.

Promise: the same files give the same lines in the same order.
"""

from __future__ import annotations

import gzip
import json
import re
from hashlib import sha256
from pathlib import Path

WITHOUT_NAMES = Path(__file__).parent / "without_names.txt"
CODE_LINES = 4  # make one text
CODE_CHARACTERS_MIN = 15
DIALOGUES_MEASURED = 400
_TURN = re.compile(r"\n\n(?:Human|Assistant): ?")
_SAID = ("observation", "thought", "response", "action", "content")
_BLANKS = re.compile(r"\s+")


def turns(data: Path) -> list[str]:
    """Turns of people and assistants, for sentences to stand in; some hold names, which nobody labelled."""
    said = []
    for file in sorted((data / "taskmaster4").glob("*.json.gz"))[:2]:
        for dialogue in json.loads(gzip.decompress(file.read_bytes())):
            said += [one["text"] for one in dialogue["utterances"]]
    messages = data / "oasst-samples" / "model__model_eval__manual__data__en_100_message.jsonl.gz"
    said += [json.loads(line)["text"] for line in gzip.decompress(messages.read_bytes()).splitlines()]
    return [text.replace("\n", " ") for text in said]


def code(data: Path) -> list[str]:
    """Code, listings and logs of coding sessions."""
    out: set[str] = set()
    for file in sorted((data / "swe-agent-traj").glob("*.gz")):
        session = json.loads(gzip.decompress(file.read_bytes()))
        steps = session.get("trajectory") or session.get("history") or [] if isinstance(session, dict) else session
        for said in (step.get(key) for step in steps if isinstance(step, dict) for key in _SAID):
            lines = said.splitlines() if isinstance(said, str) else []
            joined = (" ".join(lines[n : n + CODE_LINES]) for n in range(0, len(lines), CODE_LINES))
            out.update(_BLANKS.sub(" ", text) for text in joined)
    return sorted(text for text in out if len(text) > CODE_CHARACTERS_MIN)


def ours(language: str = "") -> list[str]:
    """Lines of our docs and notices, by default in every language. In the file a tab follows the language."""
    pairs = (line.split("\t", 1) for line in WITHOUT_NAMES.read_text("utf-8").split("\n") if line)
    return [text for own, text in pairs if language in ("", own)]


def dialogues(data: Path) -> list[str]:
    """What people and an assistant said to each other, but for the first of them, with which doubt is measured."""
    file = data / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    rows = [json.loads(line)["chosen"] for line in gzip.decompress(file.read_bytes()).splitlines()[DIALOGUES_MEASURED:]]
    said = (turn for row in rows for turn in _TURN.split(row))
    return list(dict.fromkeys(" ".join(turn.split()) for turn in said if turn.strip()))


def posts(data: Path) -> Path:
    """The labelled posts to train on."""
    return data / "wnut17" / "wnut17train.conll"


def hashes(data: Path | None) -> dict[str, str]:
    """What was read, by hash."""
    found = {"without_names": WITHOUT_NAMES.read_bytes()}
    if data is not None:
        lines = {"turns": turns(data), "dialogues": dialogues(data), "code": code(data)}
        found |= {name: "\n".join(said).encode() for name, said in lines.items()}
        found["posts"] = posts(data).read_bytes()
    return {name: sha256(content).hexdigest() for name, content in found.items()}
