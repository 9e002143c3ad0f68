/* server/reload/scanner.c — a thread that runs scans, so that a slow file system holds up no connection.
 *
 * Not one of libuv's: those look up host names too, and libuv ends the process when it cannot start
 * them. */
#include "server/reload/scanner.h"

#include "net/loop.h"
#include "server/reload/scan.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

struct scanner {
  uv_async_t done;
  void (*on_done)(void *context);
  void *context;
  pthread_t thread;
  pthread_mutex_t mutex; /* for all below */
  pthread_cond_t wake;
  struct scan *scan; /* at work on it; NULL: none */
  size_t rehash_bytes_max;
  bool ending;
};

static void run_scans(struct scanner *scanner) {
  while (true) {
    while (!scanner->scan && !scanner->ending) {
      pthread_cond_wait(&scanner->wake, &scanner->mutex);
    }
    if (scanner->ending) return;
    struct scan *scan = scanner->scan;
    pthread_mutex_unlock(&scanner->mutex);
    scan_run(scan, scanner->rehash_bytes_max);
    pthread_mutex_lock(&scanner->mutex);
    scanner->scan = NULL;
    uv_async_send(&scanner->done);
  }
}

static void *on_thread(void *argument) {
  struct scanner *scanner = argument;
  pthread_mutex_lock(&scanner->mutex);
  run_scans(scanner);
  pthread_mutex_unlock(&scanner->mutex);
  return NULL;
}

static int start_thread(struct scanner *scanner) {
  sigset_t all, before;
  sigfillset(&all); /* signals are for the thread that runs the loop */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&scanner->thread, NULL, on_thread, scanner);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

static void on_async(uv_async_t *async) {
  struct scanner *scanner = async->data;
  /* The thread sends while it holds the mutex: from here on its scan is ours, without a word about
   * the order of memory in libuv. */
  pthread_mutex_lock(&scanner->mutex);
  pthread_mutex_unlock(&scanner->mutex);
  scanner->on_done(scanner->context);
}

static void on_closed(uv_handle_t *handle) {
  struct scanner *scanner = handle->data;
  pthread_mutex_destroy(&scanner->mutex);
  pthread_cond_destroy(&scanner->wake);
  free(scanner);
}

struct scanner *scanner_open(struct net_loop *loop, void (*on_done)(void *context), void *context) {
  struct scanner *scanner = calloc(1, sizeof *scanner);
  if (!scanner) return NULL;
  if (uv_async_init(net_loop_uv(loop), &scanner->done, on_async) < 0) {
    free(scanner);
    return NULL;
  }
  uv_unref((uv_handle_t *)&scanner->done);
  scanner->done.data = scanner;
  scanner->on_done = on_done;
  scanner->context = context;
  pthread_mutex_init(&scanner->mutex, NULL);
  pthread_cond_init(&scanner->wake, NULL);
  if (start_thread(scanner) == 0) return scanner;
  uv_close((uv_handle_t *)&scanner->done, on_closed);
  return NULL;
}

void scanner_start(struct scanner *scanner, struct scan *scan, size_t rehash_bytes_max) {
  pthread_mutex_lock(&scanner->mutex);
  assert(!scanner->scan);
  scanner->scan = scan;
  scanner->rehash_bytes_max = rehash_bytes_max;
  pthread_cond_signal(&scanner->wake);
  pthread_mutex_unlock(&scanner->mutex);
}

void scanner_close(struct scanner *scanner) {
  pthread_mutex_lock(&scanner->mutex);
  if (scanner->scan) scanner->scan->stop = true;
  scanner->ending = true;
  pthread_cond_signal(&scanner->wake);
  pthread_mutex_unlock(&scanner->mutex);
  pthread_join(scanner->thread, NULL);
  uv_close((uv_handle_t *)&scanner->done, on_closed);
}
