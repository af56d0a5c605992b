"""Releases: a folder of sealed rows, the manifest that describes them, and the leases that open
them.

The files contain no keys and no plain text, so a copy of the folder is useless without a lease: the
right to open rows for some minutes, which is given only after a live decision. ``rows`` and
``row_keys`` define the bytes of one row, ``part`` those of a file of rows, ``manifest``, ``merkle``
and ``card`` what is promised about them; ``folder_check`` verifies a folder, ``reader`` opens it.
"""
