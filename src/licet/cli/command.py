"""The `licet` command: reads the environment and the clock, calls one verb, prints what it answers.

Exit codes: 0 yes or done, 1 answered no (differences, contradictions, refused), 2 a plan has
changes, 64 usage, 70 internal, 75 try again, 130 interrupted. Answers go to standard output,
progress and errors to standard error. Every command that answers takes ``--json``;
`tests/cli/test_options.py` lists those that do not, each with its reason.
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from licet.cli.help_lines import GROUPS
from licet.cli.root import RootCommand

# A module a subject. Only the one that holds what was asked for is loaded: a hook runs while
# somebody codes.
COMMANDS = {
    "access": ("api-key", "staff"),
    "explain": ("explain",),
    "status": ("status",),
    "backup": ("backup", "restore"),
    "cold": ("vault",),
    "deidentify": ("deidentify",),
    "demo": ("demo",),
    "document": ("document",),
    "erasure": ("erase", "recall"),
    "export": ("export",),
    "holds": ("hold",),
    "hook": ("hook",),
    "imports": ("import",),
    "install": ("db", "doctor", "init", "upgrade"),
    "keys": ("keys",),
    "languages": ("languages",),
    "lineage": ("models",),
    "notice": ("notice",),
    "policy": ("policy",),
    "preview": ("preview",),
    "proof": ("ledger", "receipt", "verify"),
    "release": ("release",),
    "requests": ("request",),
    "inbox": ("inbox",),
    "review": ("review",),
    "safety": ("flag",),
    "serve": ("serve",),
    "session": ("session",),
    "store": ("store",),
    "sweep": ("sweep",),
    "train": ("train",),
    "watch": ("watch",),
    "webhooks": ("events", "webhooks"),
    "witness": ("witness",),
}


@click.group(
    cls=RootCommand,
    table=COMMANDS,
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
