/* net/transport/tls.c — encrypts what goes down and decrypts what comes up, with OpenSSL; above any other
 * layer. Knows no certificate.
 *
 * Reading: a piece of ciphertext is decrypted whole, then handed on as one. Nothing that was decrypted
 * is left in OpenSSL, where nobody would look for it: only a layer above that has little room makes
 * something wait, and that is noted (TLS_MORE). Writing: what one call encrypts goes down in one piece.
 * Of a piece that the layer under it does not take at once, the rest is `left`, and none of its text
 * is said to be taken: write() gets that once more, and passes it over (`ahead`).
 *
 * How it fails:
 *   - The handshake fails, or what is under it does meanwhile: `failed` with UV_EPROTO, and tls_fault()
 *     says why. Our alert has gone out before, if the peer takes it.
 *   - A record cannot be decrypted, or the peer sends an alert: what came before it is handed on first.
 *   - FIN comes without close_notify: `ended`, and tls_is_truncated().
 *   - The peer sends messages of a handshake without end, such as KeyUpdate, and no data: `failed`.
 *   - Memory is out: `failed` with UV_ENOMEM; nothing half is sent.
 *   - Closed without finish(), or before what is `left` was taken: there is no close_notify, and the peer
 *     sees that something is missing. */
#include "net/transport/tls.h"

#include "base/list.h"
#include "net/loop_state.h"
#include "net/tls/context.h"
#include "net/tls/shared.h"
#include "net/tls/words.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum tls_flags {
  TLS_OPEN = 1 << 0,      /* the handshake is done */
  TLS_READING = 1 << 1,   /* the one above wants what comes */
  TLS_MORE = 1 << 2,      /* OpenSSL may have more to be read */
  TLS_ENDED = 1 << 3,     /* the peer says nothing more; to be told, or told */
  TLS_TOLD = 1 << 4,      /* that, or that it failed, was told */
  TLS_TRUNCATED = 1 << 5, /* FIN came first */
  TLS_FINISHING = 1 << 6, /* FIN follows what is left */
  TLS_BROKEN = 1 << 7,    /* nothing more can be said */
  TLS_CLOSED = 1 << 8,
  TLS_HEARD = 1 << 9, /* the peer has said something */
  TLS_PLAINTEXT = 1 << 10,
};

enum {
  MESSAGES_MAX = 32,         /* of handshakes, without data between them */
  BEHIND_BYTES_MAX = 16384,  /* that OpenSSL says by itself to a peer who takes nothing */
  WRITE_PIECE_BYTES = 65536, /* of text; bench/tls: more at once is not faster */
  WORDS_MAX = 256,
};

/* A part of buffers that is still to be written. */
struct cursor {
  const uv_buf_t *bufs;
  unsigned count;
  size_t offset; /* in the first one */
};

/* A write() that is under way. */
struct sending {
  struct cursor cursor;
  uv_buf_t bufs[];
};

struct tls {
  struct transport_layer layer;
  struct net_loop *loop;
  struct tls_context *context;
  SSL *ssl;
  struct tls_input input; /* of which only `shared` is valid outside of a call of OpenSSL's */
  char *kept;             /* ciphertext that waits for a turn; or NULL */
  size_t kept_size;
  struct list link; /* in a list of shared->; while a turn is to come */
  char *left;       /* ciphertext that the layer under it is writing; or NULL */
  char *behind;     /* what OpenSSL wrote by itself meanwhile; or NULL */
  size_t behind_size;
  struct sending *sending;
  size_t ahead; /* bytes of text, behind what was said to be taken, which `left` has */
  size_t room;  /* what the one above has */
  char *fault;  /* why it failed; or NULL */
  int error;    /* UV_E* that is to be told; 0: none */
  uint16_t flags;
  uint8_t messages; /* of handshakes since the last data */
};

static struct tls *tls_of(const struct transport *self) {
  return (struct tls *)self;
}

static struct transport *self_of(struct tls *tls) {
  return &tls->layer.over.transport;
}

static bool has(const struct tls *tls, unsigned flag) {
  return tls->flags & flag;
}

static void set(struct tls *tls, unsigned flag, bool on) {
  tls->flags = (uint16_t)(on ? tls->flags | flag : tls->flags & ~flag);
}

/* --- Failing --------------------------------------------------------------------------------- */

/* Notes that it is broken, and why, unless something was before; `words` may be NULL. Returns `rc`. */
static int tls_break(struct tls *tls, int rc, const char *words) {
  if (has(tls, TLS_BROKEN)) return rc;
  set(tls, TLS_BROKEN, true);
  tls->error = rc;
  if (words) tls->fault = strdup(words);
  return rc;
}

/* The last call of OpenSSL's failed. */
static int tls_break_off(struct tls *tls) {
  char words[WORDS_MAX];
  unsigned long error = ERR_peek_error();
  bool is_starved =
      error == 0 /* it was our BIO */ || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
  tls_words(tls->ssl, words, sizeof words);
  return tls_break(tls, is_starved ? UV_ENOMEM : UV_EPROTO, words);
}

static void tls_tell_failed(struct tls *tls) {
  set(tls, TLS_TOLD, true);
  transport_above_failed(self_of(tls), tls->error);
}

/* --- Down: what OpenSSL wrote ------------------------------------------------------------------ */

/* Puts bytes behind those at *at, of which there are `before`. */
static int append(char **at, size_t before, const char *bytes, size_t size) {
  assert(bytes);
  char *grown = realloc(*at, before + size);
  if (!grown) return UV_ENOMEM;
  memcpy(grown + before, bytes, size);
  *at = grown;
  return 0;
}

static int write_left(struct tls *tls, size_t size) {
  uv_buf_t buf = uv_buf_init(tls->left, (unsigned)size);
  return transport_under_write(self_of(tls), &buf, 1);
}

/* Hands down what OpenSSL wrote since the last time. 0 or UV_E*. */
static int send_output(struct tls *tls) {
  struct tls_shared *shared = tls->input.shared;
  uv_buf_t buf = uv_buf_init(shared->output, (unsigned)shared->output_size);
  shared->output_size = 0;
  if (buf.len == 0) return 0;
  if (tls->left) {
    int rc = tls->behind_size + buf.len > BEHIND_BYTES_MAX
                 ? UV_EPROTO
                 : append(&tls->behind, tls->behind_size, buf.base, buf.len);
    if (rc == 0) tls->behind_size += buf.len;
    return rc;
  }
  ssize_t taken = transport_under_write_now(self_of(tls), &buf, 1);
  if (taken < 0 || (size_t)taken == buf.len) return taken < 0 ? (int)taken : 0;
  size_t rest = buf.len - (size_t)taken;
  int rc = append(&tls->left, 0, buf.base + taken, rest);
  return rc < 0 ? rc : write_left(tls, rest);
}

/* --- Up -------------------------------------------------------------------------------------- */

static int read_under(struct tls *tls) {
  return transport_under_read_start(self_of(tls), tls->room > 0 ? TLS_READ_BYTES : 0);
}

/* Keeps what OpenSSL has not read of its input. 0 or UV_ENOMEM. */
static int keep_input(struct tls *tls) {
  const struct tls_input *input = &tls->input;
  if (input->size == 0) return 0;
  int rc = append(&tls->kept, tls->kept_size, input->bytes, input->size);
  if (rc == 0) tls->kept_size += input->size;
  tls->input.size = 0;
  return rc;
}

static bool is_waiting(const struct tls *tls) {
  return tls->kept || has(tls, TLS_MORE);
}

/* Something is to be told that the one under it will not bring. */
static bool is_due(const struct tls *tls) {
  return is_waiting(tls) || has(tls, TLS_BROKEN | TLS_ENDED);
}

static void ask_turn(struct tls *tls) {
  tls_ask_turn(tls->input.shared, &tls->input.shared->due, &tls->link);
}

/* Goes on in the next turn with what waits, or with what there is to be told; or reads on. */
static void tls_go_on(struct tls *tls) {
  if (has(tls, TLS_CLOSED | TLS_TOLD) || !has(tls, TLS_READING)) return;
  if (is_due(tls)) {
    transport_under_read_stop(self_of(tls));
    ask_turn(tls);
    return;
  }
  int rc = read_under(tls);
  if (rc < 0) transport_above_failed(self_of(tls), rc);
}

static void tls_tell_end(struct tls *tls) {
  if (has(tls, TLS_BROKEN)) {
    tls_tell_failed(tls);
  } else {
    set(tls, TLS_TOLD, true);
    transport_above_ended(self_of(tls));
  }
}

/* Decrypts what there is, as far as there is room; how many bytes. */
static size_t decrypt(struct tls *tls, char *room) {
  size_t size = 0;
  while (size < tls->room) {
    size_t got;
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, room + size, tls->room - size, &got) == 1) {
      size += got;
      tls->messages = 0;
      continue;
    }
    set(tls, TLS_MORE, false);
    int error = SSL_get_error(tls->ssl, 0);
    if (tls->messages > MESSAGES_MAX) {
      tls_break(tls, UV_EPROTO,
                "the peer sends messages of the handshake without end, and no data");
    } else if (error == SSL_ERROR_ZERO_RETURN) {
      set(tls, TLS_ENDED, true);
    } else if (error != SSL_ERROR_WANT_READ) {
      (void)tls_break_off(tls);
    }
    return size;
  }
  set(tls, TLS_MORE, tls->room > 0 ? SSL_has_pending(tls->ssl) : has(tls, TLS_MORE));
  return size;
}

/* Reads its input, which is ciphertext, and hands on what that says. */
static void tls_read(struct tls *tls) {
  char *room = tls_room_for(tls->input.shared, tls->loop, tls->input.bytes);
  size_t size = decrypt(tls, room);
  int rc = send_output(tls); /* an answer to KeyUpdate, or an alert */
  if (rc == 0) rc = keep_input(tls);
  if (rc < 0) tls_break(tls, rc, NULL);
  bool is_news = size > 0 || (tls->room == 0 && is_waiting(tls));
  if (is_waiting(tls)) transport_under_read_stop(self_of(tls));
  if (is_news) transport_above_received(self_of(tls), size > 0 ? room : NULL, size);
  if (!is_news && has(tls, TLS_BROKEN | TLS_ENDED)) {
    tls_tell_end(tls);
  } else {
    tls_go_on(tls);
  }
}

/* --- The handshake ----------------------------------------------------------------------------- */

/* One step of it. False when it is not done: then it waits for more, or is broken. */
static bool shake(struct tls *tls) {
  ERR_clear_error();
  bool is_done = SSL_do_handshake(tls->ssl) == 1;
  if (!is_done && SSL_get_error(tls->ssl, -1) != SSL_ERROR_WANT_READ) (void)tls_break_off(tls);
  int rc = send_output(tls); /* with an alert, if it failed */
  if (rc < 0 && is_done) {
    tls_break(tls, rc, NULL); /* as that of one that is open: so do checks of HAProxy leave */
  } else if (rc < 0) {
    tls_break(tls, rc == UV_ENOMEM ? rc : UV_EPROTO, uv_strerror(rc));
  }
  return is_done && !has(tls, TLS_BROKEN);
}

/* What a peer says first is a record of a handshake, or an alert. */
static bool hear(struct tls *tls, const char *bytes, size_t size) {
  char words[WORDS_MAX];
  bool is_record = bytes[0] == SSL3_RT_HANDSHAKE || bytes[0] == SSL3_RT_ALERT;
  set(tls, TLS_HEARD, true);
  if (is_record) return true;
  set(tls, TLS_PLAINTEXT, true);
  tls_words_of_plaintext(bytes, size, words, sizeof words);
  tls_break(tls, UV_EPROTO, words);
  return false;
}

/* Goes on with the handshake, and then with what came behind it. */
static void tls_step(struct tls *tls) {
  struct transport *self = self_of(tls);
  const char *bytes = tls->input.bytes;
  bool is_done = (has(tls, TLS_HEARD) || hear(tls, bytes, tls->input.size)) && shake(tls);
  if (has(tls, TLS_BROKEN)) {
    tls_tell_failed(tls);
    return;
  }
  if (!is_done) return;
  set(tls, TLS_OPEN, true);
  tls->messages = 0;
  transport_under_read_stop(self);
  int rc = keep_input(tls);
  if (rc < 0) {
    transport_above_failed(self, rc);
  } else {
    transport_above_ready(self);
  }
}

/* It reads for itself until that is done. */
static void read_handshake(struct tls *tls) {
  int rc = has(tls, TLS_BROKEN) ? 0 : transport_under_read_start(self_of(tls), TLS_READ_BYTES);
  if (rc < 0) tls_break(tls, rc, uv_strerror(rc));
}

static void tls_ready(struct transport *self) {
  struct tls *tls = tls_of(self);
  tls->input.size = 0;
  if (!SSL_is_server(tls->ssl)) (void)shake(tls);
  read_handshake(tls);
  if (has(tls, TLS_BROKEN)) ask_turn(tls);
}

/* --- Events of the one under it -------------------------------------------------------------- */

static void tls_take(struct tls *tls, const char *bytes, size_t size) {
  tls->input.bytes = bytes;
  tls->input.size = size;
  if (has(tls, TLS_OPEN)) {
    tls_read(tls);
  } else {
    tls_step(tls);
  }
}

static void tls_received(struct transport *self, const char *bytes, size_t size) {
  struct tls *tls = tls_of(self);
  if (size == 0) {
    transport_above_received(self, NULL, 0);
  } else if (has(tls, TLS_OPEN) || tls_may_step(tls->input.shared)) {
    tls_take(tls, bytes, size);
  } else {
    tls->input.bytes = bytes;
    tls->input.size = size;
    transport_under_read_stop(self);
    tls_ask_turn(tls->input.shared, &tls->input.shared->hellos, &tls->link);
    if (keep_input(tls) < 0) transport_above_failed(self, UV_ENOMEM);
  }
}

/* Its turn has come. */
static void tls_on_turn(struct list *link) {
  struct tls *tls = LIST_ELEMENT(link, struct tls, link);
  char *kept = tls->kept;
  size_t size = tls->kept_size;
  tls->kept = NULL;
  tls->kept_size = 0;
  if (!has(tls, TLS_OPEN) && has(tls, TLS_BROKEN)) {
    tls_tell_failed(tls);
  } else if (!has(tls, TLS_OPEN)) {
    read_handshake(tls);
    tls_take(tls, kept, size);
  } else if (!has(tls, TLS_READING)) {
    tls->kept = kept; /* it stopped reading meanwhile, and says when it goes on */
    tls->kept_size = size;
    return;
  } else if (kept || has(tls, TLS_MORE)) {
    tls_take(tls, kept, size);
  } else {
    tls_tell_end(tls);
  }
  free(kept);
}

static void tls_ended(struct transport *self) {
  struct tls *tls = tls_of(self);
  if (!has(tls, TLS_OPEN)) {
    tls_break(tls, UV_EPROTO,
              has(tls, TLS_HEARD) ? "the peer ended the connection within the handshake"
                                  : "the peer ended the connection before the handshake");
    tls_tell_failed(tls);
  } else if (!has(tls, TLS_TOLD)) {
    set(tls, TLS_ENDED | TLS_TRUNCATED | TLS_TOLD, true);
    transport_above_ended(self);
  }
}

static void tls_failed(struct transport *self, int rc) {
  struct tls *tls = tls_of(self);
  bool is_handshake = !has(tls, TLS_OPEN) && rc != UV_ENOMEM;
  if (is_handshake) {
    tls_break(tls, UV_EPROTO, uv_strerror(rc));
  } else {
    tls_break(tls, rc, NULL); /* it is not TLS that failed */
  }
  tls_tell_failed(tls);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void advance(struct cursor *cursor, size_t size) {
  while (cursor->count > 0 && size >= cursor->bufs->len - cursor->offset) {
    size -= cursor->bufs->len - cursor->offset;
    cursor->bufs++;
    cursor->count--;
    cursor->offset = 0;
  }
  cursor->offset += size;
}

static size_t bytes_left(const struct cursor *cursor) {
  size_t size = 0;
  for (unsigned i = 0; i < cursor->count; i++) size += cursor->bufs[i].len;
  return size - cursor->offset;
}

/* The next bytes for one record: as they are, or several small pieces put together in `joined`. */
static uv_buf_t next_record(struct cursor *cursor, char *joined) {
  size_t size = cursor->bufs->len - cursor->offset;
  char *bytes = cursor->bufs->base + cursor->offset;
  if (size > TLS_RECORD_BYTES) size = TLS_RECORD_BYTES;
  if (size == TLS_RECORD_BYTES || cursor->count == 1) {
    advance(cursor, size);
    return uv_buf_init(bytes, (unsigned)size);
  }
  size_t used = 0;
  while (cursor->count > 0 && used < TLS_RECORD_BYTES) {
    size = cursor->bufs->len - cursor->offset;
    if (size > TLS_RECORD_BYTES - used) size = TLS_RECORD_BYTES - used;
    memcpy(joined + used, cursor->bufs->base + cursor->offset, size);
    used += size;
    advance(cursor, size);
  }
  return uv_buf_init(joined, (unsigned)used);
}

static int encrypt_record(struct tls *tls, uv_buf_t record) {
  while (record.len > 0) {
    size_t written;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, record.base, record.len, &written) != 1) return tls_break_off(tls);
    record.base += written;
    record.len -= written;
  }
  return 0;
}

/* Encrypts the next piece, and hands it down. How many bytes of text it has; or UV_E*. */
static ssize_t send_piece(struct tls *tls, struct cursor *cursor) {
  size_t size = 0;
  while (cursor->count > 0 && size < WRITE_PIECE_BYTES) {
    uv_buf_t record = next_record(cursor, tls->input.shared->joined);
    int rc = encrypt_record(tls, record);
    if (rc < 0) {
      tls->input.shared->output_size = 0; /* or the next connection sent it */
      return rc;
    }
    size += record.len;
  }
  int rc = send_output(tls);
  return rc < 0 ? rc : (ssize_t)size;
}

static ssize_t tls_write_now(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  struct tls *tls = tls_of(self);
  struct cursor cursor = {bufs, count, 0};
  ssize_t taken = 0;
  while (!tls->left && cursor.count > 0) {
    if (has(tls, TLS_BROKEN)) return UV_EPIPE;
    ssize_t size = send_piece(tls, &cursor);
    if (size < 0) return size;
    if (tls->left) {
      tls->ahead = (size_t)size;
    } else {
      taken += size;
    }
  }
  return taken;
}

/* Only ever follows a tls_write_now() which could not hand all of it down. */
static int tls_write(struct transport *self, const uv_buf_t *bufs, unsigned count) {
  struct tls *tls = tls_of(self);
  struct sending *sending = malloc(sizeof *sending + count * sizeof *bufs);
  assert(tls->left && !tls->sending);
  if (!sending) return UV_ENOMEM;
  memcpy(sending->bufs, bufs, count * sizeof *bufs);
  sending->cursor = (struct cursor){sending->bufs, count, 0};
  assert(tls->ahead <= bytes_left(&sending->cursor));
  advance(&sending->cursor, tls->ahead);
  tls->ahead = 0;
  tls->sending = sending;
  return 0;
}

static void drop_sending(struct tls *tls) {
  free(tls->sending);
  tls->sending = NULL;
}

static int send_behind(struct tls *tls) {
  size_t size = tls->behind_size;
  tls->left = tls->behind;
  tls->behind = NULL;
  tls->behind_size = 0;
  return tls->left ? write_left(tls, size) : 0;
}

static void tls_written(struct transport *self) {
  struct tls *tls = tls_of(self);
  free(tls->left);
  int rc = send_behind(tls);
  while (rc == 0 && !tls->left && tls->sending && tls->sending->cursor.count > 0) {
    ssize_t size = has(tls, TLS_BROKEN) ? UV_EPIPE : send_piece(tls, &tls->sending->cursor);
    if (size < 0) rc = (int)size;
  }
  if (rc < 0) {
    transport_above_failed(self, rc);
  } else if (!tls->left && tls->sending) {
    drop_sending(tls);
    transport_above_written(self);
  } else if (!tls->left && has(tls, TLS_FINISHING)) {
    (void)transport_under_finish(self); /* who reads learns of a reset */
  }
}

static size_t tls_unacknowledged(const struct transport *self) {
  const struct tls *tls = tls_of(self);
  size_t size = transport_under_unacknowledged(self);
  return tls->sending ? size + bytes_left(&tls->sending->cursor) : size;
}

/* --- Down: the rest -------------------------------------------------------------------------- */

static int tls_read_start(struct transport *self, size_t room) {
  struct tls *tls = tls_of(self);
  tls->room = room < READ_BUFFER_BYTES ? room : READ_BUFFER_BYTES;
  set(tls, TLS_READING, true);
  if (!is_due(tls)) return read_under(tls);
  ask_turn(tls);
  return 0;
}

static void tls_read_stop(struct transport *self) {
  set(tls_of(self), TLS_READING, false);
  transport_under_read_stop(self);
}

static size_t tls_unread(const struct transport *self) {
  return tls_of(self)->kept_size + transport_under_unread(self);
}

/* Says close_notify, once. 0 or UV_E*. */
static int say_goodbye(struct tls *tls) {
  bool can_speak = has(tls, TLS_OPEN) && !has(tls, TLS_BROKEN);
  if (!can_speak || (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN)) return 0;
  ERR_clear_error();
  (void)SSL_shutdown(tls->ssl); /* that the peer has not said it yet is no fault */
  return send_output(tls);
}

static int tls_finish(struct transport *self) {
  struct tls *tls = tls_of(self);
  int rc = say_goodbye(tls);
  if (rc == 0 && tls->left) {
    set(tls, TLS_FINISHING, true);
    return 0;
  }
  return rc < 0 ? rc : transport_under_finish(self);
}

/* Nothing is told any more. */
static void leave(struct tls *tls) {
  list_remove(&tls->link);
  set(tls, TLS_CLOSED, true);
}

static void tls_close(struct transport *self) {
  leave(tls_of(self));
  transport_under_close(self);
}

static void tls_reset(struct transport *self) {
  leave(tls_of(self));
  transport_under_reset(self);
}

static void tls_free(struct transport *self) {
  struct tls *tls = tls_of(self);
  list_remove(&tls->link);
  SSL_free(tls->ssl);
  tls_context_release(tls->context);
  free(tls->kept);
  free(tls->left);
  free(tls->behind);
  free(tls->sending);
  free(tls->fault);
  free(tls);
}

static const struct transport_ops tls_ops = {
    .set_above = transport_set_above,
    .open = transport_under_open,
    .read_start = tls_read_start,
    .read_stop = tls_read_stop,
    .write_now = tls_write_now,
    .write = tls_write,
    .finish = tls_finish,
    .reset = tls_reset,
    .close = tls_close,
    .free = tls_free,
    .unread = tls_unread,
    .unacknowledged = tls_unacknowledged,
    .ready = tls_ready,
    .received = tls_received,
    .ended = tls_ended,
    .failed = tls_failed,
    .written = tls_written,
    .closed = transport_above_closed,
};

/* --- Making it ------------------------------------------------------------------------------- */

/* SSL_CTX_set_msg_callback(3): each message of a handshake that comes once it is done. OpenSSL would
 * go on with them as long as there are some. */
static void tls_on_message(int is_written, int version, int type, const void *bytes, size_t size,
                           SSL *ssl, void *self) {
  struct tls *tls = self;
  (void)version, (void)bytes, (void)size, (void)ssl;
  if (is_written || type != SSL3_RT_HANDSHAKE || !has(tls, TLS_OPEN)) return;
  if (++tls->messages > MESSAGES_MAX) tls->input.is_cut = true;
}

static bool begin_ssl(struct tls *tls, const char *name) {
  tls->ssl = tls_context_begin(tls->context, name);
  BIO *bio = tls->ssl ? tls_bio_new(&tls->input) : NULL;
  if (!bio) return false;
  SSL_set_bio(tls->ssl, bio, bio);
  SSL_set_msg_callback(tls->ssl, tls_on_message);
  SSL_set_msg_callback_arg(tls->ssl, tls);
  return true;
}

struct transport_layer *tls_new(struct net_loop *loop, struct tls_context *context,
                                const char *name) {
  struct tls_shared *shared = tls_shared_of(loop, tls_on_turn);
  struct tls *tls = shared ? calloc(1, sizeof *tls) : NULL;
  if (!tls) return NULL;
  tls->layer.over.transport.ops = &tls_ops;
  tls->loop = loop;
  tls->context = tls_context_keep(context);
  tls->input.shared = shared;
  tls->room = READ_BUFFER_BYTES;
  list_init(&tls->link);
  if (begin_ssl(tls, name)) return &tls->layer;
  tls_free(self_of(tls));
  return NULL;
}

/* --- What is known of it --------------------------------------------------------------------- */

bool tls_is(const struct transport *layer) {
  return layer->ops == &tls_ops;
}

SSL *tls_ssl(const struct transport *layer) {
  return tls_of(layer)->ssl;
}

bool tls_is_truncated(const struct transport *layer) {
  return has(tls_of(layer), TLS_TRUNCATED);
}

const char *tls_fault(const struct transport *layer) {
  return tls_of(layer)->fault;
}

bool tls_has_heard(const struct transport *layer) {
  return has(tls_of(layer), TLS_HEARD);
}

bool tls_met_plaintext(const struct transport *layer) {
  return has(tls_of(layer), TLS_PLAINTEXT);
}
