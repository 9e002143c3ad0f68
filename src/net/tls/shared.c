/* net/tls/shared.c — what the TLS connections of a loop have in common. Knows no connection.
 *
 * OpenSSL reads and writes through one BIO of our own, over memory that is the loop's, so that an idle
 * connection has no buffer. It never has to wait for a write: what it wrote is handed on at the end of
 * the call that made it do so. */
#include "net/tls/shared.h"

#include "base/room.h"
#include "net/defer.h"
#include "net/loop_state.h"

#include <stdlib.h>
#include <string.h>

enum {
  STEPS_PER_TURN = 4,      /* bench/tls: a thousand hellos delay another connection by 10 ms */
  OUTPUT_BYTES = 68 << 10, /* four full records, each with what TLS adds to it */
};

/* --- The BIO --------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *out, int size) {
  struct tls_input *input = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (input->size == 0 || input->is_cut) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t taken = (size_t)size < input->size ? (size_t)size : input->size;
  memcpy(out, input->bytes, taken);
  input->bytes += taken;
  input->size -= taken;
  return (int)taken;
}

static bool reserve(struct tls_shared *shared, size_t size) {
  size_t needed = shared->output_size + size;
  if (needed <= shared->output_capacity) return true;
  char *output = realloc(shared->output, needed);
  if (!output) return false;
  shared->output = output;
  shared->output_capacity = needed;
  return true;
}

static int bio_write(BIO *bio, const char *bytes, int size) {
  struct tls_shared *shared = ((struct tls_input *)BIO_get_data(bio))->shared;
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  if (!reserve(shared, (size_t)size)) return -1;
  memcpy(shared->output + shared->output_size, bytes, (size_t)size);
  shared->output_size += (size_t)size;
  return size;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

BIO *tls_bio_new(struct tls_input *input) {
  BIO *bio = BIO_new(input->shared->method);
  if (!bio) return NULL;
  BIO_set_data(bio, input);
  BIO_set_init(bio, 1);
  return bio;
}

static BIO_METHOD *new_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "moonport");
  if (!method) return NULL;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

/* --- Turns ----------------------------------------------------------------------------------- */

/* Comes behind what was ready in this turn: what is left of its steps is for those who wait. */
static void shared_on_turn(void *owner) {
  struct tls_shared *shared = owner;
  struct list due;
  list_take(&due, &shared->due);
  while (!list_empty(&due)) shared->on_turn(list_shift(&due));
  while (shared->steps < STEPS_PER_TURN && !list_empty(&shared->hellos)) {
    shared->steps++;
    shared->on_turn(list_shift(&shared->hellos));
  }
  shared->steps = 0;
  if (!list_empty(&shared->hellos)) net_defer_ask(shared->defer);
}

bool tls_may_step(struct tls_shared *shared) {
  if (shared->steps >= STEPS_PER_TURN || !list_empty(&shared->hellos)) return false;
  shared->steps++;
  net_defer_ask(shared->defer);
  return true;
}

void tls_ask_turn(struct tls_shared *shared, struct list *list, struct list *link) {
  if (list_empty(link)) list_append(list, link);
  net_defer_ask(shared->defer);
}

char *tls_room_for(struct tls_shared *shared, struct net_loop *loop, const char *ciphertext) {
  char *buffer = loop->read_buffer;
  if (ciphertext >= buffer && ciphertext < buffer + READ_BUFFER_BYTES) {
    loop->read_buffer = shared->room;
    shared->room = buffer;
  }
  return loop->read_buffer;
}

/* --- Making it ------------------------------------------------------------------------------- */

void tls_shared_free(struct tls_shared *shared) {
  if (!shared) return;
  if (shared->defer) net_defer_close(shared->defer);
  if (shared->room) free(shared->room - ROOM_HEAD);
  BIO_meth_free(shared->method);
  free(shared->joined);
  free(shared->output);
  free(shared);
}

struct tls_shared *tls_shared_of(struct net_loop *loop, void (*on_turn)(struct list *link)) {
  if (loop->tls) return loop->tls;
  struct tls_shared *shared = calloc(1, sizeof *shared);
  if (!shared) return NULL;
  list_init(&shared->hellos);
  list_init(&shared->due);
  shared->on_turn = on_turn;
  char *room = malloc(ROOM_SIZE);
  if (room) shared->room = room + ROOM_HEAD;
  shared->joined = malloc(TLS_RECORD_BYTES);
  shared->output = malloc(OUTPUT_BYTES);
  shared->output_capacity = OUTPUT_BYTES;
  shared->method = new_method();
  shared->defer = net_defer_new(loop, shared_on_turn, shared);
  if (room && shared->joined && shared->output && shared->method && shared->defer) {
    return loop->tls = shared;
  }
  tls_shared_free(shared);
  return NULL;
}
