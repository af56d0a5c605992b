"""The transparency log: an append-only Merkle log in static files, its proofs, its witness.

Formats are those of C2SP (signed-note, tlog-checkpoint, tlog-tiles, tlog-proof, tlog-cosignature,
tlog-witness) over the tree of RFC 6962, so that existing verifiers and witnesses work.
"""
