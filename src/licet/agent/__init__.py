"""Beside a coding assistant: its transcripts recorded, its sessions kept out or in."""
