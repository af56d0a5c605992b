"""Statements for strangers: receipts, documents, publication, how long logs are kept."""
