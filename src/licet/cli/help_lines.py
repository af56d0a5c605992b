"""The list of `licet --help`: the groups of commands, and the first sentence of each command's own
help.

The list is printed from here, so that it loads no command. A test holds each line to the command's
help, and to a terminal of 80 columns.
"""

from __future__ import annotations

GROUPS = {
    "Start": {
        "demo": "Plays a simulated town, or runs Licet on your own files.",
        "init": "Creates an installation: database, keys and a first policy.",
        "import": "Imports recorded conversations, as they would stand today.",
        "serve": "Serves the API and the pages.",
        "status": "Shows the accounts, gates, coming expiries and releases.",
        "doctor": "Checks the installation and says how to fix what is broken.",
    },
    "People and choices": {
        "policy": "Checks, tests, plans and applies the policy file.",
        "notice": "Checks and publishes the notices that people are asked with.",
        "languages": "Checks the languages that the pages speak.",
        "explain": "Says whether and why content may be used, and until when.",
        "preview": "Shows what a release built now would hold of your chats.",
        "inbox": "Lists what waits for staff, and says who does it.",
        "request": "Lists, enters and answers what people ask for under the law.",
        "receipt": "Prints or writes the signed receipts of an account's choices.",
    },
    "Conversations": {
        "flag": "Flags a conversation as misuse, or lists open suggestions.",
        "hold": "Places, lists and ends legal holds.",
        "erase": "Follows erasures from the request to the signed certificate.",
        "sweep": "Erases what is due, in bounded batches.",
        "vault": "Moves old sealed content to cold storage.",
    },
    "Releases and training": {
        "release": "Builds, checks, signs and purges sealed training sets.",
        "review": "Reviews a sample of a release, row by row.",
        "deidentify": "Shows and measures the removal of identifying data.",
        "train": "Trains under the gate, which keeps withdrawn rows out.",
        "models": "Lists models, and traces which people's rows each learnt from.",
        "export": "Exports rows in clear to a recipient.",
        "recall": "Tracks who received a release and what they must delete.",
    },
    "Proof": {
        "ledger": "Appends to the log, publishes it and prunes old years.",
        "document": "Makes the papers that the law asks for, signed and logged.",
        "witness": "Runs a witness that cosigns the logs of others.",
        "verify": "Verifies a receipt, certificate, document, log, release or model.",
    },
    "Operation": {
        "api-key": "Creates, lists, limits and revokes the API keys of services.",
        "staff": "Adds staff, and gives them roles.",
        "webhooks": "Manages the endpoints that receive events.",
        "events": "Prints events as NDJSON, oldest first.",
        "keys": "Rotates encryption keys and destroys those that are due.",
        "backup": "Makes, lists, verifies, drills and prunes backups.",
        "store": "Moves the journal, log and releases into a shared bucket.",
        "restore": "Restores a backup, then reapplies withdrawals and deletions.",
        "upgrade": "Upgrades the database schema to this version.",
        "db": "Starts and stops the embedded database, and recounts.",
        "completion": "Prints the completion script of a shell.",
    },
    "Beside coding assistants": {
        "watch": "Records new messages of the transcripts in FOLDER.",
        "session": "Shows and changes whether a session may be used.",
        "hook": "Answers one hook event of Claude Code.",
    },
}
LINES = {name: line for lines in GROUPS.values() for name, line in lines.items()}
