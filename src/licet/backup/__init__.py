"""What comes back: dumps, base backups with the write-ahead log, restore."""
