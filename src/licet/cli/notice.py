"""The commands of notices: publish them, and lint one for dark patterns."""

from __future__ import annotations

import os
from pathlib import Path

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    actor_name,
    answer_options,
    by_option,
    json_option,
    show,
)
from licet.consent import lint, rendered_page
from licet.policy.file import load
from licet.service import policy_changes


@click.group(cls=CommandGroup)
def notice() -> None:
    """Checks and publishes notices."""


@notice.command("publish")
@click.argument("files", nargs=-1, type=PATH)
@click.option(
    "--version", help="The policy version that the notice asks about; by default the newest."
)
@by_option("publishes")
@answer_options
def notice_publish(
    files: tuple[Path, ...], version: str | None, by: str | None, call: CliCall
) -> None:
    """Publishes notices. Without FILES, publishes those that ship for the policy. A published
    notice never changes again.

    \b
    Example:  licet notice publish our-notice.en.md
    """
    sources = [file.read_text(encoding="utf-8") for file in files] or None
    with call.installation() as installation:
        made = policy_changes.publish_notices(
            installation, sources, version=version, actor=actor_name(by)
        )
        lines = [
            (
                f"{n.variant.value} {n.language} for {n.version}: "
                f"{n.sha256}{'' if n.new else ' (as before)'}"
            )
            for n in made
        ]
        call.show(made, lambda: "\n".join(lines))


@notice.command("lint")
@click.argument("target")
@click.option(
    "--settings",
    help="The settings page or file, to check that withdrawing takes no more steps than allowing.",
)
@click.option(
    "--policy",
    type=PATH,
    help="The policy file that the notice asks about, to check that each question is asked by "
    "itself; by default the "
    "preset that the notice names.",
)
@json_option
def notice_lint(target: str, settings: str | None, policy: Path | None, as_json: bool) -> int:
    """Fails a notice or a page that presses people to say yes. Takes a notice (.md), a page's
    markup (.html) or a URL, which is measured in a browser. Exits 1 on a failure.

    \b
    Example:  licet notice lint our-notice.en.md
              licet notice lint https://privacy.example.org/notice --settings https://privacy.example.org/settings
    """
    asked = load(policy) if policy is not None else None
    found = rendered_page.lint_notice(target, settings, os.environ, asked)
    show(found, as_json, lambda: lint.format_findings(found))
    return EXIT_NO if found else 0
