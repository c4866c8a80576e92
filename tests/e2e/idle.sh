#!/bin/bash
# Many more clients that keep their connection than the backend side has buffers for: what an idle stream's
# backend holds of them is taken back, so that each new request gets its answer.
. "$(dirname "$0")/e2e.bash"
e2e_config() {
	farm_config
	printf 'timeouts:\n  time_wait: 2s\nmemory:\n  connections: 1024\n  handshakes: 64\n  chunks: 1024\n' >>"$FARM_DIR/handfast.yaml"
}

# Each of 600 asks for a page, one after the other; then all again on the same connections, with a body
# that needs credit several times over.
keep() {
	farm_in_client timeout 200 /usr/bin/python3 - "$FARM_ADDRESS" "$FARM_PORT" "$FARM_CA" "$FARM_SNI" <<-'END'
		import socket, ssl, sys
		address, port, ca, name = sys.argv[1:]
		context = ssl.create_default_context(cafile=ca)

		def get(c, path):
		    c.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
		    got = b""
		    while b"\r\n\r\n" not in got:
		        piece = c.recv(65536)
		        assert piece, "closed before the answer"
		        got += piece
		    head, body = got.split(b"\r\n\r\n", 1)
		    want = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
		    while len(body) < want:
		        piece = c.recv(65536)
		        assert piece, f"{len(body)} of {want} bytes"
		        body += piece
		    return body

		kept = []
		for i in range(600):
		    c = context.wrap_socket(socket.create_connection((address, int(port)), 20), server_hostname=name)
		    assert get(c, "/").startswith(b"hello"), i
		    kept.append(c)
		for i, c in enumerate(kept):
		    assert len(get(c, "/files/body")) == 100000, i
		for c in kept:
		    c.unwrap()
	END
}

e2e_up
e2e_file body 100000
check "600 kept connections, buffers for 50" keep
check "idle streams gave back their credit" test "$(farm_stat worker credit_reclaimed)" -gt 0
check "idle afterwards" e2e_idle_soon
finish
