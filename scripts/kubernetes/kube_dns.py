"""The cluster's name service: kube_dns.py KUBECONFIG ADDRESS. It answers on port 53 for Services and pods.

It stands for CoreDNS, whose module brings several hundred packages of clouds: a test tool, no part of the product.
"""

from __future__ import annotations

import socketserver
import struct
import sys
import threading
import time
from pathlib import Path

from kube_api import Api
from kube_dns_records import UDP_REPLY_BYTES_MAX, MalformedQuery, Records, answer, records

PORT = 53
POLL_SECONDS = 0.3  # a pod that is ready has its name so much later
TCP_SECONDS = 5.0  # for a question to arrive


class _Known:
    """The records as of the last look at the API; replaced as a whole."""

    def __init__(self) -> None:
        self.records: Records = {}


def _handlers(known: _Known) -> tuple[type[socketserver.DatagramRequestHandler], type[socketserver.StreamRequestHandler]]:
    class Udp(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            query = self.rfile.read()
            try:
                self.wfile.write(answer(query, known.records, bytes_max=UDP_REPLY_BYTES_MAX))
            except MalformedQuery:
                return

    class Tcp(socketserver.StreamRequestHandler):
        timeout = TCP_SECONDS

        def handle(self) -> None:
            try:
                (length,) = struct.unpack("!H", self.rfile.read(2))
                reply = answer(self.rfile.read(length), known.records)
            except (MalformedQuery, struct.error, OSError):
                return
            self.wfile.write(struct.pack("!H", len(reply)) + reply)

    return Udp, Tcp


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(kubeconfig: Path, address: str) -> None:
    api, known = Api(kubeconfig), _Known()
    udp, tcp = _handlers(known)
    for server in (socketserver.UDPServer((address, PORT), udp), _TcpServer((address, PORT), tcp)):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        try:
            known.records = records(api.items("/api/v1/services"), api.items("/apis/discovery.k8s.io/v1/endpointslices"))
        except OSError as error:
            print(f"trying again: {error}", flush=True)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
