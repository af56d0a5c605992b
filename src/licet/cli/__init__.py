"""The command line: `command` holds the root and the main job, a module beside it each further subject."""

from licet.cli.command import main as main
