"""Trains the tagger of names that `LICET_CURATE__NAMES` calls `tagger`: `python -m tools.name_tagger --help`."""
