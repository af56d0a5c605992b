"""The exceptions of decoders for undecodable bytes."""

from __future__ import annotations

import msgspec

# msgspec lets Python's error about a string that is no UTF-8 through, and the interpreter's about
# values within values.
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
