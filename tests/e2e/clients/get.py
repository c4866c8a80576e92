"""get.py -- Python's ssl as a client of the tests: one page as it comes, then one for each cipher suite named.
Prints "offered chosen" a line, in OpenSSL's names; chosen is "-" when this Python does not know the suite.
Usage: get.py ADDRESS PORT NAME CA-FILE [OPENSSL-SUITE...]"""
import http.client
import socket
import ssl
import sys

address, port, name, ca = sys.argv[1:5]


class At(http.client.HTTPSConnection):
    """A connection to `name` that is found at `address`."""

    def connect(self):
        raw = socket.create_connection((address, int(port)), 10)
        self.sock = context.wrap_socket(raw, server_hostname=name)


def get():
    c = At(name, context=context)
    c.request('GET', '/', headers={'Connection': 'close'})
    chosen = c.sock.cipher()[0]
    page = c.getresponse().read().decode()
    if not page.startswith('hello from web server'):
        sys.exit('not the page: ' + page)
    return chosen


context = ssl.create_default_context(cafile=ca)
print('any', get())
for suite in sys.argv[5:]:
    context = ssl.create_default_context(cafile=ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(suite)
    except ssl.SSLError:
        print(suite, '-')
        continue
    print(suite, get())
