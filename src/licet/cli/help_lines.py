"""What each command says of itself in a list of commands: so that a list loads none of them.

The same sentence begins the command's own help, where a test holds it; a command without a line here is loaded to be asked.
"""

from __future__ import annotations

LINES = {
    "affected": "The models that learnt from rows which were withdrawn or erased since; exits 1 if there is one.",
    "audit": "Audits of what was promised, by trying it.",
    "backup": "Backups: `licet backup DIR` makes one; list, verify and prune them, "
    "archive the WAL of a large database beside them.",
    "completion": "Prints what makes SHELL complete the words of this command.",
    "db": "The embedded database: keep it running between commands, or stop it.",
    "deidentify": "What identifies in texts: see what is found, measure what is missed.",
    "demo": "Plays a small town through the real code, from August to December 2025; or does the same job on your own files.",
    "doctor": "Looks at the installation and says what is well, what to know, and what is broken; exits 1 if anything is.",
    "erase": "Erasures: from a deletion, a closure or the end of a hold to the signed certificate.",
    "events": "Prints events as NDJSON, oldest first; each has the cursor to go on from.",
    "explain": "Whether and why a CONVERSATION, a TURN or what an ACCOUNT said may be used, and until when.",
    "export": "Rows in clear, for a recipient that the policy names; each export is a copy on record that can be recalled.",
    "flag": "Flags a CONVERSATION as misuse; without one lists what waits for somebody's decision.",
    "handles": "What an ACCOUNT and its conversations are called in the log and in the proofs of releases, for its person.",
    "hold": "Legal holds: what must be kept for a matter is kept, and made usable for nothing.",
    "hook": "Answers one event of Claude Code's hooks, read from standard input.",
    "import": "Brings in recorded conversations, with their recorded times, as they would stand today.",
    "init": "Makes an installation: its database, its keys, its first policy, and who is responsible for it.",
    "key": "Keys of services: what the assistant's servers call the API with.",
    "keys": "The keys above everything that is sealed: rotate them, and destroy what is due.",
    "ledger": "The log: what was done, for strangers to check.",
    "notice": "What people are asked: publish a notice, hold one against what makes a choice free.",
    "policy": "The policy file: test its meaning, check a file.",
    "recall": "Recipients of releases: who was handed what, and what they are to take out of use.",
    "receipt": "The receipts of an ACCOUNT's choices: signed, and proved once they stand in the log.",
    "release": "Training sets that hold exactly what may be used.",
    "restore": "Brings a backup back, behind a fence, and applies again what was taken back since.",
    "review": "Looks at a sample of a release: draws it, shows row after row, and states what was found.",
    "serve": "Serves the API and the pages.",
    "session": "One session of a coding assistant: may it be used, keep it out, leave nothing of it.",
    "staff": "Those who work with Licet: their first owner, and the roles of others.",
    "status": "The population, its gates, what expires when, and the releases.",
    "sweep": "Erases what is due: the key first, then the rows, in bounded batches.",
    "train": "Learning from releases: the gate that a run asks before each step.",
    "upgrade": "Brings the database's schema up to this version, under a lock; a newer schema than this version is refused.",
    "vault": "Where sealed content lies.",
    "verify": "Holds a log, a published folder, a receipt, a certificate, a proof, a release or a model to its promises.",
    "watch": "Records what the transcripts in FOLDER gain, until it is interrupted.",
    "webhooks": "Events to the assistants: who hears of choices, of what must leave, of what was erased, and how.",
    "which-models": "The models that learnt from a conversation or from an account, the newest first.",
    "witness": "A witness: it cosigns a log only as the continuation of what it cosigned before.",
}
