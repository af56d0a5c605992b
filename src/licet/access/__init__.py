"""Who may call: roles and scopes, keys of services, sessions of browsers, and the rows that they are kept in."""
