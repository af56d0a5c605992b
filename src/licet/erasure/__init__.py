"""What goes: what is due, the sweep, the certificates, the rotation of keys."""
