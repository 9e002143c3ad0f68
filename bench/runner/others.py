"""others — the servers of others that moonport is measured beside. Knows no client, no figures."""
import os
import shutil

from .failure import Skipped
from .servers import QuietSpec

FORWARD_BUFFER_BYTES = 64 * 1024  # for each proxy that lets one choose; moonport's own


def _find(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Skipped(f"{program} is not installed")
    return path


def _write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


NGINX_CONF = """
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  client_body_temp_path client; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} backlog=511;
    location / {{ return 200 "{body}"; }}
  }}
}}
"""


def nginx(body_size):
    """One worker that answers every request with so many bytes, from memory."""
    program = _find("nginx")

    def make_argv(port, directory):
        conf = _write(directory, "nginx.conf", NGINX_CONF.format(port=port, body="x" * body_size))
        return [program, "-e", "stderr", "-p", directory, "-c", conf]

    return QuietSpec("nginx", make_argv)


def redis_server():
    """One thread, nothing written to disk."""
    program = _find("redis-server")

    def make_argv(port, directory):
        return [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--io-threads", "1", "--dir", directory]

    return QuietSpec("redis-server", make_argv)


def socat(upstream):
    """One process for each connection."""
    program = _find("socat")

    def make_argv(port, _directory):
        return [program, "-b", str(FORWARD_BUFFER_BYTES),
                f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,backlog=511,fork,nodelay",
                f"TCP:{upstream},nodelay"]

    return QuietSpec("socat", make_argv)


HAPROXY_CONF = """
global
  nbthread 1
  maxconn 1000
  tune.bufsize {buffer}
defaults
  mode tcp
  timeout connect 10s
  timeout client 5m
  timeout server 5m
listen proxy
  bind 127.0.0.1:{port} backlog 511
  {options}
  server upstream {upstream}
"""

# Both ways and always: splice-auto finds that these pieces are not worth it.
SPLICE = "option splice-request\n  option splice-response"


def haproxy(upstream, splice):
    """TCP mode, one thread; with `splice` the bytes need not enter the process."""
    program = _find("haproxy")

    def make_argv(port, directory):
        text = HAPROXY_CONF.format(port=port, upstream=upstream, buffer=FORWARD_BUFFER_BYTES,
                                   options=SPLICE if splice else "")
        return [program, "-db", "-q", "-f", _write(directory, "haproxy.cfg", text)]

    return QuietSpec("HAProxy, splice" if splice else "HAProxy", make_argv)
