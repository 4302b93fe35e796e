"""Reads what an upstream has received with h11: the bytes of one connection after the other, each behind its length.

Says how many whole requests there were. Fails on what is no request; a connection may end within one.
"""

import struct
import sys

import h11


def whole_requests(wire: bytes) -> int:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(wire)
    count = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            return count
        if isinstance(event, h11.EndOfMessage):
            count += 1
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()


def main() -> None:
    with open(sys.argv[1], "rb") as file:
        rest = file.read()
    count = 0
    while rest:
        (length,) = struct.unpack(">Q", rest[:8])
        wire, rest = rest[8 : 8 + length], rest[8 + length :]
        try:
            count += whole_requests(wire)
        except h11.RemoteProtocolError as error:
            sys.exit(f"{error}: {wire[:1000]!r}")
    print(count, "whole requests")


main()
