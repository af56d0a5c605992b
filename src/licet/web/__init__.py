"""The HTTP server for people, services and staff (RFC 9110, RFC 9457, OpenAPI 3.1).

- `app`: the application; `serve`: the server around it; `background`: background work in the same
  process.
- `access`: authentication, authorization and rate limits.
- `api`: the routes under /v1, their bodies and responses. `pages`: the pages for people. `console`:
  the pages for staff.
- `edge`, `probes`, `meta`: headers and the access log, health and metrics, static documents.

Every check fails closed: what cannot be looked up is refused, never allowed.
"""
