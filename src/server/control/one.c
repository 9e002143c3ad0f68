/* server/control/one.c — the commands about one connection: hold, step, send, end it, look at it. */
#include "base/log.h"
#include "base/platform.h"
#include "base/tap.h"
#include "net/conn.h"
#include "net/loop.h"
#include "server/control/find.h"

#include <uv.h>

static const char *name_of(const struct control_call *call, const struct conn *conn,
                           char out[CONN_NAME_BYTES]) {
  return control_conn_name(call->client, conn_id(conn), out);
}

static json_t *id_of(const struct control_call *call, const struct conn *conn) {
  return control_conn_id(call->client, conn_id(conn));
}

static void log_command(const struct control_call *call, const struct conn *conn) {
  char name[CONN_NAME_BYTES];
  log_about(call->client->control->log, LOG_INFO, conn_group_of(conn)->script, conn_id(conn),
            "command %s: #%s", call->name, name_of(call, conn, name));
}

/* What a command without more to say answers. */
static void answer(const struct control_call *call, const struct conn *conn) {
  control_ok_with(call->client, json_pack("{s:o}", "id", id_of(call, conn)));
}

/* One that nobody has begun to close; or NULL after an answer. */
static struct conn *one_find_open(const struct control_call *call) {
  struct conn *conn = control_find_conn(call);
  char id[CONN_NAME_BYTES];
  if (!conn || !conn_is_closing(conn)) return conn;
  control_fail(call->client, "connection %s closes already: only kick still does something",
               name_of(call, conn, id));
  return NULL;
}

void control_kick(const struct control_call *call) {
  struct conn *conn = control_find_conn(call);
  if (!conn) return;
  bool at_once = conn_is_closing(conn);
  json_t *id = id_of(call, conn);
  log_command(call, conn);
  if (at_once) {
    conn_reset(conn, REASON_KICKED);
  } else {
    conn_close(conn, REASON_KICKED);
  }
  control_ok_with(call->client, json_pack("{s:o, s:b}", "id", id, "at_once", at_once));
}

/* --- Reading --------------------------------------------------------------------------------- */

/* With what waits in the kernel, to be read when it may be. */
static void answer_unread(const struct control_call *call, const struct conn *conn) {
  json_int_t unread = (json_int_t)conn_unread_bytes(conn);
  control_ok_with(call->client,
                  json_pack("{s:o, s:I}", "id", id_of(call, conn), "unread_bytes", unread));
}

/* One that can still bring something; or NULL after an answer. */
static struct conn *find_readable(const struct control_call *call) {
  struct conn *conn = one_find_open(call);
  char id[CONN_NAME_BYTES];
  if (!conn || !conn_peer_finished(conn)) return conn;
  control_fail(call->client,
               "connection %s brings nothing more: its peer sent FIN, and all of it was read",
               name_of(call, conn, id));
  return NULL;
}

void control_pause(const struct control_call *call) {
  struct conn *conn = find_readable(call);
  if (!conn) return;
  log_command(call, conn);
  conn_hold(conn, CONN_HOLD_CONSOLE, true);
  answer_unread(call, conn);
}

/* One that control_pause() holds; or NULL after an answer. */
static struct conn *find_paused(const struct control_call *call) {
  struct conn *conn = find_readable(call);
  char id[CONN_NAME_BYTES];
  if (!conn || conn_is_paused(conn)) return conn;
  name_of(call, conn, id);
  control_fail(call->client, "connection %s is not paused: write pause %s first", id, id);
  return NULL;
}

void control_resume(const struct control_call *call) {
  struct conn *conn = find_paused(call);
  if (!conn) return;
  log_command(call, conn);
  conn_hold(conn, CONN_HOLD_CONSOLE, false);
  answer_unread(call, conn);
}

/* The chunk is read in the loop, like any other: after this answer. */
void control_step(const struct control_call *call) {
  struct conn *conn = find_paused(call);
  if (!conn) return;
  conn_step(conn);
  answer_unread(call, conn);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void fail_to_send(const struct control_call *call, const struct conn *conn, int rc) {
  char id[CONN_NAME_BYTES];
  name_of(call, conn, id);
  if (rc == UV_EPIPE) {
    control_fail(call->client, "nothing can be sent on connection %s any more: FIN was", id);
  } else if (rc == UV_ENOBUFS) {
    control_fail(call->client, "connection %s ends: its peer reads too little (limits.write_queue)",
                 id);
  } else {
    control_fail(call->client, "not enough memory: connection %s ends", id);
  }
}

void control_send(const struct control_call *call) {
  struct conn *conn = one_find_open(call);
  if (!conn) return;
  const struct word *text = &call->words[1];
  struct net_loop *loop = call->client->control->loop;
  int rc = conn_send_begin(conn);
  if (rc == 0) rc = conn_send_copied(conn, text->text, text->size);
  if (rc < 0) {
    fail_to_send(call, conn, rc);
    return;
  }
  log_command(call, conn);
  if (tap_wants(net_loop_tap(loop), EVENT_SEND)) conn_tell_send(conn, text->size, "console", NULL);
  net_loop_flush(loop);
  control_ok_with(call->client, json_pack("{s:o, s:I, s:I}", "id", id_of(call, conn), "size",
                                          (json_int_t)text->size, "queue_bytes",
                                          (json_int_t)conn_queue_bytes(conn)));
}

void control_finish(const struct control_call *call) {
  struct conn *conn = one_find_open(call);
  if (!conn) return;
  if (conn_phase(conn) == CONN_PHASE_SHUTDOWN) {
    char id[CONN_NAME_BYTES];
    control_fail(call->client, "connection %s has sent FIN already", name_of(call, conn, id));
    return;
  }
  log_command(call, conn);
  conn_shutdown(conn);
  answer(call, conn);
}

void control_reset(const struct control_call *call) {
  struct conn *conn = control_find_conn(call);
  if (!conn) return;
  log_command(call, conn);
  conn_reset(conn, REASON_KICKED);
  answer(call, conn);
}

/* --- Looking --------------------------------------------------------------------------------- */

static void put_if_known(json_t *object, const char *name, uint64_t number) {
  if (number == EVENT_UNKNOWN) return;
  json_object_set_new(object, name, json_integer((json_int_t)number));
}

/* The fields are those of the event `tcp`. */
static json_t *tcp_fields(const struct control_call *call, const struct conn *conn,
                          const struct platform_tcp *info) {
  json_t *fields = json_pack(
      "{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "id", id_of(call, conn),
      "state", info->state, "rtt_us", (json_int_t)info->rtt_us, "rtt_variation_us",
      (json_int_t)info->rtt_variation_us, "retransmits", (json_int_t)info->retransmits, "unacked",
      (json_int_t)info->unacked, "lost", (json_int_t)info->lost, "congestion_window",
      (json_int_t)info->congestion_window, "send_mss", (json_int_t)info->send_mss, "receive_space",
      (json_int_t)info->receive_space, "unread", (json_int_t)info->unread, "in_flight",
      (json_int_t)info->in_flight, "unsent", (json_int_t)info->unsent);
  put_if_known(fields, "receive_window", info->receive_window);
  put_if_known(fields, "peer_window", info->peer_window);
  return fields;
}

void control_tcp(const struct control_call *call) {
  struct conn *conn = control_find_conn(call);
  if (!conn) return;
  struct platform_tcp info;
  int rc = conn_tcp_info(conn, &info);
  if (rc < 0) {
    char id[CONN_NAME_BYTES];
    socklen_t size;
    const bool is_unix = conn_peer(conn, &size)->sa_family == AF_UNIX;
    const char *lacks = is_unix ? "a Unix socket, of which the kernel tells nothing of TCP"
                                : "this build cannot ask the kernel what it knows of TCP";
    control_fail(call->client, "connection %s: %s", name_of(call, conn, id),
                 rc == UV_ENOTSUP ? lacks : uv_strerror(rc));
    return;
  }
  control_ok_with(call->client, tcp_fields(call, conn, &info));
}
