"""services — the directory that is served: scripts on free ports, changed and broken on the way."""
import os
import re
import shutil
import socket

SHIPPED = ("echo", "chat", "kv", "http", "proxy", "daytime", "dns")
OWN = ("lines", "waits", "timers", "stalls", "faults")
EXTRA = "extra"  # comes and goes

EXTRA_TEXT = """return {{
  listen = {port},
  on_data = function(conn, data) conn:send(data) end,
}}
"""


def _free_port(kind):
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Services:
    """Ports by name; the texts, so that a change is known to be one."""

    def __init__(self, root, directory):
        self.directory = directory
        self.ports = {}
        self._texts = {}
        self._changes = 0
        for name in SHIPPED + OWN:
            folder = os.path.join(root, "scripts" if name in SHIPPED else "tests/soak/services")
            self._add(name, folder)
        self.ports[EXTRA] = _free_port(socket.SOCK_STREAM)

    def _add(self, name, folder):
        if os.path.isdir(os.path.join(folder, name)):
            shutil.copytree(os.path.join(folder, name), os.path.join(self.directory, name))
        with open(os.path.join(folder, name + ".lua"), encoding="utf-8") as file:
            text = file.read()
        port = _free_port(socket.SOCK_DGRAM if name == "dns" else socket.SOCK_STREAM)
        text, count = re.subn(r"listen = (\"udp://:)?\d+",
                              lambda found: f"listen = {found[1] or ''}{port}", text)
        assert count == 1, f"{name}.lua listens where nobody expects it"
        self.ports[name] = port
        self._texts[name] = text
        self._write(name, text)

    def names(self):
        return list(self._texts)

    def _path(self, name):
        return os.path.join(self.directory, name + ".lua")

    def _write(self, name, text):
        """As editors save: whoever reads sees the old text or the new one."""
        beside = self._path(name) + ".new"
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(beside, self._path(name))

    def change(self, name):
        self._changes += 1
        self._write(name, f"{self._texts[name]}-- change {self._changes}\n")

    def break_(self, name, how):
        self._changes += 1
        text = {
            "syntax": self._texts[name] + "retrun\n",
            "half": self._texts[name][:len(self._texts[name]) // 2],
            "runtime": "error('provoked')\n" + self._texts[name],
            "field": "return { on_dta = print }\n",
        }[how]
        self._write(name, f"{text}-- change {self._changes}\n")

    def add_extra(self):
        self._write(EXTRA, EXTRA_TEXT.format(port=self.ports[EXTRA]))

    def remove_extra(self):
        os.unlink(self._path(EXTRA))
