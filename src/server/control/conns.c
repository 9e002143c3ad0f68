/* server/control/conns.c — the command conns: which connections there are. */
#include "base/address.h"
#include "net/conn.h"
#include "net/conn_fault.h"
#include "net/conn_proxy.h"
#include "net/conn_tls.h"
#include "server/control/find.h"
#include "server/server_state.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  CONNS_PER_STEP = 128, /* so that a list of many thousands holds up nobody */
};

/* What can be asked for, in the order of `field_names`. */
enum field { FIELD_ID, FIELD_SCRIPT, FIELD_PEER, FIELD_LISTENER, FIELD_STATE, FIELD_DIRECTION };
static const char *const field_names[] = {"id", "script", "peer", "listener", "state", "direction"};
enum { FIELD_COUNT = sizeof field_names / sizeof *field_names };

struct filter {
  enum field field;
  char *pattern; /* for fnmatch(3) */
};

/* A list that is being told. It goes on behind the last connection told, whatever came and went
 * meanwhile: ids only grow. */
struct listing {
  struct filter *filters;
  size_t filter_count;
  size_t script;
  size_t group;
  uint64_t last_id;
  json_int_t count; /* told so far */
};

static void end_listing(void *state) {
  struct listing *listing = state;
  for (size_t i = 0; i < listing->filter_count; i++) free(listing->filters[i].pattern);
  free(listing->filters);
  free(listing);
}

/* --- What is asked for ----------------------------------------------------------------------- */

static bool read_field(const char *name, size_t size, enum field *out) {
  for (size_t i = 0; i < FIELD_COUNT; i++) {
    if (strlen(field_names[i]) == size && memcmp(field_names[i], name, size) == 0) {
      *out = (enum field)i;
      return true;
    }
  }
  return false;
}

/* False after an answer that says what is wrong. */
static bool read_filter(struct control_client *client, const char *word, struct filter *out) {
  size_t size = strcspn(word, "=");
  if (word[size] != '=') {
    control_fail(client, "\"%.60s\" is no filter: write FIELD=PATTERN, as in peer=127.0.0.1", word);
    return false;
  }
  if (!read_field(word, size, &out->field)) {
    control_fail(client,
                 "a connection has no \"%.*s\" to choose by: there are id, script, peer, listener, "
                 "state and direction",
                 (int)(size < 60 ? size : 60), word);
    return false;
  }
  out->pattern = strdup(word + size + 1);
  if (!out->pattern) control_fail(client, "not enough memory");
  return out->pattern;
}

/* NULL after an answer that says what is wrong. */
static struct listing *read_listing(const struct control_call *call) {
  struct listing *listing = calloc(1, sizeof *listing);
  if (listing) listing->filters = calloc(call->word_count + 1, sizeof *listing->filters);
  if (!listing || !listing->filters) {
    free(listing);
    control_fail(call->client, "not enough memory");
    return NULL;
  }
  for (size_t i = 0; i < call->word_count; i++) {
    if (!read_filter(call->client, call->words[i].text, &listing->filters[i])) {
      end_listing(listing);
      return NULL;
    }
    listing->filter_count++;
  }
  return listing;
}

/* --- One connection -------------------------------------------------------------------------- */

struct row {
  char id[CONN_NAME_BYTES];
  char number[24]; /* without the worker */
  char peer[ADDRESS_TEXT_MAX];
  char ip[ADDRESS_TEXT_MAX];
  char via[ADDRESS_TEXT_MAX]; /* of its proxy; empty: there is none */
  /* What the fields are; a filter may as well mean the second of two. */
  const char *texts[FIELD_COUNT][2];
};

static void conns_describe(const struct control_client *client, const struct script *script,
                           const struct conn *conn, struct row *row) {
  socklen_t size;
  const struct sockaddr *peer = conn_peer(conn, &size);
  const char *listener = script_listener_of(script, conn); /* NULL: it was not accepted */
  const char *const texts[FIELD_COUNT][2] = {
      [FIELD_ID] = {row->id, row->number},
      [FIELD_SCRIPT] = {script->path, script->runtime.script},
      [FIELD_PEER] = {row->peer, row->ip},
      [FIELD_LISTENER] = {listener ? listener : ""},
      [FIELD_STATE] = {conn_phase_name(conn_phase(conn))},
      [FIELD_DIRECTION] = {listener ? "in" : "out"},
  };
  memcpy(row->texts, texts, sizeof texts);
  control_conn_name(client, conn_id(conn), row->id);
  snprintf(row->number, sizeof row->number, "%llu", (unsigned long long)conn_id(conn));
  address_from_sockaddr(peer, size, row->peer, sizeof row->peer);
  if (address_ip(peer, row->ip, sizeof row->ip) < 0) *row->ip = '\0';
  *row->via = '\0';
  const struct sockaddr *via = conn_via(conn, &size);
  if (via) address_from_sockaddr(via, size, row->via, sizeof row->via);
}

static bool matches_one(const struct row *row, const struct filter *filter) {
  for (size_t i = 0; i < 2; i++) {
    const char *text = row->texts[filter->field][i];
    if (text && fnmatch(filter->pattern, text, 0) == 0) return true;
  }
  return false;
}

static bool conns_matches(const struct row *row, const struct listing *listing) {
  for (size_t i = 0; i < listing->filter_count; i++) {
    if (!matches_one(row, &listing->filters[i])) return false;
  }
  return true;
}

/* Null where `text` has nothing to say. */
static json_t *text_or_null(const char *text) {
  return text && *text ? control_text(text) : json_null();
}

static json_t *fault_of(const struct conn *conn) {
  char text[CONN_FAULT_TEXT_MAX];
  struct conn_fault fault;
  conn_fault_of(conn, &fault);
  if (fault.split_bytes == 0 && fault.delay_ms == 0) return json_null();
  conn_fault_text(&fault, text);
  return json_string(text);
}

/* The version; null without TLS, or while it begins. */
static json_t *tls_of(const struct conn *conn) {
  struct conn_tls tls;
  return text_or_null(conn_tls(conn, &tls) ? tls.version : NULL);
}

static void conns_tell(struct control_client *client, const struct row *row,
                       const struct conn *conn) {
  struct conn_counters counters;
  conn_counters(conn, &counters);
  control_put(client,
              json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:f, s:I, s:I, s:I}",
                        "id", control_conn_id(client, conn_id(conn)), "script",
                        control_text(row->texts[FIELD_SCRIPT][0]), "peer", control_text(row->peer),
                        "via", text_or_null(row->via), "listener",
                        text_or_null(row->texts[FIELD_LISTENER][0]), "direction",
                        row->texts[FIELD_DIRECTION][0], "state", row->texts[FIELD_STATE][0], "tls",
                        tls_of(conn), "held_by", text_or_null(conn_held_by(conn)), "fault",
                        fault_of(conn), "age_s", (double)counters.age_ms / 1000, "bytes_in",
                        (json_int_t)counters.bytes_in, "bytes_out", (json_int_t)counters.bytes_out,
                        "queue_bytes", (json_int_t)conn_queue_bytes(conn)));
}

/* --- All of them, a few at a time ------------------------------------------------------------ */

/* Looks at no more than *budget connections of the group. True: there are more of it. */
static bool tell_group(struct control_client *client, struct listing *listing,
                       struct script *script, struct conn_group *group, size_t *budget) {
  struct conn *conn = NULL;
  while ((conn = conn_group_next(group, conn))) {
    struct row row;
    if (conn_id(conn) <= listing->last_id) continue;
    if (*budget == 0) return true;
    (*budget)--;
    listing->last_id = conn_id(conn);
    conns_describe(client, script, conn, &row);
    if (!conns_matches(&row, listing)) continue;
    listing->count++;
    conns_tell(client, &row, conn);
  }
  return false;
}

static bool conns_tell_some(struct control_client *client, void *state) {
  struct listing *listing = state;
  const struct server *server = client->control->server;
  size_t budget = CONNS_PER_STEP;
  while (listing->script < server->script_count) {
    struct script *script = server->scripts[listing->script];
    struct conn_group *group = script_conn_group(script, listing->group);
    if (group && tell_group(client, listing, script, group, &budget)) return true;
    listing->last_id = 0;
    listing->group++;
    if (!group) {
      listing->group = 0;
      listing->script++;
    }
  }
  control_ok_with(client, json_pack("{s:I}", "connections", listing->count));
  return false;
}

void control_conns(const struct control_call *call) {
  struct listing *listing = read_listing(call);
  if (!listing) return;
  const struct control_job job = {.step = conns_tell_some, .end = end_listing, .state = listing};
  control_begin(call->client, &job);
}
