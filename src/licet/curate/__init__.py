"""Curation: de-identification, deduplication, labels, splits, and the build of a release."""
