"""The network between the proxy and new, which a test cuts, freezes and slows down: only for sessions that carry reads.

    with Link(pair.new.port) as link:      # link.port leads there
        link.kill(); link.restart()        # resets what is open, and refuses what comes; and takes it again
        link.freeze(); link.thaw()         # takes what comes, and passes nothing on
        link.slow(0.3); link.slow(0)       # passes each packet on so many seconds late
"""

import contextlib
import socket
import struct
import threading
import time


class Link:
    def __init__(self, port, slows_looks=False):
        self.upstream, self.delay, self.is_away, self.slows_looks = port, 0, False, slows_looks
        self.is_open, self.lock, self.sockets = threading.Event(), threading.Lock(), set()
        self.is_open.set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, near):
        """The startup packet tells the sessions for reads from the proxy's look at catalogs and lag."""
        with near, contextlib.suppress(OSError):
            first = near.recv(65536)
            carries_reads = b"statement_timeout" in first
            if carries_reads and self.is_away:
                reset(near)
                return
            with socket.create_connection(("127.0.0.1", self.upstream)) as far:
                for one in near, far:
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self.lock:
                    self.sockets |= {near, far} if carries_reads else set()
                far.sendall(first)
                back = threading.Thread(target=self.pump, args=(far, near, carries_reads), daemon=True)
                back.start()
                self.pump(near, far, carries_reads)
                back.join()
                with self.lock:
                    self.sockets -= {near, far}

    def pump(self, source, sink, carries_reads):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if carries_reads or self.slows_looks:
                    time.sleep(self.delay)
                if carries_reads:
                    self.is_open.wait()
                sink.sendall(data)
        for one in source, sink:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def kill(self):
        self.is_away = True
        with self.lock:
            for one in self.sockets:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.shutdown(socket.SHUT_RDWR)

    def restart(self):
        self.is_away = False

    def freeze(self):
        self.is_open.clear()

    def thaw(self):
        self.is_open.set()

    def slow(self, delay):
        self.delay = delay

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.listener.close()
        self.kill()
        self.thaw()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
