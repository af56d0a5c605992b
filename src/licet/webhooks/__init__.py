"""Outgoing events: endpoints, delivery, acknowledgements of the hosts."""
