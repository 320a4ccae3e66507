"""A transaction pooler: many clients take turns on one connection to the server, a transaction each.

It answers as poolers do: a client is told of a backend that does not exist, and whatever is set, locked or prepared for
a session belongs to whoever comes next.
"""

import contextlib
import select
import socket
import struct
import threading

import psycopg

READY = b"Z"
SYNC, QUERY, FLUSH, TERMINATE = b"S", b"Q", b"H", b"X"


class Pooler:
    """Listens in ``folder`` until it is closed."""

    def __init__(self, folder, url):
        self.folder = folder
        info = psycopg.conninfo.conninfo_to_dict(url)
        self.database = info["dbname"]
        self._path = f"{info['host']}/.s.PGSQL.{info.get('port', 5432)}"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(self._path)
        self._greeting = self._log_in(info)
        self._turn = threading.Lock()
        self._sockets = [self._server]
        self._threads = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/.s.PGSQL.5432")
        self._listener.listen()
        self._start(self._accept)

    @property
    def url(self):
        return f"postgresql://postgres@/{self.database}?host={self.folder}"

    def _start(self, work, *arguments):
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _log_in(self, info):
        """Become a client of the server; what it tells of itself is told to all who come."""
        options = b"user\0postgres\0database\0" + info["dbname"].encode() + b"\0client_encoding\0utf8\0\0"
        self._server.sendall(struct.pack("!ii", len(options) + 8, 196608) + options)
        greeting = []
        while True:
            kind, message = received(self._server)
            if kind == b"K":
                message = kind + struct.pack("!iii", 12, 999_999, 1)
            greeting.append(message)
            if kind == READY:
                return b"".join(greeting)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client):
        with contextlib.suppress(OSError, EOFError), client:
            exact(client, struct.unpack("!i", exact(client, 4))[0] - 4)
            client.sendall(self._greeting)
            while True:
                kind, message = received(client)
                if kind == TERMINATE:
                    return
                if kind == FLUSH:
                    continue  # nothing is under way that could be held back
                with self._turn:
                    self._transaction(client, kind, message)

    def _transaction(self, client, kind, message):
        """Hand messages over until the server is at rest outside a transaction."""
        self._server.sendall(message)
        owed = int(kind in (SYNC, QUERY))
        while True:
            ready, _, _ = select.select([client, self._server], [], [])
            if self._server in ready:
                kind, message = received(self._server)
                client.sendall(message)
                owed -= kind == READY
                if kind == READY and not owed and message[5:6] == b"I":
                    return
            else:
                kind, message = received(client)
                self._server.sendall(message)
                owed += kind in (SYNC, QUERY)

    def close(self):
        for end in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)


def received(end):
    kind = exact(end, 1)
    length = exact(end, 4)
    return kind, kind + length + exact(end, struct.unpack("!i", length)[0] - 4)


def exact(end, size):
    data = b""
    while len(data) < size:
        part = end.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
