"""server — the moonport under test: its start, its figures, its log, its end. Knows no load."""
import asyncio
import json
import os
import re
import signal
import subprocess
from collections import Counter

START_MAX_S = 30
END_MAX_S = 40
CONTROL_MAX_S = 15

# What the load and the broken scripts provoke; any other warning or error counts as a fault.
EXPECTED = re.compile(
    r"provoked|not reloaded: version \d+ stays in force|no longer served"
    r"|used more than limits\.cpu_ms|not enough memory|stack overflow"
    r"|[\w-]+\.lua:\d+: (.* near |'.*' expected|unfinished |unknown field 'on_dta')"
    r"|returned? (nothing|nil)|must return|upstream|^E[A-Z]+: "
    r"|lets a script end this process|ends with a carriage return|longer than a message may be"
    r"|a request is refused with [45]\d\d"
    r"|the loop (is|was) held up for .*(faults\.lua:|in a finalizer|of task|of on_)"
    r"|\d+ (log )?lines? (were|was)? ?dropped")


class Server:
    def __init__(self, program, directory, control, log_path):
        self.control = control
        self.log_kinds = Counter()
        self.unexpected = []
        self._log = open(log_path, "w+b")
        self._read_to = 0
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("MOONPORT")}
        environment["container"] = ""
        self._environment = environment
        # It must not outlive us, even when we are killed.
        self._command = ["setpriv", "--pdeathsig", "KILL", "--", program, "serve", "--log-format",
                         "json", "--control", control, "--drain", "5", directory]
        self._process = None

    async def start(self, upstream):
        self._environment["UPSTREAM"] = upstream
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=self._log,
                                         env=self._environment)
        for _ in range(START_MAX_S * 20):
            await asyncio.sleep(0.05)
            try:
                if (await self.ask("health"))[-1].get("ready"):
                    return
            except OSError:
                if self._process.poll() is not None:
                    break
        raise RuntimeError("moonport did not start:\n" + self._log_tail())

    def _log_tail(self):
        self._log.seek(0)
        return self._log.read()[-2000:].decode("utf-8", "replace")

    @property
    def pid(self):
        return self._process.pid

    def has_ended(self):
        return self._process.poll() is not None

    async def ask(self, command):
        """One command to the control socket; the list of what it answers, the last has `ok`."""
        async def talk():
            reader, writer = await asyncio.open_unix_connection(self.control, limit=1 << 22)
            try:
                writer.write(command.encode() + b"\n")
                answers = []
                while True:
                    line = await reader.readline()
                    if not line:
                        raise OSError(f"the control socket hung up on '{command}'")
                    answers.append(json.loads(line))
                    if "ok" in answers[-1]:
                        return answers
            finally:
                writer.close()
        try:
            return await asyncio.wait_for(talk(), CONTROL_MAX_S)
        except asyncio.TimeoutError:
            raise OSError(f"no answer to '{command}' within {CONTROL_MAX_S} s") from None

    def hang_up(self):
        self._process.send_signal(signal.SIGHUP)

    def _proc(self, name):
        with open(f"/proc/{self.pid}/{name}", encoding="utf-8") as file:
            return file.read()

    def figures(self):
        """What the kernel knows of it."""
        status, rollup = self._proc("status"), self._proc("smaps_rollup")
        user, system = self._proc("stat").rsplit(") ", 1)[1].split()[11:13]
        return {
            "rss_kib": int(re.search(r"VmRSS:\s+(\d+)", status)[1]),
            "pss_kib": int(re.search(r"(?m)^Pss:\s+(\d+)", rollup)[1]),
            "threads": int(re.search(r"Threads:\s+(\d+)", status)[1]),
            "descriptors": len(os.listdir(f"/proc/{self.pid}/fd")),
            "cpu_s": (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"),
        }

    async def scripts(self):
        """What `status` says of each script, by the name of its file."""
        answers = await self.ask("status")
        return {os.path.basename(answer["script"])[:-4]: answer for answer in answers[:-1]}

    def read_log(self):
        """Counts what was logged since; keeps what nobody provoked."""
        self._log.seek(self._read_to)
        text = self._log.read()
        whole = text[:text.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for line in whole.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = {"level": "error", "message": "no JSON: " + repr(line[:200])}
            self.log_kinds[record["level"]] += 1
            if record["level"] in ("warn", "error") and not EXPECTED.search(record["message"]):
                self.unexpected.append(record["message"][:300])
        if self._read_to > 64 << 20:  # a log of days must not fill the disk
            os.ftruncate(self._log.fileno(), 0)
            self._read_to = 0

    async def end(self):
        """SIGTERM; its exit code, or None when it had to be killed."""
        self._process.send_signal(signal.SIGTERM)
        for _ in range(END_MAX_S * 10):
            if self.has_ended():
                self.read_log()
                return self._process.returncode
            await asyncio.sleep(0.1)
        self.kill()
        return None

    def kill(self):
        if self._process and not self.has_ended():
            self._process.kill()
            self._process.wait()
