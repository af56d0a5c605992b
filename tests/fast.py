"""The tests of `./run check`: those that need no database, no browser and no server, in the room
where the work is.

`bench/RESULTS.md`, "loops", says what they cost. What takes seconds for one sentence is left to
`./run test`. `test_fast.py` holds the list to its files; run as a program, this prints it.
"""

from __future__ import annotations

from pathlib import Path

ROOMS = {
    "consent": ("lint",),
    "curate": ("deidentify", "labels"),
    "intake": ("archives", "fixtures", "json_stream", "lines", "readers", "rewound", "spans"),
    "ledger": ("log", "note", "proof", "quorum", "tree", "vectors", "witness"),
    "host": ("spool",),
    "plugins": ("dialogue",),
    "policy": ("bounds", "cases", "diff", "file", "theorems"),
    "release": ("card", "manifest", "part", "sealing"),
    "store": ("programs",),
    "train": ("gate", "lineage"),
    "vault": ("content", "ids"),
}
TOP = ("configuration", "fast", "promises", "tidy", "weight")
HERE = Path(__file__).parent
FAST = (
    *(HERE / room / f"test_{name}.py" for room, names in ROOMS.items() for name in names),
    *(HERE / f"test_{name}.py" for name in TOP),
)

if __name__ == "__main__":
    print(*(path.relative_to(HERE.parent) for path in FAST))
