"""Training on a release: the gate, loaders that honour withdrawals, runs and their record, lineage,
exports, recipients.
"""
