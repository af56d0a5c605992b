"""An independent verifier in one file, which needs only Python 3.11 and the package `cryptography`.

    python verifier.py log FOLDER|URL --key VKEY [--older FILE]...  every entry, tile byte and root of a log
    python verifier.py receipt FILE --key VKEY                      a person's choice, as signed and as logged
    python verifier.py certificate FILE --key VKEY                  an erasure certificate, and its statement per place
    python verifier.py release FOLDER --log FOLDER --key VKEY       every row of a release decided again, without content
    python verifier.py conversation FOLDER HANDLE [--salt HEX] --log FOLDER --key VKEY
                                                                    what a release contains of one conversation
    python verifier.py text FILE.. --log FOLDER --key VKEY          policies and notices that the log names
    python verifier.py model FOLDER --key MODELS_VKEY --key GATE_VKEY [--release FOLDER --log FOLDER --key VKEY]
                                                                    its files, and which rows it was trained on
    python verifier.py document FILE --log FOLDER --release FOLDER --key VKEY
                                                                    a legal document, its figures recounted
    python verifier.py proof FILE --entry FILE --key VKEY           one entry under one signed checkpoint
    python verifier.py checkpoint OLD NEW --key VKEY --log FOLDER   the old log is the beginning of the new one
    python verifier.py checkpoint OLD NEW --key VKEY --proof FILE   the same, by a consistency proof

The answer is one of these, for the whole and for each part of it; the whole is the worst of the
parts that it rests on:
    proved          exit 0    follows from the log that a key given here signed, and from what it commits to
    consistent      exit 4    agrees with the rest, and could have been invented with it
    stated          exit 4    the operator's word, signed
    contradicted    exit 1    a promise is broken: the place and the promise are named
    not proved      exit 3    nothing contradicts it, but evidence is missing; it is named
Each field of an artefact is proved, consistent or stated (`--json`: `fields`), and one line names
the stated ones; an unknown field is refused. Where the whole is not proved, or is contradicted, no
field is. A file that is not of the expected kind gets no answer: exit 65. Wrong usage: 64; a log's
URL that does not answer: 75, try again. Nothing unsigned and outside the log is ever `proved`.

Each command takes `--policy FILE` (a c2sp.org/tlog-policy: which witnesses must have cosigned;
where it lists one log, that log's key too), or `--witness VKEY` (repeatable: each must have
cosigned, or `--quorum N` of them), `--origin ORIGIN` where the log is not named as its key, and
`--json`; `log` takes `--plain` where the entries are not licet's. `--log` of a release is the log
of its year, or the published folder with a log a year; it and `--key` may be given more than once:
an addendum or a review of a later year is proved by that year's log, which the same public key
signs.

Promise: it believes the keys given to it and nothing else. It imports nothing of licet and shares
no code with the writer: where the writer folds subtrees bit by bit, this follows the recursive
definitions of RFC 6962 section 2.1, so that one misunderstanding does not pass both. Each field is
checked for presence and type before it is compared. It does not show that the operator logged
everything, nor, without a witness, that others were shown the same log.

Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature (Ed25519), tlog-tiles, tlog-proof,
tlog-policy; RFC 8785, RFC 7515.
"""

from licet.verifier.answer import (
    EXITS,
    LEVELS,
    ContradictionError,
    UnreadableError,
    Verdict,
    VerifierReport,
    worst,
)
from licet.verifier.base import find_base
from licet.verifier.certificate import check_certificate
from licet.verifier.command import main
from licet.verifier.conversation import (
    check_conversation,
    check_conversation_in,
    parse_proof,
    prove_conversation,
)
from licet.verifier.decision import Decider
from licet.verifier.document import check_document
from licet.verifier.entries import KINDS, new_story, pseudonym
from licet.verifier.files import Files, FolderFiles, HttpFiles, tile_path
from licet.verifier.keys import Trust, read_key, read_policy, trust
from licet.verifier.levels import FIELDS, level_lines, levels_of, stated_line
from licet.verifier.log import check_carried, check_log, read_logs, select_key
from licet.verifier.model import check_model
from licet.verifier.note import open_checkpoint, open_note
from licet.verifier.permissions import Permissions
from licet.verifier.proof import check_checkpoints, check_proof
from licet.verifier.receipt import check_receipt
from licet.verifier.release import check_release, check_release_in
from licet.verifier.rows import read_row
from licet.verifier.terms import ReleasePolicies, parse_terms
from licet.verifier.tree import leaf, path_of, root_of_path, roots_of_proof, tree_hash

__all__ = [
    "EXITS",
    "FIELDS",
    "KINDS",
    "LEVELS",
    "ContradictionError",
    "Decider",
    "Files",
    "FolderFiles",
    "HttpFiles",
    "Permissions",
    "ReleasePolicies",
    "Trust",
    "UnreadableError",
    "Verdict",
    "VerifierReport",
    "check_carried",
    "check_certificate",
    "check_checkpoints",
    "check_conversation",
    "check_conversation_in",
    "check_document",
    "check_log",
    "check_model",
    "check_proof",
    "check_receipt",
    "check_release",
    "check_release_in",
    "find_base",
    "leaf",
    "level_lines",
    "levels_of",
    "main",
    "new_story",
    "open_checkpoint",
    "open_note",
    "parse_proof",
    "parse_terms",
    "path_of",
    "prove_conversation",
    "pseudonym",
    "read_key",
    "read_logs",
    "read_policy",
    "read_row",
    "root_of_path",
    "roots_of_proof",
    "select_key",
    "stated_line",
    "tile_path",
    "tree_hash",
    "trust",
    "worst",
]
