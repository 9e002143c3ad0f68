"""Reads rows from the file whose path is given, and writes what h11 makes of each: a word, its name.

With a second argument, "responses", they are answers.

reads      the message, and behind it begins the next one
elsewhere  the message, and finds its end elsewhere
waits      for more
refuses    it
"""
import sys

import h11

RESPONSES = sys.argv[2:] == ["responses"]
NEXT = b"HTTP/1.1 200 Next\r\n\r\n" if RESPONSES else b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
ESCAPES = {"r": 13, "n": 10, "t": 9, "\\": 92}


def unescape(text):
    out = bytearray()
    i = 0
    while i < len(text):
        if text[i] != "\\":
            out.append(ord(text[i]))
            i += 1
        elif text[i + 1] == "x":
            out.append(int(text[i + 2 : i + 4], 16))
            i += 4
        else:
            out.append(ESCAPES[text[i + 1]])
            i += 2
    return bytes(out)


def asker(method):
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return connection


def judge(status, message):
    connection = h11.Connection(h11.SERVER)
    if RESPONSES:
        connection = asker("HEAD" if status == "head" else "GET")
    connection.receive_data(message + NEXT)
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "waits"
            if isinstance(event, h11.EndOfMessage):
                return "reads" if connection.trailing_data[0] == NEXT else "elsewhere"
    except h11.RemoteProtocolError:
        return "refuses"


for line in open(sys.argv[1], encoding="utf-8"):
    line = line.rstrip("\n")
    if line and not line.startswith("#"):
        status, name, _, message = line.split(" | ", 3)
        print(judge(status, unescape(message)), name)
