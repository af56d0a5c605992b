"""Training on a release: gate, loaders that honour withdrawals, runs, lineage, exports, recipients."""
