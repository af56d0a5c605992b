"""People, services and staff over HTTP: who calls, what they may do, and the answers (RFC 9110, RFC 9457, OpenAPI 3.1).

- `app`: everything put together; `serve`: a server around it; `background`: what works beside it in the same process.
- `access`: who calls, what they may do, and how much of it.
- `api`: the routes under /v1, their bodies and answers. `pages`: what a person sees. `console`: what staff see.
- `edge`, `probes`, `meta`: headers and the access log, health and metrics, what is served as it is.

Every check fails closed: what cannot be looked up is refused, never allowed.
"""
