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
  CERT = 1u << 16,
  META = 1u << 17,
  UPGRADE = 1u << 18,
  METRICS = 1u << 19,
  LESSON = 1u << 20,
  INSPECT = 1u << 21,
  SCRIPTS = SERVE | CHECK | DOCTOR | TRIAL, /* what loads scripts */
  LUA = SCRIPTS | RUN | REPLAY | INSPECT,   /* what runs Lua */
  /* What talks to a server. */
  CLIENTS =
      STATUS | CONNS | KICK | RELOAD | UPGRADE | SHUTDOWN | HEALTH | TRACE | CONSOLE | METRICS,
  EVERY = LUA | CLIENTS | HELP | COMPLETIONS | CERT | META | LESSON,
};

static const struct command commands[] = {
    {"serve", SERVE, "PATH...", WORDS_SCRIPTS, 1, SIZE_MAX,
     "serve scripts: files, or directories of *.lua", .run = serve_command},
    {"check", CHECK, "PATH...", WORDS_SCRIPTS, 1, SIZE_MAX,
     "load and validate scripts without listening", .run = check_command},
    {"run", RUN, "FILE [ARG...]", WORDS_PROGRAM, 0, SIZE_MAX,
     "run a plain Lua program with the moonport modules (- is standard input)", .run = run_command},
    {"status", STATUS, "", WORDS_OTHER, 0, 0, "show the scripts of a running server, and how it is",
     .run = in_lua_ask},
    {"conns", CONNS, "[FIELD=PATTERN...]", WORDS_OTHER, 0, SIZE_MAX,
     "list its connections; with peer=10.0.*, for example, only those", .run = in_lua_ask},
    {"metrics", METRICS, "", WORDS_OTHER, 0, 0,
     "show what it counts, in the text format of Prometheus", .run = in_lua_ask},
    {"trace", TRACE, "", WORDS_OTHER, 0, 0,
     "show what a running server's sockets and scripts do, while it happens", .run = in_lua_ask},
    {"kick", KICK, "ID", WORDS_OTHER, 1, 1, "close one of its connections", .run = in_lua_ask},
    {"reload", RELOAD, "", WORDS_OTHER, 0, 0, "reload its scripts, and report what became of each",
     .run = in_lua_ask},
    {"upgrade", UPGRADE, "", WORDS_OTHER, 0, 0,
     "replace it by what is in the program's file now, without losing a connection",
     .run = in_lua_ask},
    {"shutdown", SHUTDOWN, "", WORDS_OTHER, 0, 0, "drain and stop it, as SIGTERM does",
     .run = in_lua_ask},
    {"health", HEALTH, "", WORDS_OTHER, 0, 0,
     "exit with 0 if it answers; for HEALTHCHECK and probes", .run = health_command},
    {"console", CONSOLE, "", WORDS_OTHER, 0, 0,
     "watch its connections, pause and step them, run Lua in its scripts", .run = in_lua_ask},
    {"inspect", INSPECT, "[RECORDING]", WORDS_OTHER, 0, 1,
     "show a running server, or a recording, as a page for the browser", .run = inspect_command},
    {"doctor", DOCTOR, "[PATH...]", WORDS_SCRIPTS, 0, SIZE_MAX,
     "report what would keep scripts from being reached or served well here",
     .run = doctor_command},
    {"replay", REPLAY, "RECORDING SCRIPT", WORDS_OTHER, 2, 2,
     "play a recording against a script and compare what it answers", .run = in_lua_run},
    {"lesson", LESSON, "[LESSON]", WORDS_OTHER, 0, 1,
     "learn sockets: list the lessons, begin one, or have its script judged", .run = in_lua_run},
    {"cert", CERT, "NAME...", WORDS_OTHER, 1, SIZE_MAX,
     "make a certificate for hosts of these names, to try TLS with", .run = cert_command},
    {"meta", META, "", WORDS_OTHER, 0, 0,
     "print where the definitions of moonport's names are, for editors", .run = meta_command},
    {"help", HELP, "[COMMAND]", WORDS_COMMANDS, 0, 1, "show this help, or that of one command",
     .run = in_lua_run},
    {"completions", COMPLETIONS, "bash|zsh|fish", WORDS_OTHER, 1, 1,
     "print a script that makes a shell complete options and commands", .run = in_lua_run,
     .hidden = true},
    {"trial", TRIAL, "CPU_MS:BYTES:PATH...", WORDS_OTHER, 1, SIZE_MAX,
     "load scripts as a server does before it applies a change", .run = trial_command,
     .hidden = true},
};

/* In the order of enum log_level and enum log_format. */
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"auto", "text", "json", NULL};

#ifdef MOONPORT_DIRECT
static const char *const transports[] = {"direct", "uv", NULL};
#else
static const char *const transports[] = {"uv", NULL};
#endif

static const char *const languages[] = {"auto", "en", "ko", NULL};

/* As moonport.test.replay knows them. */
static const char *const replay_cuts[] = {"recorded", "every", "random", NULL};

static const struct option_row options[] = {
    {"listen", "ADDR", "MOONPORT_LISTEN",
     "listen here instead of where the script says; for a single script", SCRIPTS,
     .kind = OPTION_STRING},
    {"listen", "ADDR", NULL,
     "serve the page here: a port of 127.0.0.1, or HOST:PORT to let others on the network see it",
     INSPECT, .kind = OPTION_STRING, .fallback_note = "127.0.0.1, a free port"},
    {"host", "HOST", "MOONPORT_HOST", "the host for addresses that name none", SCRIPTS,
     .kind = OPTION_STRING, .fallback = "127.0.0.1"},
    {"tls-cert", "FILE", "MOONPORT_TLS_CERT",
     "show this certificate (PEM, with its chain) where scripts speak TLS, not theirs", SCRIPTS,
     .kind = OPTION_STRING},
    {"tls-key", "FILE", "MOONPORT_TLS_KEY", "its private key (PEM)", SCRIPTS, .kind = OPTION_STRING,
     .fallback_note = "in the same file"},
    {"drain", "SECONDS", "MOONPORT_DRAIN", "how long connections may go on after SIGTERM", SERVE,
     .kind = OPTION_SECONDS, .fallback = "10"},
    {"grace", "SECONDS", "MOONPORT_GRACE",
     "after SIGTERM, keep accepting for this long while health says not ready", SERVE,
     .kind = OPTION_SECONDS, .fallback = "0"},
    {"backlog", "N", "MOONPORT_BACKLOG", "connections that may wait to be accepted", SERVE | DOCTOR,
     .kind = OPTION_INT, .fallback = "511", .min = 1, .max = 65535},
    {"output-max", "BYTES", "MOONPORT_OUTPUT_MAX",
     "unsent bytes that all connections together may queue; 0: only limits.output", SERVE,
     .kind = OPTION_SIZE, .fallback = "0"},
    {"workers", "N", "MOONPORT_WORKERS",
     "serve in 1 to 64 processes, among which scripts are spread; auto: one for each processor",
     SERVE, .kind = OPTION_STRING, .fallback = "1"},
    {"stuck", "SECONDS", "MOONPORT_STUCK",
     "kill a worker whose loop has not turned for this long, and start it again; 0: never", SERVE,
     .kind = OPTION_SECONDS, .fallback = "30", .fallback_note = "30; 0 on a terminal"},
    {"bus", "URL", "MOONPORT_BUS",
     "the broker of moonport.bus: redis://HOST, rediss://HOST or nats://HOST", SERVE,
     .kind = OPTION_STRING, .fallback_note = "none: within this server"},
    {"keep-going", NULL, "MOONPORT_KEEP_GOING",
     "at the start, serve the scripts that work although others do not", SERVE,
     .kind = OPTION_FLAG},
    {"no-watch", NULL, "MOONPORT_NO_WATCH",
     "reload only when told to, by SIGHUP or moonport reload", SERVE, .kind = OPTION_FLAG},
    {"trial", "SECONDS", "MOONPORT_TRIAL",
     "how long loading a changed script may take, in a process of its own; 0: no trial", SERVE,
     .kind = OPTION_SECONDS, .fallback = "5"},
    {"welcome", "FILE", "MOONPORT_WELCOME", "serve this script while the directories contain none",
     SERVE, .kind = OPTION_STRING},
    {"control", "PATH", "MOONPORT_CONTROL",
     "where the server takes commands: a path, @NAME, or off (serve only)",
     SERVE | CLIENTS | INSPECT | DOCTOR, .kind = OPTION_STRING,
     .fallback_note = "$XDG_RUNTIME_DIR/moonport.sock or /tmp/moonport-UID.sock"},
    {"metrics", "ADDR", "MOONPORT_METRICS",
     "answer GET /metrics here, for Prometheus: 9090, HOST:PORT, unix:///PATH", SERVE,
     .kind = OPTION_STRING},
    {"timeout", "SECONDS", NULL, "how long to wait for the server's answer", CLIENTS,
     .kind = OPTION_SECONDS, .fallback = "10"},
    {"ready", NULL, NULL, "exit with 0 only if a script is served and new connections are accepted",
     HEALTH, .kind = OPTION_FLAG},
    {"json", NULL, NULL, "print the answer as it is, one JSON object per line", CLIENTS | LESSON,
     .kind = OPTION_FLAG},
    {"check", "FILE", NULL, "run this script, and judge whether it does what the lesson asks for",
     LESSON, .kind = OPTION_STRING},
    {"lang", "LANG", NULL, "the language: en, ko, or auto: as LANG, or the browser, says",
     LESSON | INSPECT, .kind = OPTION_CHOICE, .fallback = "auto", .choices = languages},
    {"conn", "ID", NULL, "show only this connection", TRACE, .kind = OPTION_STRING},
    {"event", "NAME,...", NULL, "show only these events, as named in docs/events.md", TRACE,
     .kind = OPTION_STRING},
    {"script", "PATTERN", NULL, "show only scripts whose file name matches", TRACE,
     .kind = OPTION_STRING},
    {"peer", "PATTERN", NULL, "show only connections whose peer matches, with or without its port",
     TRACE, .kind = OPTION_STRING},
    {"bytes", "N", NULL, "show up to N bytes of each event in hexadecimal, or all of them", TRACE,
     .kind = OPTION_STRING},
    {"diagram", NULL, NULL,
     "draw arrows between peer, kernel and script, of the next connection or of --conn; with "
     "--script, --count or --for of all",
     TRACE, .kind = OPTION_FLAG},
    {"record", "FILE", NULL, "also write the events, with all their bytes, to a file", TRACE,
     .kind = OPTION_STRING},
    {"count", "N", NULL, "end after N events", TRACE, .kind = OPTION_INT, .min = 1,
     .max = INT64_MAX},
    {"for", "SECONDS", NULL, "end after this time", TRACE, .kind = OPTION_SECONDS},
    {"editor", NULL, NULL, "also say where an editor would not know moonport's names", CHECK,
     .kind = OPTION_FLAG},
    {"log-level", "LEVEL", "MOONPORT_LOG_LEVEL", "log this level and everything more serious", LUA,
     .kind = OPTION_CHOICE, .fallback = "info", .choices = log_levels},
    {"log-format", "FORMAT", "MOONPORT_LOG_FORMAT",
     "auto: JSON lines of serve where no terminal is, text otherwise", LUA, .kind = OPTION_CHOICE,
     .fallback = "auto", .choices = log_formats},
    {"access-log", NULL, "MOONPORT_ACCESS_LOG",
     "log a line of each connection when it has ended: peer, reason, time, bytes", SERVE,
     .kind = OPTION_FLAG},
    {"unsafe", NULL, "MOONPORT_UNSAFE",
     "give scripts debug.sethook, binary chunks and package.loadlib", SCRIPTS, .kind = OPTION_FLAG},
    {"allow", "GRANT,...", "MOONPORT_ALLOW",
     "give scripts only this: os, run, cmodules, io=DIR, net=HOST:PORT, or none", SCRIPTS | RUN,
     .kind = OPTION_LIST},
    {"execute", "CODE", NULL, "run this instead of a file", RUN, .kind = OPTION_STRING,
     .letter = 'e'},
    {"cut", "HOW", NULL,
     "cut the recorded bytes differently, and name the handlers whose answers change", REPLAY,
     .kind = OPTION_CHOICE, .fallback = "recorded", .choices = replay_cuts},
    {"seed", "N", NULL, "with --cut random: try only this seed, not the first hundred", REPLAY,
     .kind = OPTION_INT, .min = 1, .max = INT32_MAX},
    {"ca", NULL, NULL,
     "sign it with a local authority: ca.pem and ca.key, made if they are missing", CERT,
     .kind = OPTION_FLAG},
    {"days", "N", NULL, "how long it is valid", CERT, .kind = OPTION_INT, .fallback = "365",
     .min = 1, .max = 3650},
    {NULL, "DIR", "MOONPORT_LUA_DIR",
     "read the Lua library from this directory, not from the program", LUA, .kind = OPTION_STRING},
    /* net_loop_new() reads it */
    {NULL, "HOW", "MOONPORT_TRANSPORT",
     "uv: connections wait in libuv, not in an epoll set of our own", LUA, .kind = OPTION_CHOICE,
     .fallback_note = "direct", .choices = transports},
    {"input-waits", NULL, NULL, "reading standard input waits forever", TRIAL, .kind = OPTION_FLAG,
     .hidden = true},
    {"texts", NULL, NULL, "texts that count in place of files are in descriptor 4", TRIAL,
     .kind = OPTION_FLAG, .hidden = true},
    {"man", NULL, NULL, "print the manual page, in roff", HELP, .kind = OPTION_FLAG,
     .hidden = true},
    {"help", NULL, NULL, "show help and end", EVERY, .kind = OPTION_FLAG, .letter = 'h'},
    {"version", NULL, NULL, "show the versions of moonport, Lua, libuv and OpenSSL, and end", EVERY,
     .kind = OPTION_FLAG, .letter = 'V'},
};

const struct command_table cli_table = {
    .commands = commands,
    .command_count = sizeof commands / sizeof commands[0],
    .options = options,
    .option_count = sizeof options / sizeof options[0],
};

const struct command *command_find(const char *name) {
  for (size_t i = 0; i < cli_table.command_count; i++) {
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  }
  return NULL;
}

const struct command *command_default(void) {
  return &commands[0];
}
