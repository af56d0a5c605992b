"""Beside a coding assistant: what it writes down of its sessions is recorded, as far as the person lets it be."""
