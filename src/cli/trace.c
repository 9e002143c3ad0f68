/* cli/trace.c — `moonport trace`: what a running server's sockets and scripts do, while it happens.
 *
 * A client of the control socket's command events. It ends with --count, --for, a signal, or, which
 * is an error, with the server. */
#include "base/text.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/table.h"
#include "cli/trace_view.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define FILTERS_MAX 5
#define WORD_SIZE_MAX 4096
#define RECORDING_FORMAT 1
#define PREVIEW_BYTES 64
/* After its close a connection has no more to tell than its last handler. */
#define AFTER_CLOSE_MS 300

struct trace {
  const struct command_call *call;
  struct client *client;
  FILE *recording; /* NULL: none */
  int signals;     /* a descriptor that can be read when the trace is to end */
  int64_t end_ms;  /* on the monotonic clock; 0: none */
  int64_t count;   /* events shown so far */
  struct trace_lines lines;
  struct trace_diagram diagram;
};

static int64_t now_ms(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- What is asked for ------------------------------------------------------------------------ */

/* The command and its filters, as words. */
struct request {
  const char *words[1 + FILTERS_MAX];
  char text[FILTERS_MAX][WORD_SIZE_MAX];
  size_t count;
};

static void request_add(struct request *request, const char *name, const char *value) {
  char *word = request->text[request->count - 1];
  (void)snprintf(word, WORD_SIZE_MAX, "%s=%s", name, value);
  request->words[request->count++] = word;
}

/* As asked for, but no less than what a line shows as text. */
static const char *shown_bytes(const char *bytes) {
  size_t size = 0;
  return text_parse_size(bytes, &size) == 0 && size < PREVIEW_BYTES ? "64" : bytes;
}

static void make_request(const struct command_call *call, struct request *request) {
  static const char *const names[] = {"conn", "event", "script", "peer"};
  request->words[0] = "events";
  request->count = 1;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = options_string(call->options, names[i]);
    if (value != NULL) {
      request_add(request, names[i], value);
    }
  }
  const char *bytes = options_string(call->options, "bytes");
  if (options_string(call->options, "record") != NULL) {
    request_add(request, "bytes", "all");
  } else if (bytes != NULL) {
    request_add(request, "bytes", shown_bytes(bytes));
  }
}

/* How many bytes are shown of each event. */
static int read_bytes(const struct command_call *call, size_t *out) {
  const char *text = options_string(call->options, "bytes");
  *out = 0;
  if (text == NULL || text_parse_size(text, out) == 0) {
    return EXIT_DONE;
  }
  if (strcmp(text, "all") != 0) {
    return command_refuse(call->command, "--bytes %s: write a number such as 64 or 4K, or all",
                          text);
  }
  *out = SIZE_MAX;
  return EXIT_DONE;
}

/* --- The recording ---------------------------------------------------------------------------- */

/* It holds whatever people sent, so it is for its owner only. */
static bool open_recording(struct trace *trace) {
  const char *path = options_string(trace->call->options, "record");
  if (path == NULL) {
    return true;
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  trace->recording = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (trace->recording == NULL) {
    client_complain("cannot write %s: %s", path, strerror(errno));
    return false;
  }
  return true;
}

/* The first line: what follows, and by which clock. */
static void begin_recording(struct trace *trace, const struct request *request, json_t *answer) {
  if (trace->recording == NULL) {
    return;
  }
  json_t *filters = json_array();
  for (size_t i = 1; i < request->count; i++) {
    (void)json_array_append_new(filters, json_string(request->words[i]));
  }
  json_t *head =
      json_pack("{s:i, s:O*, s:O*, s:O*, s:O*, s:o}", "moonport_recording", RECORDING_FORMAT,
                "version", json_object_get(answer, "version"), "pid",
                json_object_get(answer, "pid"), "time_ns", json_object_get(answer, "time_ns"),
                "unix_ns", json_object_get(answer, "unix_ns"), "filters", filters);
  (void)json_dumpf(head, trace->recording, JSON_COMPACT | JSON_ENSURE_ASCII);
  (void)fputc('\n', trace->recording);
  json_decref(head);
}

static int end_recording(struct trace *trace, int code) {
  if (trace->recording == NULL) {
    return code;
  }
  bool written = ferror(trace->recording) == 0;
  written = fclose(trace->recording) == 0 && written;
  if (!written) {
    client_complain("the recording is not complete: %s", strerror(errno));
    return EXIT_AT_FAULT;
  }
  return code;
}

/* --- The events ------------------------------------------------------------------------------- */

/* Whether it was shown. */
static bool show(struct trace *trace, const char *line, const json_t *event) {
  if (!answer_is_for_people(trace->call)) {
    (void)puts(line);
    return true;
  }
  if (!options_flag(trace->call->options, "diagram")) {
    trace_lines_show(&trace->lines, event);
    return true;
  }
  return trace_diagram_show(&trace->diagram, event);
}

static bool take_line(struct trace *trace, const char *line) {
  json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
  if (!json_is_object(event)) {
    client_complain("this is no event of a moonport server: %.200s", line);
    json_decref(event);
    return false;
  }
  if (trace->recording != NULL) {
    (void)fprintf(trace->recording, "%s\n", line);
  }
  trace->count += show(trace, line, event) ? 1 : 0;
  json_decref(event);
  return true;
}

/* What was shown is seen before the next wait, also through a pipe. */
static void flush(const struct trace *trace) {
  (void)fflush(stdout);
  if (trace->recording != NULL) {
    (void)fflush(trace->recording);
  }
}

static int64_t earlier(int64_t a, int64_t b) {
  if (a == 0 || b == 0) {
    return a + b;
  }
  return a < b ? a : b;
}

static int wait_ms(struct trace *trace) {
  if (trace->diagram.closed) {
    trace->end_ms = earlier(trace->end_ms, now_ms() + AFTER_CLOSE_MS);
    trace->diagram.closed = false;
  }
  if (trace->end_ms == 0) {
    return -1;
  }
  int64_t left_ms = trace->end_ms - now_ms();
  if (left_ms < 0) {
    return 0;
  }
  return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

static bool is_over(const struct trace *trace) {
  int64_t count_max = options_number(trace->call->options, "count");
  bool enough = count_max > 0 && trace->count >= count_max;
  bool late = trace->end_ms != 0 && now_ms() >= trace->end_ms;
  return enough || late || ferror(stdout) != 0;
}

static int follow(struct trace *trace) {
  while (!is_over(trace)) {
    const char *line = NULL;
    if (!client_has_line(trace->client)) {
      flush(trace);
    }
    switch (client_wait_line(trace->client, wait_ms(trace), trace->signals, &line)) {
      case CLIENT_LINE:
        if (!take_line(trace, line)) {
          return EXIT_AT_FAULT;
        }
        break;
      case CLIENT_QUIET:
      case CLIENT_WOKEN: return EXIT_DONE;
      case CLIENT_GONE:
        flush(trace);
        client_complain("the server (pid %ld) has ended, and the trace with it",
                        client_server_pid(trace->client));
        return EXIT_AT_FAULT;
    }
  }
  return EXIT_DONE;
}

/* --- Beginning and ending --------------------------------------------------------------------- */

/* The answer to the command, which comes before the events; NULL after saying what is wrong. */
static json_t *read_answer(struct client *client) {
  const char *line = client_read_line(client);
  if (line == NULL) {
    return NULL;
  }
  json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
  if (answer_flag(answer, "ok")) {
    return answer;
  }
  if (json_object_get(answer, "error") != NULL) {
    client_complain("%s", answer_text(answer, "error"));
  } else {
    client_complain("this is no answer of a moonport server: %.200s", line);
  }
  json_decref(answer);
  return NULL;
}

static bool begin(struct trace *trace) {
  struct request request;
  make_request(trace->call, &request);
  if (!client_send(trace->client, request.words, request.count)) {
    return false;
  }
  json_t *answer = read_answer(trace->client);
  if (answer == NULL || !open_recording(trace)) {
    json_decref(answer);
    return false;
  }
  begin_recording(trace, &request, answer);
  json_decref(answer);
  return true;
}

/* Signals come as bytes of a descriptor, so that none is missed between two waits. */
static int catch_signals(void) {
  sigset_t set;
  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGINT);
  (void)sigaddset(&set, SIGTERM);
  (void)sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

/* As https://no-color.org says. */
static bool wants_color(void) {
  const char *no_color = getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
}

static void init_views(struct trace *trace, size_t bytes_max) {
  const char *conn = options_string(trace->call->options, "conn");
  trace->lines = (struct trace_lines){.color = wants_color(), .hex_bytes_max = bytes_max};
  if (conn != NULL) {
    trace->diagram.conn = strtoll(conn + (*conn == '#' ? 1 : 0), NULL, 10);
  }
}

int trace_command(const struct command_call *call) {
  struct trace trace = {.call = call};
  size_t bytes_max = 0;
  int code = read_bytes(call, &bytes_max);
  if (code == EXIT_DONE) {
    code = client_open(call, &trace.client);
  }
  if (code != EXIT_DONE) {
    return code;
  }
  int64_t for_ms = options_number(call->options, "for");
  trace.end_ms = for_ms > 0 ? now_ms() + for_ms : 0;
  trace.signals = catch_signals();
  init_views(&trace, bytes_max);
  code = begin(&trace) ? follow(&trace) : EXIT_AT_FAULT;
  code = end_recording(&trace, code);
  (void)close(trace.signals);
  client_close(trace.client);
  return code;
}
