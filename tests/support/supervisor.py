# supervisor.py — does for a program what systemd does for a unit: opens sockets and hands them down,
# and writes down what the program notifies — knows nothing of the program.
#
#   supervisor.py [--tcp HOST[/PORT] | --udp HOST | --unix PATH | --pipe | --connection | --netlink]...
#                 [--names NAME:...] [--notify SOCKET --told FILE [--watchdog USEC]] [--early FILE] [--pid N]
#                 -- PROGRAM ARG...
#
# Each socket gets a free port, and "{N}" in an argument becomes the port of socket N (from 0). The
# program takes this process's place, as sd_listen_fds(3) and sd_notify(3) expect. --early connects to
# socket 0 before that, sends "early", and writes the answer to FILE.
import argparse
import ctypes
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
FIRST_DESCRIPTOR = 3


class Handed(argparse.Action):
    """Keeps the sockets of all options in the order of the command line."""

    def __call__(self, parser, namespace, value, option):
        namespace.handed = (namespace.handed or []) + [(option[2:], value)]


def internet(host, kind):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    host, _, port = host.partition("/")
    made.bind((host, int(port or 0)))
    return made


def listening(made):
    made.listen(16)
    return made


def connection():
    listener = listening(internet("127.0.0.1", socket.SOCK_STREAM))
    return socket.create_connection(listener.getsockname())


def open_unix(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(path)
    return listening(made)


def open_handed(kind, value):
    """A socket, or a descriptor that is none."""
    if kind == "tcp":
        return listening(internet(value, socket.SOCK_STREAM))
    if kind == "udp":
        return internet(value, socket.SOCK_DGRAM)
    if kind == "unix":
        return open_unix(value)
    if kind == "connection":
        return connection()
    if kind == "netlink":
        return socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM)
    return os.fdopen(os.pipe()[0])


def port_of(made):
    name = made.getsockname() if isinstance(made, socket.socket) else ""
    return str(name[1]) if isinstance(name, tuple) else ""


def hand_down(made, pid):
    # First out of the way: a descriptor may be where another one belongs.
    copies = [os.dup2(one.fileno(), 100 + index) for index, one in enumerate(made)]
    for index, copy in enumerate(copies):
        os.dup2(copy, FIRST_DESCRIPTOR + index, inheritable=True)
        os.close(copy)
    os.environ["LISTEN_PID"] = str(pid)
    os.environ["LISTEN_FDS"] = str(len(copies))


def beside(action):
    """Runs `action` in a child of what becomes the program, and no longer than that."""
    if os.fork() != 0:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.closerange(0, 3)
    action()
    os._exit(0)


def notify(name, told):
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(name.replace("@", "\0", 1))
    os.environ["NOTIFY_SOCKET"] = name

    def write_down():
        with open(told, "w", encoding="utf-8") as out:
            while True:
                out.write(receiver.recv(4096).decode().replace("\n", " ") + "\n")
                out.flush()

    beside(write_down)
    receiver.close()


def connect_early(made, path):
    early = socket.create_connection(made.getsockname())
    early.sendall(b"early")

    def write_down():
        with open(path, "w", encoding="utf-8") as out:
            out.write(early.recv(100).decode())

    beside(write_down)
    early.close()


def main():
    parser = argparse.ArgumentParser(prog="supervisor.py")
    for option in ("--tcp", "--udp", "--unix"):
        parser.add_argument(option, action=Handed)
    for option in ("--pipe", "--connection", "--netlink"):
        parser.add_argument(option, action=Handed, nargs=0)
    parser.add_argument("--names")
    parser.add_argument("--notify")
    parser.add_argument("--told")
    parser.add_argument("--watchdog")
    parser.add_argument("--early")
    parser.add_argument("--pid", type=int, default=os.getpid())
    parser.add_argument("program", nargs="+")
    parser.set_defaults(handed=[])
    options = parser.parse_args()
    made = [open_handed(kind, value) for kind, value in options.handed]
    program = options.program
    for index, one in enumerate(made):
        program = [word.replace("{%d}" % index, port_of(one)) for word in program]
    if options.notify:
        notify(options.notify, options.told)
    if options.watchdog is not None:
        os.environ["WATCHDOG_USEC"] = options.watchdog
        os.environ["WATCHDOG_PID"] = str(options.pid)
    if options.early:
        connect_early(made[0], options.early)
    if made:
        hand_down(made, options.pid)
    if options.names is not None:
        os.environ["LISTEN_FDNAMES"] = options.names
    os.execvp(program[0], program)


sys.exit(main())
