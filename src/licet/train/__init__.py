"""Learning from a release: the loader that honours withdrawals, the misuse classifier, exports, lineage to consent."""
