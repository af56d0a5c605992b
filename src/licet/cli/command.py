"""The `licet` command: reads the environment and the clock, calls one function, prints its answer.

Exit codes: 0 yes or done, 1 answered no (differences, contradictions, refused), 2 a plan has
changes, 64 usage, 70 internal, 75 try again, 130 interrupted. Answers go to standard output,
progress and errors to standard error. Every command that answers takes ``--json``;
`tests/cli/test_options.py` lists the exceptions with their reasons.
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from licet.cli.root import RootCommand

# The groups of `licet --help`, with the first sentence of each command's help, so that the list
# loads no command.
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
        "notice": "Checks and publishes notices.",
        "languages": "Checks the languages that the pages speak.",
        "explain": "Says whether and why content may be used, and until when.",
        "preview": "Shows what a release built now would hold of your chats.",
        "inbox": "Lists the open work of staff, and who has it.",
        "request": "Lists, enters and answers people's legal requests.",
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
        "document": "Makes the legal documents, signed and logged.",
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

# Modules of commands with another name. Only the called command's module is loaded: a hook runs
# while somebody codes.
MODULES = {
    "api-key": "access",
    "db": "install",
    "doctor": "install",
    "erase": "erasure",
    "events": "webhooks",
    "flag": "safety",
    "hold": "holds",
    "import": "imports",
    "init": "install",
    "ledger": "proof",
    "models": "lineage",
    "preview": "explain",
    "recall": "erasure",
    "receipt": "proof",
    "request": "requests",
    "restore": "backup",
    "staff": "access",
    "upgrade": "install",
    "vault": "store",
    "verify": "proof",
    "watch": "hook",
}


@click.group(
    cls=RootCommand,
    modules=MODULES,
    groups=GROUPS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="licet", message="licet %(version)s")
def main() -> None:
    """Decides, keeps and proves what an AI assistant may learn from the people who use it.

    \b
    Begin with:  licet init --preset strict
                 licet import PATH --account ana --plan pro --age 30
                 licet status
    """


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Prints the completion script of a shell.

    \b
    Example:  eval "$(licet completion bash)"
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "licet", "_LICET_COMPLETE").source())
