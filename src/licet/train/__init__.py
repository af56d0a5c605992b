"""Training on a release: gate, loaders behind it, runs, lineage, exports, recipients."""
