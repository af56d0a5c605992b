"""Backup and restore: dumps, base backups with the write-ahead log (WAL), and restore."""
