"""People, services and staff over HTTP: who calls, what they may do, and the answers (RFC 9110, RFC 9457, OpenAPI 3.1).

- `app`: everything put together; `serve`: a server around it.
- `auth`, `tokens`, `keys`, `sessions`, `oidc`: who calls. `roles`: who may do what.
- `api_*`: the routes under /v1. `refs`: whose id is that.
- `writing`, `asking`: many requests, one transaction. `idempotency`: the same request twice is one.
- `problems`, `limits`, `edge`: refusals, bounds, headers and the access log.

Every check fails closed: what cannot be looked up is refused, never allowed.
"""
