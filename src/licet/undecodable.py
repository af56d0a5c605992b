"""The exceptions of decoders for undecodable bytes."""

from __future__ import annotations

import msgspec

# msgspec passes on Python's errors for invalid UTF-8 and for deep nesting.
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
