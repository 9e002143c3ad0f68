"""peers — the servers of others that moonport is measured beside, at their best. Knows no figures.

What is not installed is left out, and missing() says so. The habit of allocators to give memory
back to the kernel costs those dearly that allocate a buffer for each read, so it is turned off for
all.
"""
import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from .failure import BenchError, Skipped
from .servers import QuietSpec, Spec

CONNECTIONS_MAX = 8192  # both sides of a proxy's
FORWARD_BUFFER_BYTES = 64 * 1024  # for each proxy that lets one choose; moonport's own
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**25),
               "MIMALLOC_PURGE_DELAY": "-1"}  # the C library's, and Bun's
NGINX_MODULES = "/usr/lib/nginx/modules"
STREAMS = ("echo", "lines", "broadcast", "udp")
WEBSOCKETS = ("websocket", "websocket-broadcast")

_missing = {}  # what was looked for and not found, and why


def missing():
    return dict(_missing)


def _find(program, directory=""):
    paths = (directory, os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")
    path = shutil.which(program, path=":".join(paths))
    if path is None:
        raise Skipped(f"{program} is not installed")
    return path


def _unless_missing(name, make):
    """A list of one spec, or of none."""
    try:
        return [make()]
    except Skipped as reason:
        _missing[name] = str(reason)
        return []


# --- Small programs that say where they listen: bench/peers --------------------------------------

def _bun(programs):
    """npm's: npm install --prefix build/peers bun. --smol collects earlier, while what a read was
    put into is still in the caches: half the cost with 32 in flight, or with large messages."""
    return [_find("bun", os.path.join(programs.root, "build", "peers", "node_modules", ".bin")),
            "--smol", programs.peer("bun.js")]


def _luv(programs):
    argv = [_find("lua5.4"), programs.peer("echo.lua")]
    done = subprocess.run([argv[0], "-e", "require 'luv'"], capture_output=True, check=False)
    if done.returncode != 0:
        raise Skipped("lua5.4 has no luv")
    return argv


def _python(programs, loop):
    """Debian's, for which there is a package of uvloop; or the first one in PATH."""
    for program in ("/usr/bin/python3", shutil.which("python3")):
        if program and subprocess.run([program, "-c", f"import {loop}"], capture_output=True,
                                      check=False).returncode == 0:
            return [program, programs.peer("streams.py"), loop]
    raise Skipped(f"no python3 has {loop}")


def _ws(programs):
    """npm's: npm install --prefix build/peers ws."""
    path = os.path.join(programs.root, "build", "peers", "node_modules", "ws")
    if not os.path.exists(path):
        raise Skipped("npm's ws is not installed")
    return ["env", f"WS_MODULE={path}", _find("node"), programs.peer("node.js")]


def _websockets(programs):
    return [*_python(programs, "websockets")[:1], programs.peer("messages.py")]


def _go(programs):
    path = programs.tool("peer_go")
    built = subprocess.run([_find("go"), "build", "-o", path, programs.peer("peer.go")],
                           capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise Skipped(f"go build failed: {built.stderr.strip()[-300:]}")
    return [path]


# Their name, how to find them, and what they can do.
PROGRAMS = (
    ("raw epoll, C", lambda programs: [programs.tool("peer_epoll")], ("echo", "broadcast", "udp")),
    ("luv, Lua 5.4", _luv, STREAMS),
    ("Bun", _bun, (*STREAMS, "http", "json", *WEBSOCKETS)),
    ("npm ws", _ws, WEBSOCKETS),
    ("Python websockets", _websockets, WEBSOCKETS),
    ("Bun, static route", _bun, ("static",)),
    ("Node", lambda programs: [_find("node"), programs.peer("node.js")],
     (*STREAMS, "http", "json")),
    ("uvloop", lambda programs: _python(programs, "uvloop"), STREAMS),
    ("asyncio", lambda programs: _python(programs, "asyncio"), STREAMS),
    ("Go", _go, (*STREAMS, "http", "json")),
)


@functools.cache
def _installed(programs):
    """[(name, argv, modes)]"""
    return [found for name, find, modes in PROGRAMS
            for found in _unless_missing(name, lambda name=name, find=find, modes=modes:
                                         (name, tuple(find(programs)), modes))]


def of(programs, mode, *arguments):
    """A Spec for each that is installed and can do `mode`."""
    if not programs.peers:
        return []
    return [Spec(name, (*argv, mode, *arguments), KEEP_MEMORY)
            for name, argv, modes in _installed(programs) if mode in modes]


def versions(programs):
    """Of those that are installed, as a sentence: figures are those of a version."""
    commands = {"bun": lambda: [_bun(programs)[0], "--version"],
                "node": lambda: [_find("node"), "--version"],
                "python": lambda: [_python(programs, "asyncio")[0], "--version"],
                "uvloop": lambda: [_python(programs, "uvloop")[0], "-c",
                                   "import uvloop; print(uvloop.__version__)"],
                "go": lambda: [_find("go"), "version"],
                "nginx": lambda: [_find("nginx"), "-v"],
                "haproxy": lambda: [_find("haproxy"), "-v"],
                "redis-server": lambda: [_find("redis-server"), "--version"]}
    ours = subprocess.run([programs.binary, "--version"], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    theirs = [version for name, argv in commands.items() for version in _version(name, argv)]
    return ", ".join(ours + theirs) + "."


def _version(name, argv):
    with contextlib.suppress(Skipped):
        done = subprocess.run(argv(), capture_output=True, text=True, check=False)
        number = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
        return [f"{name} {number.group(0)}"] if number else []
    return []


# --- Servers with a configuration ----------------------------------------------------------------

def _write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


NGINX_CONF = """
daemon off;
worker_processes 1;
pid nginx.pid;
{modules}
events {{ worker_connections {connections}; }}
{servers}
"""

NGINX_HTTP = """
http {{
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  client_body_temp_path client; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    {tls}
    listen 127.0.0.1:{port} {kind} backlog=511;
    location / {{ {answer} }}
  }}
}}
"""

NGINX_STREAM = """
stream {{
  {tls}
  server {{
    listen 127.0.0.1:{port} {kind} backlog=511;
    proxy_buffer_size {buffer};
    proxy_pass {upstream};
  }}
}}
"""


# One session ticket, as the others give; OpenSSL's default is two.
NGINX_TLS = """ssl_certificate {tls.certificate};
  ssl_certificate_key {tls.key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_conf_command NumTickets 1;"""


def _nginx(name, servers, modules=(), tls=None, **values):
    program = _find("nginx")
    paths = [os.path.join(NGINX_MODULES, module) for module in modules]
    for path in paths:
        if not os.path.exists(path):
            raise Skipped(f"{os.path.basename(path)} is not installed")

    def make_argv(port, directory):
        text = NGINX_CONF.format(modules="".join(f"load_module {path};\n" for path in paths),
                                 connections=CONNECTIONS_MAX,
                                 servers=servers.format(
                                     port=port, kind="ssl" if tls else "",
                                     tls=NGINX_TLS.format(tls=tls) if tls else "", **values))
        return [program, "-e", "stderr", "-p", directory, "-c", _write(directory, "conf", text)]

    return QuietSpec(name, make_argv)


def nginx(body_size, tls=None):
    """One worker that answers every request with so many bytes, from memory."""
    return _nginx("nginx", NGINX_HTTP, answer=f'return 200 "{"x" * body_size}";', tls=tls)


def http(programs, body_size):
    if not programs.peers:
        return []
    body = "x" * body_size
    lua = (f'content_by_lua_block {{ ngx.header["Content-Length"] = {body_size} '
           f'ngx.print("{body}") }}')
    return [*_unless_missing("nginx, content_by_lua", lambda: _nginx(
                "nginx, content_by_lua", NGINX_HTTP,
                ("ndk_http_module.so", "ngx_http_lua_module.so"), answer=lua)),
            *of(programs, "http", str(body_size)), *of(programs, "static", str(body_size))]


def redis_server():
    """One thread, nothing written to disk."""
    program = _find("redis-server")

    def make_argv(port, directory):
        return [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--io-threads", "1", "--dir", directory]

    return QuietSpec("redis-server", make_argv)


HAPROXY_CONF = """
global
  nbthread 1
  maxconn {connections}
  tune.bufsize {buffer}
defaults
  mode tcp
  timeout connect 10s
  timeout client 5m
  timeout server 5m
listen proxy
  bind 127.0.0.1:{port} backlog 511 {tls}
  {options}
  server upstream {upstream}
"""

# Both ways and always: splice-auto finds that these pieces are not worth it.
SPLICE = "option splice-request\n  option splice-response"


def _haproxy(upstream, splice=False, tls=None):
    """TCP mode, one thread; with `splice` the bytes need not enter the process."""
    program = _find("haproxy")

    def make_argv(port, directory):
        text = HAPROXY_CONF.format(port=port, upstream=upstream, buffer=FORWARD_BUFFER_BYTES,
                                   options=SPLICE if splice else "", connections=CONNECTIONS_MAX,
                                   tls=f"ssl crt {tls.both}" if tls else "")
        return [program, "-db", "-q", "-f", _write(directory, "haproxy.cfg", text)]

    return QuietSpec("HAProxy, splice" if splice else "HAProxy", make_argv)


def proxies(programs, upstream):
    if not programs.peers:
        return []
    return [*_unless_missing("HAProxy", lambda: _haproxy(upstream)),
            *_unless_missing("HAProxy, splice", lambda: _haproxy(upstream, splice=True)),
            *_unless_missing("nginx stream", lambda: _nginx(
                "nginx stream", NGINX_STREAM, ("ngx_stream_module.so",),
                buffer=FORWARD_BUFFER_BYTES, upstream=upstream))]


# --- TLS ------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Certificate:
    """Files in PEM, and one that has both."""
    certificate: str
    key: str
    both: str


@contextlib.contextmanager
def certificate():
    """One that signed itself, on P-256, which is what authorities give by default today."""
    with tempfile.TemporaryDirectory(prefix="moonport-bench-") as directory:
        paths = [os.path.join(directory, name) for name in ("cert.pem", "key.pem", "both.pem")]
        done = subprocess.run(
            [_find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-out", paths[0], "-keyout", paths[1]], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"openssl made no certificate: {done.stderr.strip()[-300:]}")
        with open(paths[2], "wb") as both:
            for path in paths[:2]:
                with open(path, "rb") as file:
                    both.write(file.read())
        os.chmod(directory, 0o755)  # nginx's worker may be another user
        yield Certificate(*paths)


def tls_proxies(programs, upstream, tls, nginx_buffer=FORWARD_BUFFER_BYTES):
    """They have no echo of their own: what they cost is TLS and a connection to one. nginx keeps
    its buffer for as long as the connection is open."""
    if not programs.peers:
        return []
    return [*_unless_missing("HAProxy", lambda: _haproxy(upstream, tls=tls)),
            *_unless_missing("nginx stream", lambda: _nginx(
                "nginx stream", NGINX_STREAM, ("ngx_stream_module.so",), tls,
                buffer=nginx_buffer, upstream=upstream))]
