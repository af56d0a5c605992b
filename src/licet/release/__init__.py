"""What leaves: a folder of sealed rows, the manifest that says what they are, and the leases that open them.

The files hold no key and no text in clear, so a copy of the folder is worth nothing without a lease, and a lease is
given by a live decision. ``rows`` and ``row_keys`` fix the bytes of one row, ``part`` those of a file of rows,
``manifest``, ``merkle`` and ``card`` what is promised about them; ``folder_check`` holds a folder to it, ``reader`` opens it.
"""
