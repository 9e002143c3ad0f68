/* server/control/fault.c — the command fault: what the network may do to a connection's bytes. */
#include "base/log.h"
#include "base/text.h"
#include "net/conn.h"
#include "net/conn_fault.h"
#include "server/control/find.h"

#include <string.h>

static bool read_split(const char *text, size_t *out) {
  size_t bytes;
  if (text_parse_size(text, &bytes) < 0 || bytes < 1 || bytes > CONN_FAULT_SPLIT_MAX) return false;
  *out = bytes;
  return true;
}

static bool read_delay(const char *text, uint64_t *out) {
  int64_t ms;
  if (text_parse_seconds(text, &ms) < 0 || ms > CONN_FAULT_DELAY_MS_MAX) return false;
  *out = (uint64_t)ms;
  return true;
}

/* False after an answer that says what is wrong. */
static bool fault_read_word(const struct control_call *call, const char *word,
                            struct conn_fault *fault) {
  if (strncmp(word, "split=", 6) == 0) {
    if (read_split(word + 6, &fault->split_bytes)) return true;
    control_fail(call->client, "\"%.60s\": pieces have 1 to %d bytes, as in split=1", word,
                 CONN_FAULT_SPLIT_MAX);
  } else if (strncmp(word, "delay=", 6) == 0) {
    if (read_delay(word + 6, &fault->delay_ms)) return true;
    control_fail(call->client, "\"%.60s\": a delay is a time of at most %d s, as in delay=50ms",
                 word, CONN_FAULT_DELAY_MS_MAX / 1000);
  } else {
    control_fail(call->client,
                 "\"%.60s\" is no fault: there are split=BYTES and delay=TIME, or off", word);
  }
  return false;
}

/* False after an answer that says what is wrong. */
static bool read_fault(const struct control_call *call, struct conn_fault *fault) {
  *fault = (struct conn_fault){0};
  if (call->word_count == 2 && strcmp(call->words[1].text, "off") == 0) return true;
  for (size_t i = 1; i < call->word_count; i++) {
    if (!fault_read_word(call, call->words[i].text, fault)) return false;
  }
  return true;
}

void control_fault(const struct control_call *call) {
  struct conn *conn = control_find_conn(call);
  struct conn_fault fault;
  char text[CONN_FAULT_TEXT_MAX];
  if (!conn || !read_fault(call, &fault)) return;
  char id[CONN_NAME_BYTES];
  control_conn_name(call->client, conn_id(conn), id);
  if (conn_set_fault(conn, &fault) < 0) {
    control_fail(call->client, "not enough memory: connection %s is as before", id);
    return;
  }
  conn_fault_text(&fault, text);
  log_about(call->client->control->log, LOG_INFO, conn_group_of(conn)->script, conn_id(conn),
            "command fault: #%s %s", id, text);
  control_ok_with(call->client, json_pack("{s:o, s:s, s:I, s:I}", "id",
                                          control_conn_id(call->client, conn_id(conn)), "fault",
                                          text, "split_bytes", (json_int_t)fault.split_bytes,
                                          "delay_ms", (json_int_t)fault.delay_ms));
}
