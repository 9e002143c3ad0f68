/* server/control/client.c — one client: from its bytes to commands, in order, and the answers back.
 *
 * Bytes gather until they hold a line. A client does one thing in a turn of the loop: a command, or
 * a step of the job that a command left. While there is more to do it is not read, and while it
 * does not read its answers, nothing more is done for it. */
#include "base/grow.h"
#include "base/utf8.h"
#include "base/words.h"
#include "net/defer.h"
#include "net/loop.h"
#include "server/control/state.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void client_settle(struct control_client *client);

enum {
  LINE_BYTES_MAX = 256 * 1024,
  /* What another worker has read, and quoted anew. */
  RELAYED_BYTES_MAX = WORDS_QUOTED_SIZE_MAX(LINE_BYTES_MAX) * 2,
  ERROR_BYTES_MAX = 1024,
  FAULT_BYTES_MAX = 160,
  WORDS_MAX = 64,    /* of one line, the name of the command included */
  INPUT_BYTES = 256, /* room for what is no command yet, at first */
};

bool control_is_relayed(const struct control_client *client) {
  return conn_group_of(client->conn) == &client->control->relayed;
}

bool control_is_open(const struct control_client *client) {
  return !conn_is_closing(client->conn);
}

size_t control_queue_bytes(const struct control_client *client) {
  return conn_queue_bytes(client->conn);
}

bool control_has_room(struct control_client *client) {
  if (control_queue_bytes(client) > CONTROL_QUEUE_BYTES_HIGH) conn_flush(client->conn);
  return control_queue_bytes(client) <= CONTROL_QUEUE_BYTES_HIGH;
}

/* --- Answers --------------------------------------------------------------------------------- */

void control_put_text(struct control_client *client, const char *text, size_t size) {
  if (conn_send_begin(client->conn) < 0) return;
  if (conn_send_copied(client->conn, text, size) < 0) return;
  conn_send_copied(client->conn, "\n", 1);
}

/* JSON_ENSURE_ASCII leaves DEL as it is. It stands in texts only. NULL when memory is out. */
static char *without_del(char *text) {
  static const char escaped[] = "\\u007f";
  size_t count = 0;
  for (const char *at = text; (at = strchr(at, '\177')); at++) count++;
  if (count == 0) return text;
  char *shown = malloc(strlen(text) + count * (sizeof escaped - 2) + 1);
  char *end = shown;
  for (const char *at = text; shown && *at; at++) {
    if (*at == '\177') {
      end = stpcpy(end, escaped);
    } else {
      *end++ = *at;
    }
  }
  if (shown) *end = '\0';
  free(text);
  return shown;
}

/* NULL when memory is out. Into a buffer of the right size, for jansson takes no notice when one that
 * grows has no room for a key, and leaves it out. */
static char *dump(const json_t *object) {
  /* In ASCII, so that no text can act on the terminal of who reads it with nc. */
  const size_t flags = JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12);
  size_t size = json_dumpb(object, NULL, 0, flags);
  char *text = size > 0 ? malloc(size + 1) : NULL;
  if (!text) return NULL;
  if (json_dumpb(object, text, size, flags) != size) {
    free(text);
    return NULL;
  }
  text[size] = '\0';
  return text;
}

void control_put(struct control_client *client, json_t *object) {
  char *text = object ? dump(object) : NULL;
  if (text) text = without_del(text);
  json_decref(object);
  if (!text) {
    conn_reset(client->conn, REASON_ERROR);
    return;
  }
  control_put_text(client, text, strlen(text));
  free(text);
}

void control_ok_with(struct control_client *client, json_t *object) {
  json_t *line = json_pack("{s:b}", "ok", 1);
  if (!object || json_object_update(line, object) < 0) {
    json_decref(line);
    line = NULL;
  }
  json_decref(object);
  control_put(client, line);
}

void control_ok(struct control_client *client) {
  control_put(client, json_pack("{s:b}", "ok", 1));
}

void control_fail(struct control_client *client, const char *format, ...) {
  char text[ERROR_BYTES_MAX];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  control_put(client, json_pack("{s:b, s:o}", "ok", 0, "error", control_text(text)));
}

json_t *control_text_bytes(const char *text, size_t size) {
  char *shown = malloc(size * 4 + 1); /* each byte as \xNN, at worst */
  if (!shown) return NULL;
  size_t used = 0;
  while (size > 0) {
    uint32_t code_point;
    size_t length = utf8_decode(text, size, &code_point);
    if (length > 0) {
      memcpy(shown + used, text, length);
      used += length;
    } else {
      used += (size_t)sprintf(shown + used, "\\x%02x", (unsigned)(unsigned char)*text);
      length = 1;
    }
    text += length;
    size -= length;
  }
  json_t *string = json_stringn(shown, used);
  free(shown);
  return string;
}

json_t *control_text(const char *text) {
  return control_text_bytes(text, strlen(text));
}

/* --- Jobs ------------------------------------------------------------------------------------ */

void control_begin(struct control_client *client, const struct control_job *job) {
  assert(!client->has_job);
  client->job = *job;
  client->has_job = true;
}

void control_client_end_job(struct control_client *client) {
  if (!client->has_job) return;
  client->has_job = false;
  client->job.end(client->job.state);
}

bool control_client_streams(const struct control_client *client) {
  return client->has_job && !client->job.step && !client->job.answers_later;
}

/* Of clients; where there are several workers, each has those of all. */
static size_t count_streams(const struct conn_group *group) {
  struct conn *conn = NULL;
  size_t count = 0;
  while ((conn = conn_group_next(group, conn))) {
    const struct control_client *other = conn_owner(conn);
    if (other && control_client_streams(other)) count++;
  }
  return count;
}

bool control_admit_stream(struct control_client *client) {
  struct control *control = client->control;
  const size_t count = count_streams(conn_group_of(client->conn));
  if (count >= CONTROL_STREAMS_MAX) {
    control_fail(client,
                 "%zu traces and consoles watch already, which is the most: end one of them first",
                 count);
    return false;
  }
  if (!net_loop_refill_spares(control->loop)) {
    control_fail(client, "the process has no descriptors left, and a watcher would keep one of the "
                         "last: raise its limit (ulimit -n), or kick a connection");
    return false;
  }
  return true;
}

void control_become_stream(struct control_client *client) {
  client->job.answers_later = false;
  client_settle(client);
}

bool control_client_is_awaited(const struct control_client *client) {
  if (conn_is_closing(client->conn)) return control_queue_bytes(client) > 0;
  if (control_client_streams(client)) return false;
  return !client->has_asked || client->has_job || client->size > 0 ||
         control_queue_bytes(client) > 0;
}

static bool is_waited_for(const struct control_client *client) {
  return client->has_job && client->job.answers_later;
}

/* --- Lines ----------------------------------------------------------------------------------- */

static void drop_input(struct control_client *client) {
  free(client->input);
  client->input = NULL;
  client->start = client->size = client->capacity = 0;
}

/* One byte more than asked for, for who terminates the last line. */
static bool append_input(struct control_client *client, const char *bytes, size_t size) {
  if (client->size > 0) memmove(client->input, client->input + client->start, client->size);
  client->start = 0;
  const size_t wanted = client->size + size + 1;
  if (!grow_bytes(&client->input, &client->capacity, wanted, INPUT_BYTES)) return false;
  memcpy(client->input + client->size, bytes, size);
  client->size += size;
  return true;
}

/* The size of the first line, without its newline; -1 when it is not all there. What comes before
 * FIN is a line, even without a newline. */
static ssize_t line_size(const struct control_client *client) {
  if (client->size == 0) return -1;
  const char *start = client->input + client->start;
  const char *newline = memchr(start, '\n', client->size);
  if (newline) return newline - start;
  return client->finished ? (ssize_t)client->size : -1;
}

static void consume(struct control_client *client, size_t size) {
  client->start += size;
  client->size -= size < client->size ? size : client->size;
  if (client->size == 0) drop_input(client);
}

static void refuse_length(struct control_client *client) {
  control_fail(client, "a command is a line of at most %d bytes, and this one is longer",
               LINE_BYTES_MAX);
}

static void client_run_line(struct control_client *client, char *line, size_t size) {
  struct word words[WORDS_MAX];
  char fault[FAULT_BYTES_MAX];
  if (size > 0 && line[size - 1] == '\r') size--; /* of who types into telnet or nc -C */
  client->has_asked = true;
  int count = words_split(line, size, words, WORDS_MAX, fault, sizeof fault);
  if (count < 0) {
    control_fail(client, "%s", fault);
  } else if (count > 0) {
    client->control->run(client, words, (size_t)count);
  }
}

static ssize_t line_bytes_max(const struct control_client *client) {
  return control_is_relayed(client) ? RELAYED_BYTES_MAX : LINE_BYTES_MAX;
}

static void client_take_line(struct control_client *client) {
  ssize_t size = line_size(client);
  if (size < 0) return;
  if (size > line_bytes_max(client)) {
    refuse_length(client);
  } else {
    client_run_line(client, client->input + client->start, (size_t)size);
  }
  consume(client, (size_t)size + 1);
}

/* A line that grows beyond its limit is answered once, and what still comes of it is not kept. */
static void check_length(struct control_client *client) {
  if (line_size(client) >= 0 || (ssize_t)client->size <= line_bytes_max(client)) return;
  refuse_length(client);
  client->skipping = true;
  drop_input(client);
}

/* How many of the bytes belong to a line that is being skipped. */
static size_t skip(struct control_client *client, const char *bytes, size_t size) {
  if (!client->skipping) return 0;
  const char *newline = memchr(bytes, '\n', size);
  client->skipping = !newline;
  return newline ? (size_t)(newline - bytes) + 1 : size;
}

/* --- Turns ----------------------------------------------------------------------------------- */

static bool has_more(const struct control_client *client) {
  return client->has_job ? client->job.step != NULL : line_size(client) >= 0;
}

/* What follows from what was done: go on, wait until the client reads, or part. */
static void client_settle(struct control_client *client) {
  struct conn *conn = client->conn;
  if (control_client_streams(client)) drop_input(client);
  bool more = has_more(client);
  conn_hold(conn, CONN_HOLD_HANDLER, more || is_waited_for(client));
  if (more) {
    if (!conn_await_drain(conn) && !conn_is_closing(conn)) net_defer_ask(client->control->defer);
  } else if (client->finished && !client->has_job) {
    conn_close(conn, REASON_EOF);
  }
}

void control_client_go_on(struct control_client *client) {
  if (client->has_job && client->job.on_room) client->job.on_room(client->job.state);
  if (!has_more(client)) return;
  if (client->has_job) {
    if (!client->job.step(client, client->job.state)) control_client_end_job(client);
  } else {
    client_take_line(client);
  }
  client_settle(client);
}

void control_end(struct control_client *client) {
  control_client_end_job(client);
  client_settle(client);
  if (client->control->defer) net_defer_ask(client->control->defer); /* it may be the last one */
}

void control_client_received(struct control_client *client, const char *bytes, size_t size) {
  if (control_client_streams(client)) return;
  size_t skipped = skip(client, bytes, size);
  if (skipped == size) return;
  if (!append_input(client, bytes + skipped, size - skipped)) {
    conn_reset(client->conn, REASON_ERROR);
    return;
  }
  check_length(client);
  control_client_go_on(client);
}

void control_client_finished(struct control_client *client) {
  client->finished = true;
  control_client_go_on(client);
  client_settle(client);
}
