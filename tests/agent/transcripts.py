"""Claude Code as far as Licet meets it: transcripts that grow, hooks that are called, in processes
of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from click.testing import CliRunner

from licet.cli.command import main

from ..forking import FORKED, STARTED

LICET = STARTED


class Coder:
    """A person who codes: an environment for the program, a folder of projects, a folder of
    transcripts.
    """

    def __init__(self, folder: Path, account: str = "ana", **agent: str) -> None:
        self.project, self.transcripts = folder / "project", folder / "projects"
        self.project.mkdir(parents=True)
        (self.transcripts / "-project").mkdir(parents=True)
        self.state = folder / "state"
        settings = {"ACCOUNT": account, "STATE": str(self.state), **agent}
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LICET_")}
        self.environment |= {f"LICET_AGENT__{key}": value for key, value in settings.items()}

    def command(
        self, *words: str | Path, given: str = "", code: int = 0, apart: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """A command in the project's folder; ``apart``: in a process of its own, as an assistant
        starts it.
        """
        if not apart:
            with chdir(self.project):
                made = CliRunner(env=self.environment).invoke(
                    main, [str(word) for word in words], input=given
                )
            assert made.exit_code == code, (made.stdout, made.stderr, made.exception)
            return subprocess.CompletedProcess(words, made.exit_code, made.stdout, made.stderr)
        done = subprocess.run(
            [FORKED, *map(str, words)],
            input=given,
            env=self.environment,
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    def begin(self, session: str = "", *, apart: bool = False) -> Session:
        return Session(self, session or str(uuid4()), apart=apart)


class Session:
    """One session and its transcript. Its verbs write as Claude Code writes."""

    def __init__(self, coder: Coder, session: str, *, apart: bool = False) -> None:
        self.coder, self.id, self.folder = coder, session, coder.project
        self.file = coder.transcripts / "-project" / f"{session}.jsonl"
        self.parent: str | None = None
        self.apart = apart

    def event(self, name: str, **more: Any) -> dict[str, Any]:
        common = {"session_id": self.id, "transcript_path": str(self.file), "cwd": str(self.folder)}
        return {**common, "hook_event_name": name, "permission_mode": "default", **more}

    def hook(self, name: str, **more: Any) -> dict[str, Any]:
        """The answer of the hook to an event."""
        done = self.coder.command(
            "hook", given=json.dumps(self.event(name, **more)), apart=self.apart
        )
        self.said = done.stderr
        return json.loads(done.stdout) if done.stdout else {}

    def write(self, kind: str, content: Any, **more: Any) -> str:
        """A record at the transcript's end; its uuid."""
        name = str(uuid4())
        record = {
            "type": kind,
            "uuid": name,
            "parentUuid": self.parent,
            "sessionId": self.id,
            "isSidechain": False,
            "cwd": str(self.folder),
            "gitBranch": "main",
            "version": "2.1.0",
            "timestamp": datetime.now(UTC).isoformat(),
            "message": {"role": kind, "content": content},
            **more,
        }
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self.parent = name
        return name

    def exchange(self, said: str = "rename the parser", *, hooks: bool = True) -> dict[str, Any]:
        """A prompt and its answer, with the hooks on both sides; the answer of the hook that guards
        the prompt.
        """
        answer = self.hook("UserPromptSubmit", prompt=said) if hooks else {}
        self.write("user", said)
        if answer.get("decision") == "block":  # such a prompt is written all the same
            return answer
        self.write(
            "assistant",
            [{"type": "tool_use", "id": f"t-{self.parent}", "name": "Read", "input": {}}],
        )
        self.write(
            "user",
            [
                {
                    "type": "tool_result",
                    "tool_use_id": f"t-{self.parent}",
                    "content": "def parse(): ...",
                }
            ],
        )
        self.write("assistant", [{"type": "text", "text": "It is done."}])
        if hooks:
            self.hook("Stop", stop_hook_active=False)
        return answer
