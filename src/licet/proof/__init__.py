"""Evidence for third parties: receipts, documents, publication, retention of the logs."""
