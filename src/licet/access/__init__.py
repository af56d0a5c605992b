"""Authorization: roles and scopes, keys of services, sessions of browsers, and their tables."""
