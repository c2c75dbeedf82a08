"""A browser for ``BROWSER``: it goes where it is sent, and servers send it on. A program, and imported by nobody.

Its first argument says what it is like: ``honest``, or ``forged`` for one that comes back with a state of its own.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit


class Forger(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, fp, code, reason, headers, url):  # type: ignore[no-untyped-def]
        forged = urlsplit(url)._replace(query="code=stolen&state=forged").geturl()
        return super().redirect_request(request, fp, code, reason, headers, forged)


def main() -> None:
    kind, url = sys.argv[1:]
    opener = urllib.request.build_opener(*[Forger()] * (kind == "forged"))
    print("a browser's chatter")  # noqa: T201  which is nobody's output
    with opener.open(url, timeout=20) as page:
        page.read()


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError:
        sys.exit(1)
