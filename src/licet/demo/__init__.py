"""The demonstration: the real code on a simulated clock, in a folder that the other commands work on.

stage   the folder and its clock
text    what people say
town    two thousand accounts from August to December 2025
files   the same job on a person's own files
serve   the town's pages, with links to sign in as somebody
"""

from __future__ import annotations

from licet.demo.files import play_files
from licet.demo.stage import Report, clock_of
from licet.demo.town import play_town

__all__ = ["Report", "clock_of", "play_files", "play_town"]
