"""A bucket in memory that keeps the promises of `licet.store.bucket`, and fails where a test wants
it to.

`tests/store/test_bucket.py` holds a real S3 service to the same promises.
"""

from __future__ import annotations

import threading
from typing import Any

from licet.errors import BusyError
from licet.store.bucket import Bucket, TaggedObject


class HeldBucket(Bucket):
    """``held`` has the objects. A call to which ``fails`` gives a word is not answered: with
    ``lost`` it had no effect, with ``unheard`` it had.
    """

    def __init__(self, held: dict[str, TaggedObject] | None = None) -> None:
        super().__init__("memory://", {})
        self.held: dict[str, TaggedObject] = {} if held is None else held
        self.fails: dict[int, str] = {}
        self.calls = self.tags = 0
        self._one = threading.Lock()

    def beside(self) -> HeldBucket:
        """Another host's view of the same bucket."""
        return HeldBucket(self.held)

    def _told(self) -> str:
        word = self.fails.get(self.calls, "")
        self.calls += 1
        if word == "lost":
            raise BusyError("not answered")
        return word

    def read(self, name: str) -> TaggedObject | None:
        with self._one:
            if self._told():
                raise BusyError("not answered")
            return self.held.get(name)

    def _write(self, name: str, content: bytes, mode: Any) -> str | None:
        with self._one:
            word = self._told()
            found = self.held.get(name)
            fits = (
                found is None
                if mode == "create"
                else found is not None and found.tag == mode["e_tag"]
            )
            if fits:
                self.tags += 1
                self.held[name] = TaggedObject(content, f"{id(self)}/{self.tags}")
            if word:
                raise BusyError("not answered")
            found = self.held.get(name)
            return found.tag if found is not None and found.content == content else None

    def names(self, prefix: str) -> list[str]:
        with self._one:
            if self._told():
                raise BusyError("not answered")
            return sorted(
                name.removeprefix(prefix) for name in self.held if name.startswith(prefix)
            )

    def names_after(self, prefix: str, after: str, most: int) -> list[str]:
        return [name for name in self.names(prefix) if name > after][:most]

    def below(self, prefix: str) -> list[str]:
        return sorted({name.partition("/")[0] for name in self.names(prefix)})

    def delete(self, name: str) -> None:
        with self._one:
            if self._told():
                raise BusyError("not answered")
            self.held.pop(name, None)
