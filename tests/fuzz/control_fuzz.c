/* control_fuzz.c — any bytes as what a client of the control socket sends, to a whole server.
 *
 * An input is those bytes; each @ in them stands for the id of a connection that is open. The answers
 * must be lines of JSON in ASCII, one `ok` for each command, whatever the client says, and an echo
 * beside it must go on. */
#include "served.h"

#include "net/conn.h"

#include <jansson.h>

enum { INPUT_BYTES_MAX = 4096, TURNS_MAX = 60, ANSWER_BYTES_MAX = 1 << 20 };

static struct served served;
static int peer = -1; /* of the script */

/* A connection to talk about; the last one may have been kicked. */
static uint64_t open_peer(void) {
  char byte;
  bool is_gone = peer >= 0 && recv(peer, &byte, 1, 0) != -1;
  if (is_gone || (peer >= 0 && errno != EAGAIN)) {
    (void)close(peer);
    peer = -1;
  }
  if (peer < 0) peer = served_connect(served.listen);
  MUST(peer >= 0);
  struct conn *conn = NULL;
  for (int i = 0; i < 3; i++) served_turn(&served);
  for (size_t i = 0; i < 4 && !conn; i++) {
    struct conn_group *group = script_conn_group(served.server->scripts[0], i);
    if (group) conn = conn_group_newest(group);
  }
  return conn ? conn_id(conn) : 0;
}

static size_t put_input(char *out, const uint8_t *data, size_t size, uint64_t id) {
  size_t used = 0;
  for (size_t i = 0; i < size; i++) {
    if (data[i] == '@') {
      used += (size_t)sprintf(out + used, "%llu", (unsigned long long)id);
    } else {
      out[used++] = (char)data[i];
    }
  }
  return used;
}

/* --- Answers ------------------------------------------------------------------------------- */

struct answer {
  char *text;
  size_t size;
  bool ended; /* by the server */
};

static void read_more(struct answer *answer, int fd) {
  while (!answer->ended && answer->size < ANSWER_BYTES_MAX) {
    ssize_t got = recv(fd, answer->text + answer->size, ANSWER_BYTES_MAX - answer->size, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) answer->ended = true;
    if (got > 0) answer->size += (size_t)got;
  }
}

/* Says it all, finishes, and listens as long as something comes. */
static void talk(const char *bytes, size_t size, struct answer *answer) {
  int fd = served_connect(served.control);
  MUST(fd >= 0);
  MUST(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size);
  MUST(shutdown(fd, SHUT_WR) == 0);
  for (int i = 0; i < TURNS_MAX + (int)size && !answer->ended; i++) {
    served_turn(&served);
    read_more(answer, fd);
  }
  (void)close(fd);
  for (int i = 0; i < 3; i++) served_turn(&served);
}

/* Returns how many of the lines say that a command is done. */
static size_t check_answer(const struct answer *answer) {
  size_t done = 0;
  const char *at = answer->text, *end = at + answer->size;
  while (at < end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (!newline) break; /* cut by the limit of the target, or the stream by its end */
    json_error_t error;
    json_t *line = json_loadb(at, (size_t)(newline - at), JSON_REJECT_DUPLICATES, &error);
    MUST(json_is_object(line));
    for (const char *c = at; c < newline; c++) MUST(*c >= ' ' && *c <= '~');
    const json_t *ok = json_object_get(line, "ok");
    MUST(ok == NULL || json_is_boolean(ok));
    if (ok) done++;
    if (json_is_false(ok)) MUST(json_string_length(json_object_get(line, "error")) > 0);
    json_decref(line);
    at = newline + 1;
  }
  return done;
}

static bool is_blank_line(const char *line, size_t size) {
  if (size > 0 && line[size - 1] == '\r') size--;
  for (size_t i = 0; i < size; i++) {
    if (line[i] != ' ' && line[i] != '\t') return false;
  }
  return true;
}

static size_t count_commands(const char *bytes, size_t size) {
  size_t count = 0;
  while (size > 0) {
    const char *newline = memchr(bytes, '\n', size);
    size_t length = newline ? (size_t)(newline - bytes) : size;
    if (!is_blank_line(bytes, length)) count++;
    bytes += length + (newline ? 1 : 0);
    size -= length + (newline ? 1 : 0);
  }
  return count;
}

static bool has(const char *bytes, size_t size, const char *word) {
  return size > 0 && memmem(bytes, size, word, strlen(word)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char answer_text[ANSWER_BYTES_MAX];
  if (size > INPUT_BYTES_MAX) return -1;
  if (!served.server) served_open(&served, FUZZ_SOURCE_DIR "/control.lua", "control");
  char *bytes = malloc(size * 20 + 1);
  MUST(bytes != NULL);
  size_t length = put_input(bytes, data, size, open_peer());
  struct answer answer = {.text = answer_text};
  talk(bytes, length, &answer);
  size_t done = check_answer(&answer);
  size_t commands = count_commands(bytes, length);
  /* A stream takes no further command; eval may still wait, and reset its answer with it. */
  MUST(done <= commands);
  if (answer.ended && !has(bytes, length, "events")) MUST(done == commands);
  free(bytes);
  if (served.server->phase != SERVING) {
    if (peer >= 0) (void)close(peer);
    peer = -1;
    served_close(&served);
    served.server = NULL;
  }
  return 0;
}
