/* net/tls/trust.c — the authorities that the system trusts, read once in a loop's life, and beside it.
 * Knows no connection. */
#include "net/tls/trust.h"

#include "net/loop_state.h"
#include "net/tls/roots.h"

#include <openssl/crypto.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

struct trust {
  uv_work_t work;
  struct list waiting; /* struct trust_wait */
  bool is_reading;
  X509_STORE *store; /* NULL: they are not there */
  char fault[512];   /* why not; empty: they were not read yet */
};

static void load(struct trust *trust) {
  trust->store = tls_roots_load(trust->fault, sizeof trust->fault);
}

/* On another thread. */
static void trust_on_work(uv_work_t *work) {
  load(LIST_ELEMENT(work, struct trust, work));
  OPENSSL_thread_stop(); /* it may have left something for its errors */
}

static struct trust *trust_new(void) {
  struct trust *trust = calloc(1, sizeof *trust);
  if (trust) list_init(&trust->waiting);
  return trust;
}

struct x509_store_st *trust_of(struct net_loop *loop) {
  if (loop->is_simulated && !loop->trust) { /* nobody would run what is read beside it */
    loop->trust = trust_new();
    if (loop->trust) load(loop->trust);
  }
  return loop->trust ? loop->trust->store : NULL;
}

const char *trust_fault(const struct net_loop *loop) {
  const struct trust *trust = loop->trust;
  return trust && trust->fault[0] ? trust->fault : NULL;
}

static void trust_on_read(uv_work_t *work, int status) {
  struct trust *trust = LIST_ELEMENT(work, struct trust, work);
  struct list waiting;
  (void)status; /* nobody cancels it */
  trust->is_reading = false;
  list_take(&waiting, &trust->waiting);
  for (struct list *link; (link = list_shift(&waiting)) != NULL;) {
    struct trust_wait *wait = LIST_ELEMENT(link, struct trust_wait, link);
    wait->on_done(wait);
  }
}

int trust_read(struct net_loop *loop, struct trust_wait *wait) {
  if (!loop->trust && !(loop->trust = trust_new())) return UV_ENOMEM;
  struct trust *trust = loop->trust;
  if (!trust->is_reading) {
    trust->fault[0] = '\0';
    int rc = uv_queue_work(&loop->uv, &trust->work, trust_on_work, trust_on_read);
    if (rc < 0) return rc;
  }
  trust->is_reading = true;
  list_append(&trust->waiting, &wait->link);
  return 0;
}

void trust_free(struct trust *trust) {
  if (!trust) return;
  X509_STORE_free(trust->store);
  free(trust);
}
