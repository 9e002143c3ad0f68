/* cli/table.c — all commands and all options. Knows what they are called, not what they do. */
#include "cli/table.h"

#include "cli/in_lua.h"

#include <stdint.h>
#include <string.h>

enum {
  SERVE = 1u << 0,
  CHECK = 1u << 1,
  HELP = 1u << 2,
  COMPLETIONS = 1u << 3,
  RUN = 1u << 4,
  STATUS = 1u << 5,
  CONNS = 1u << 6,
  KICK = 1u << 7,
  RELOAD = 1u << 8,
  SHUTDOWN = 1u << 9,
  HEALTH = 1u << 10,
  DOCTOR = 1u << 11,
  TRACE = 1u << 12,
  REPLAY = 1u << 13,
  CONSOLE = 1u << 14,
  TRIAL = 1u << 15,
  SCRIPTS = SERVE | CHECK | DOCTOR | TRIAL, /* what loads scripts */
  LUA = SCRIPTS | RUN | REPLAY,             /* what runs Lua */
  /* What talks to a server. */
  CLIENTS = STATUS | CONNS | KICK | RELOAD | SHUTDOWN | HEALTH | TRACE | CONSOLE,
  EVERY = LUA | CLIENTS | HELP | COMPLETIONS,
};

const struct command command_rows[] = {
    {
        .name = "serve",
        .bit = SERVE,
        .words = "PATH...",
        .words_kind = WORDS_SCRIPTS,
        .words_min = 1,
        .words_max = SIZE_MAX,
        .summary = "serve scripts: files, or directories of *.lua",
        .run = serve_command,
    },
    {
        .name = "check",
        .bit = CHECK,
        .words = "PATH...",
        .words_kind = WORDS_SCRIPTS,
        .words_min = 1,
        .words_max = SIZE_MAX,
        .summary = "load and validate scripts without listening",
        .run = check_command,
    },
    {
        .name = "run",
        .bit = RUN,
        .words = "FILE [ARG...]",
        .words_kind = WORDS_PROGRAM,
        .words_max = SIZE_MAX,
        .summary = "run a plain Lua program with the moonport modules (- is standard input)",
        .run = run_command,
    },
    {
        .name = "status",
        .bit = STATUS,
        .words = "",
        .summary = "show the scripts of a running server, and how it is",
        .run = in_lua_ask,
    },
    {
        .name = "conns",
        .bit = CONNS,
        .words = "[FIELD=PATTERN...]",
        .words_max = SIZE_MAX,
        .summary = "list its connections; with peer=10.0.*, for example, only those",
        .run = in_lua_ask,
    },
    {
        .name = "trace",
        .bit = TRACE,
        .words = "",
        .summary = "show what a running server's sockets and scripts do, while it happens",
        .run = in_lua_ask,
    },
    {
        .name = "kick",
        .bit = KICK,
        .words = "ID",
        .words_min = 1,
        .words_max = 1,
        .summary = "close one of its connections",
        .run = in_lua_ask,
    },
    {
        .name = "reload",
        .bit = RELOAD,
        .words = "",
        .summary = "reload its scripts, and report what became of each",
        .run = in_lua_ask,
    },
    {
        .name = "shutdown",
        .bit = SHUTDOWN,
        .words = "",
        .summary = "drain and stop it, as SIGTERM does",
        .run = in_lua_ask,
    },
    {
        .name = "health",
        .bit = HEALTH,
        .words = "",
        .summary = "exit with 0 if it answers; for HEALTHCHECK and probes",
        .run = health_command,
    },
    {
        .name = "console",
        .bit = CONSOLE,
        .words = "",
        .summary = "watch its connections, pause and step them, run Lua in its scripts",
        .run = in_lua_ask,
    },
    {
        .name = "doctor",
        .bit = DOCTOR,
        .words = "[PATH...]",
        .words_kind = WORDS_SCRIPTS,
        .words_max = SIZE_MAX,
        .summary = "report what would keep scripts from being reached or served well here",
        .run = doctor_command,
    },
    {
        .name = "replay",
        .bit = REPLAY,
        .words = "RECORDING SCRIPT",
        .words_min = 2,
        .words_max = 2,
        .summary = "play a recording against a script and compare what it answers",
        .run = replay_command,
    },
    {
        .name = "help",
        .bit = HELP,
        .words = "[COMMAND]",
        .words_kind = WORDS_COMMANDS,
        .words_max = 1,
        .summary = "show this help, or that of one command",
        .run = in_lua_run,
    },
    {
        .name = "completions",
        .bit = COMPLETIONS,
        .words = "bash|zsh|fish",
        .words_min = 1,
        .words_max = 1,
        .summary = "print a script that makes a shell complete options and commands",
        .hidden = true,
        .run = in_lua_run,
    },
    {
        .name = "trial",
        .bit = TRIAL,
        .words = "CPU_MS:BYTES:PATH...",
        .words_min = 1,
        .words_max = SIZE_MAX,
        .summary = "load scripts as a server does before it applies a change",
        .hidden = true,
        .run = trial_command,
    },
};
const size_t command_count = sizeof command_rows / sizeof command_rows[0];

/* In the order of enum log_level and enum log_format. */
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"auto", "text", "json", NULL};

#ifdef MOONPORT_DIRECT
static const char *const transports[] = {"direct", "uv", NULL};
#else
static const char *const transports[] = {"uv", NULL};
#endif

const char *const replay_cuts[] = {"recorded", "every", "random", NULL};

const struct option_row option_rows[] = {
    {
        .name = "listen",
        .argument = "ADDR",
        .env = "MOONPORT_LISTEN",
        .help = "listen here instead of where the script says; for a single script",
        .commands = SERVE | DOCTOR,
        .kind = OPTION_STRING,
    },
    {
        .name = "host",
        .argument = "HOST",
        .env = "MOONPORT_HOST",
        .help = "the host for addresses that name none",
        .fallback = "127.0.0.1",
        .commands = SCRIPTS,
        .kind = OPTION_STRING,
    },
    {
        .name = "drain",
        .argument = "SECONDS",
        .env = "MOONPORT_DRAIN",
        .help = "how long connections may go on after SIGTERM",
        .fallback = "10",
        .commands = SERVE,
        .kind = OPTION_SECONDS,
    },
    {
        .name = "grace",
        .argument = "SECONDS",
        .env = "MOONPORT_GRACE",
        .help = "after SIGTERM, keep accepting for this long while health says not ready",
        .fallback = "0",
        .commands = SERVE,
        .kind = OPTION_SECONDS,
    },
    {
        .name = "backlog",
        .argument = "N",
        .env = "MOONPORT_BACKLOG",
        .help = "connections that may wait to be accepted",
        .fallback = "511",
        .commands = SERVE | DOCTOR,
        .kind = OPTION_INT,
        .min = 1,
        .max = 65535,
    },
    {
        .name = "output-max",
        .argument = "BYTES",
        .env = "MOONPORT_OUTPUT_MAX",
        .help = "unsent bytes that all connections together may queue; 0: only limits.output",
        .fallback = "0",
        .commands = SERVE,
        .kind = OPTION_SIZE,
    },
    {
        .name = "no-watch",
        .env = "MOONPORT_NO_WATCH",
        .help = "reload only when told to, by SIGHUP or moonport reload",
        .commands = SERVE,
        .kind = OPTION_FLAG,
    },
    {
        .name = "trial",
        .argument = "SECONDS",
        .env = "MOONPORT_TRIAL",
        .help = "how long loading a changed script may take, in a process of its own; 0: no trial",
        .fallback = "5",
        .commands = SERVE,
        .kind = OPTION_SECONDS,
    },
    {
        .name = "welcome",
        .argument = "FILE",
        .env = "MOONPORT_WELCOME",
        .help = "serve this script while the directories contain none",
        .commands = SERVE,
        .kind = OPTION_STRING,
    },
    {
        .name = "control",
        .argument = "PATH",
        .env = "MOONPORT_CONTROL",
        .help = "where the server takes commands: a path, @NAME, or off (serve only)",
        .fallback_note = "$XDG_RUNTIME_DIR/moonport.sock or /tmp/moonport-UID.sock",
        .commands = SERVE | CLIENTS | DOCTOR,
        .kind = OPTION_STRING,
    },
    {
        .name = "timeout",
        .argument = "SECONDS",
        .help = "how long to wait for the server's answer",
        .fallback = "10",
        .commands = CLIENTS,
        .kind = OPTION_SECONDS,
    },
    {
        .name = "ready",
        .help = "exit with 0 only if every script is in force and new connections are accepted",
        .commands = HEALTH,
        .kind = OPTION_FLAG,
    },
    {
        .name = "json",
        .help = "print the server's answer as it is, one JSON object per line",
        .commands = CLIENTS,
        .kind = OPTION_FLAG,
    },
    {
        .name = "conn",
        .argument = "ID",
        .help = "show only this connection",
        .commands = TRACE,
        .kind = OPTION_STRING,
    },
    {
        .name = "event",
        .argument = "NAME,...",
        .help = "show only these events, as named in docs/events.md",
        .commands = TRACE,
        .kind = OPTION_STRING,
    },
    {
        .name = "script",
        .argument = "PATTERN",
        .help = "show only scripts whose file name matches",
        .commands = TRACE,
        .kind = OPTION_STRING,
    },
    {
        .name = "peer",
        .argument = "PATTERN",
        .help = "show only connections whose peer matches, with or without its port",
        .commands = TRACE,
        .kind = OPTION_STRING,
    },
    {
        .name = "bytes",
        .argument = "N",
        .help = "show up to N bytes of each event in hexadecimal, or all of them",
        .commands = TRACE,
        .kind = OPTION_STRING,
    },
    {
        .name = "diagram",
        .help =
            "draw one connection, the next one or --conn, as arrows between peer, kernel, script",
        .commands = TRACE,
        .kind = OPTION_FLAG,
    },
    {
        .name = "record",
        .argument = "FILE",
        .help = "also write the events, with all their bytes, to a file",
        .commands = TRACE,
        .kind = OPTION_STRING,
    },
    {
        .name = "count",
        .argument = "N",
        .help = "end after N events",
        .commands = TRACE,
        .kind = OPTION_INT,
        .min = 1,
        .max = INT64_MAX,
    },
    {
        .name = "for",
        .argument = "SECONDS",
        .help = "end after this time",
        .commands = TRACE,
        .kind = OPTION_SECONDS,
    },
    {
        .name = "log-level",
        .argument = "LEVEL",
        .env = "MOONPORT_LOG_LEVEL",
        .help = "log this level and everything more serious",
        .fallback = "info",
        .commands = LUA,
        .kind = OPTION_CHOICE,
        .choices = log_levels,
    },
    {
        .name = "log-format",
        .argument = "FORMAT",
        .env = "MOONPORT_LOG_FORMAT",
        .help = "auto: text on a terminal, JSON lines otherwise",
        .fallback = "auto",
        .commands = LUA,
        .kind = OPTION_CHOICE,
        .choices = log_formats,
    },
    {
        .name = "unsafe",
        .env = "MOONPORT_UNSAFE",
        .help = "give scripts debug.sethook, binary chunks and package.loadlib",
        .commands = SCRIPTS,
        .kind = OPTION_FLAG,
    },
    {
        .name = "allow",
        .argument = "GRANT,...",
        .env = "MOONPORT_ALLOW",
        .help = "give scripts only this: os, run, cmodules, io=DIR, net=HOST:PORT, or none",
        .commands = SCRIPTS | RUN,
        .kind = OPTION_LIST,
    },
    {
        .name = "execute",
        .letter = 'e',
        .argument = "CODE",
        .help = "run this instead of a file",
        .commands = RUN,
        .kind = OPTION_STRING,
    },
    {
        .name = "cut",
        .argument = "HOW",
        .help = "cut the recorded bytes differently, and name the handlers whose answers change",
        .fallback = "recorded",
        .commands = REPLAY,
        .kind = OPTION_CHOICE,
        .choices = replay_cuts,
    },
    {
        .name = "seed",
        .argument = "N",
        .help = "with --cut random: try only this seed, not the first hundred",
        .commands = REPLAY,
        .kind = OPTION_INT,
        .min = 1,
        .max = INT32_MAX,
    },
    {
        .argument = "DIR",
        .env = "MOONPORT_LUA_DIR",
        .help = "read the Lua library from this directory, not from the program",
        .commands = LUA,
        .kind = OPTION_STRING,
    },
    {
        .argument = "HOW",
        .env = "MOONPORT_TRANSPORT", /* net_loop_new() reads it */
        .help = "uv: connections wait in libuv, not in an epoll set of our own",
        .fallback_note = "direct",
        .commands = LUA,
        .kind = OPTION_CHOICE,
        .choices = transports,
    },
    {
        .name = "input-waits",
        .help = "reading standard input waits forever",
        .commands = TRIAL,
        .kind = OPTION_FLAG,
        .hidden = true,
    },
    {
        .name = "man",
        .help = "print the manual page, in roff",
        .commands = HELP,
        .kind = OPTION_FLAG,
        .hidden = true,
    },
    {
        .name = "help",
        .letter = 'h',
        .help = "show help and end",
        .commands = EVERY,
        .kind = OPTION_FLAG,
    },
    {
        .name = "version",
        .letter = 'V',
        .help = "show the versions of moonport, Lua and libuv, and end",
        .commands = EVERY,
        .kind = OPTION_FLAG,
    },
};
const size_t option_count = sizeof option_rows / sizeof option_rows[0];

const struct command *command_find(const char *name) {
  for (size_t i = 0; i < command_count; i++) {
    if (strcmp(command_rows[i].name, name) == 0) return &command_rows[i];
  }
  return NULL;
}

const struct command *command_default(void) {
  return &command_rows[0];
}
