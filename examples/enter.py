"""What a host application does to send somebody to a page of Licet: a link that signs the person
in, once, within five minutes.

    python examples/enter.py token.key gus http://127.0.0.1:8787/notice

The link holds a JWT (HS256) under the key that LICET_WEB__TOKEN_KEY_FILE names. Any JWT library
makes the same.
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

key_file, person, page = sys.argv[1:]
# the file's bytes as they are, without blanks at its ends
key = Path(key_file).read_bytes().strip()
now = int(time.time())


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


claims = {"sub": person, "aud": "licet-enter", "iat": now, "exp": now + 300}
signed = (
    part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    + "."
    + part(json.dumps(claims).encode())
)
token = signed + "." + part(hmac.digest(key, signed.encode(), hashlib.sha256))
where = urlsplit(page)
print(f"{where.scheme}://{where.netloc}/enter?token={token}&to={where.path}")
