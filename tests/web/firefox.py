"""Debian's Firefox, driven by its own protocol (Marionette): JSON over a socket, with nothing to
install beside the browser.

Playwright drives only a Firefox that it patched itself, and geckodriver is in no registry that this
project takes from.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..waiting import wait_until
from .browsing import absent

SECONDS_MAX = 600
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Firefox:
    """A window of Firefox. Marionette answers each command with `[1, id, error, result]`, its
    length before it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._number = connection, 0
        self._stream = connection.makefile("rb")
        self._read()  # the greeting
        self.tell(
            "WebDriver:NewSession",
            {"capabilities": {"alwaysMatch": {"timeouts": {"pageLoad": SECONDS_MAX * 1000}}}},
        )

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._stream.read(1)
        return json.loads(self._stream.read(int(size[:-1])))

    def tell(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        self._number += 1
        said = json.dumps([0, self._number, command, parameters or {}]).encode()
        self._socket.sendall(b"%d:%s" % (len(said), said))
        _, _, error, result = self._read()
        assert error is None, (command, error)
        return result["value"] if isinstance(result, dict) and set(result) == {"value"} else result

    def go(self, address: str) -> None:
        self.tell("WebDriver:Navigate", {"url": address})

    def size(self, width: int, height: int) -> None:
        """The size of the page in the window, whose frame is as wide as it is."""
        for _ in range(2):
            outer = self.run("return [outerWidth - innerWidth, outerHeight - innerHeight]")
            self.tell(
                "WebDriver:SetWindowRect", {"width": width + outer[0], "height": height + outer[1]}
            )

    def run(self, script: str) -> Any:
        return self.tell("WebDriver:ExecuteScript", {"script": script, "args": []})

    def _found(self, selector: str) -> str:
        found = self.tell("WebDriver:FindElement", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def click(self, selector: str) -> None:
        self.tell("WebDriver:ElementClick", {"id": self._found(selector)})

    def keys(self, selector: str, text: str) -> None:
        self.tell("WebDriver:ElementSendKeys", {"id": self._found(selector), "text": text})


@contextmanager
def firefox(folder: Path, *, script: bool = True) -> Iterator[Firefox]:
    """A Firefox with a profile of its own in ``folder``."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        absent("no Firefox: apt-get install --no-install-recommends firefox-esr")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "marionette.port": port,
        "javascript.enabled": script,
        "browser.shell.checkDefaultBrowser": False,
    }
    (folder / "user.js").write_text(
        "".join(f'user_pref("{name}", {json.dumps(value)});\n' for name, value in settings.items()),
        encoding="utf-8",
    )
    command = [
        program,
        "--headless",
        "--marionette",
        "--no-remote",
        "--profile",
        str(folder),
        "about:blank",
    ]
    environment = {**os.environ, "HOME": str(folder), "MOZ_HEADLESS": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as started:
        try:
            wait_until(
                lambda: _listens(port), "Firefox listens", alive=lambda: started.poll() is None
            )
            with socket.create_connection(("127.0.0.1", port), SECONDS_MAX) as connection:
                yield Firefox(connection)
        finally:
            started.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
