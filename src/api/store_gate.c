/* api/store_gate.c — the lock before the writers of one store, in a small file beside it. Knows no LMDB. */
#include "api/store_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, BOOT_BYTES = 40, SPINS = 40, RETRY_MS = 10, ATTEMPTS = 8 };
enum { NAPS = 16, NAP_NS = 20000 }; /* which the system makes 70 us each */
enum { SLICE_MS = 10, ALL_TURNS_MS = 2000, LET_IN_NS = 50000, LET_IN_MAX = 1000 };

static const char gate_magic[16] = "moonport.gate.1";

struct store_gate_page {
  char magic[sizeof gate_magic];
  char boot[BOOT_BYTES]; /* of the machine, when it was opened last */
  uint32_t is_clean;
  pthread_mutex_t mutex;
  _Atomic uint64_t turn; /* how often it was locked: grows */
  _Atomic pid_t owner;
  _Atomic pid_t hungry;       /* who has waited for long; 0: nobody */
  _Atomic uint32_t is_locked; /* a hint: who is killed leaves it set */
};

/* Empty where the system does not tell: then every time is the same. */
static void read_boot(char out[BOOT_BYTES]) {
  memset(out, 0, BOOT_BYTES);
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t got = read(fd, out, BOOT_BYTES - 1);
  if (got < 0) memset(out, 0, BOOT_BYTES);
  close(fd);
}

static void pause_ms(long ms) {
  const struct timespec time = {.tv_nsec = ms * 1000000};
  nanosleep(&time, NULL);
}

/* LOCK_EX: nobody else has it open. LOCK_SH: others have. */
static int take_flock(int fd, bool may_be_alone, int *kind) {
  for (int ms = 0; ms < STORE_GATE_OPEN_MS; ms += RETRY_MS) {
    *kind = LOCK_EX;
    if (may_be_alone && flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    *kind = LOCK_SH;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK && errno != EINTR) return -errno;
    pause_ms(RETRY_MS);
  }
  return -EBUSY;
}

static int open_page(struct store_gate *gate, bool is_alone) {
  int rc = is_alone ? posix_fallocate(gate->fd, 0, PAGE_BYTES) : 0;
  if (rc != 0) return -rc;
  void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, gate->fd, 0);
  if (page == MAP_FAILED) return -errno;
  gate->page = page;
  return 0;
}

static enum store_gate_past read_past(const struct store_gate_page *page) {
  char boot[BOOT_BYTES];
  read_boot(boot);
  bool is_known = memcmp(page->magic, gate_magic, sizeof gate_magic) == 0;
  if (!is_known || page->is_clean) return STORE_GATE_CLEAN;
  return memcmp(page->boot, boot, BOOT_BYTES) == 0 ? STORE_GATE_DROPPED : STORE_GATE_CRASHED;
}

/* Who made the store in vain removes its files. */
static bool is_named(int fd, const char *path) {
  struct stat opened, named;
  return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino;
}

static int open_locked(struct store_gate *gate, const char *path, int *kind) {
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    gate->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (gate->fd < 0) return -errno;
    int rc = take_flock(gate->fd, true, kind);
    if (rc < 0 || is_named(gate->fd, path)) return rc;
    close(gate->fd);
    gate->fd = -1;
  }
  return -EBUSY;
}

int store_gate_open(struct store_gate *gate, const char *path, bool *is_alone,
                    enum store_gate_past *past) {
  int kind = LOCK_SH;
  *gate = (struct store_gate){.fd = -1, .own = getpid()};
  *past = STORE_GATE_CLEAN;
  int rc = open_locked(gate, path, &kind);
  *is_alone = kind == LOCK_EX;
  if (rc == 0) rc = open_page(gate, *is_alone);
  if (rc == 0 && *is_alone) *past = read_past(gate->page);
  if (rc == 0) return 0;
  store_gate_close(gate);
  return rc;
}

static int init_mutex(pthread_mutex_t *mutex) {
  pthread_mutexattr_t attributes;
  memset(mutex, 0, sizeof(pthread_mutex_t));
  int rc = pthread_mutexattr_init(&attributes);
  if (rc != 0) return -rc;
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  rc = pthread_mutex_init(mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return -rc;
}

int store_gate_share(struct store_gate *gate, bool is_alone) {
  int kind;
  if (!is_alone) return 0;
  struct store_gate_page *page = gate->page;
  int rc = init_mutex(&page->mutex);
  if (rc < 0) return rc;
  read_boot(page->boot);
  page->is_clean = 0;
  page->turn = 1;
  page->hungry = 0;
  page->is_locked = 0;
  memcpy(page->magic, gate_magic, sizeof gate_magic);
  /* Somebody may come in before the shared lock is had, believe to be alone, and do the same again:
   * that does no harm before anybody has locked the mutex. */
  return take_flock(gate->fd, false, &kind);
}

bool store_gate_is_last(struct store_gate *gate) {
  return gate->fd >= 0 && flock(gate->fd, LOCK_EX | LOCK_NB) == 0;
}

void store_gate_mark_clean(struct store_gate *gate) {
  gate->page->is_clean = 1;
}

void store_gate_close(struct store_gate *gate) {
  if (gate->page) munmap(gate->page, PAGE_BYTES);
  if (gate->fd >= 0) close(gate->fd);
  *gate = (struct store_gate){.fd = -1};
}

static void spin(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

static int lock_within(pthread_mutex_t *mutex, long ms) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += ms * 1000000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  return pthread_mutex_timedlock(mutex, &until);
}

/* The mutex goes to whoever asks first when it is free, which is mostly the one who just had it: who waits
 * for long says so, and the others let him come in. One that died hungry is forgotten. */
static void let_others_in(struct store_gate *gate) {
  const struct timespec pause = {.tv_nsec = LET_IN_NS};
  struct store_gate_page *page = gate->page;
  pid_t hungry = atomic_load_explicit(&page->hungry, memory_order_relaxed);
  if (hungry == 0 || hungry == gate->own) {
    gate->let_in = 0;
    return;
  }
  if (++gate->let_in <= LET_IN_MAX) {
    nanosleep(&pause, NULL);
  } else {
    gate->let_in = 0;
    atomic_compare_exchange_strong(&page->hungry, &hungry, 0);
  }
}

/* Until one turn of somebody else's lasts too long; many of them may. */
static int lock_late(struct store_gate *gate) {
  struct store_gate_page *page = gate->page;
  uint64_t turn = atomic_load(&page->turn);
  int rc = EBUSY, same_ms = 0;
  for (int ms = 0; ms < ALL_TURNS_MS && same_ms < STORE_GATE_WAIT_MS; ms += SLICE_MS) {
    rc = lock_within(&page->mutex, SLICE_MS);
    if (rc != ETIMEDOUT) break;
    atomic_store(&page->hungry, gate->own);
    const uint64_t next = atomic_load(&page->turn);
    same_ms = next == turn ? same_ms + SLICE_MS : 0;
    turn = next;
  }
  pid_t own = gate->own;
  atomic_compare_exchange_strong(&page->hungry, &own, 0);
  return rc;
}

/* Looks until it seems to be free, and tries once: each try takes the mutex away from the processor of
 * whoever has it, who needs it there to give it back. */
static int lock_spinning(struct store_gate_page *page) {
  for (int i = 0; i < SPINS; i++) {
    if (!atomic_load_explicit(&page->is_locked, memory_order_relaxed)) break;
    spin();
  }
  return pthread_mutex_trylock(&page->mutex);
}

/* A turn is mostly over in less time than it takes to sleep and be woken. Where many follow each other,
 * who naps lets one process have some in a row, with the store's pages in its processor's cache, and
 * nobody has to wake it, as who sleeps at the mutex itself has to be. */
static int lock_soon(struct store_gate *gate) {
  const struct timespec nap = {.tv_nsec = NAP_NS};
  struct store_gate_page *page = gate->page;
  let_others_in(gate);
  int rc = lock_spinning(page);
  if (rc == EBUSY && atomic_load(&page->turn) == gate->stuck_turn) return EBUSY;
  for (int i = 0; i < NAPS && rc == EBUSY; i++) {
    nanosleep(&nap, NULL);
    rc = lock_spinning(page);
  }
  return rc == EBUSY ? lock_late(gate) : rc;
}

int store_gate_enter(struct store_gate *gate) {
  if (!gate->page) return 0;
  struct store_gate_page *page = gate->page;
  int rc = lock_soon(gate);
  /* Its owner was killed. What he had begun in the store, LMDB forgets. */
  if (rc == EOWNERDEAD) rc = pthread_mutex_consistent(&page->mutex);
  if (rc != 0) {
    gate->stuck_turn = atomic_load(&page->turn);
    return -EBUSY;
  }
  gate->stuck_turn = 0;
  atomic_fetch_add(&page->turn, 1);
  atomic_store_explicit(&page->owner, gate->own, memory_order_relaxed);
  atomic_store_explicit(&page->is_locked, 1, memory_order_relaxed);
  return 0;
}

void store_gate_leave(struct store_gate *gate) {
  if (!gate->page) return;
  atomic_store_explicit(&gate->page->is_locked, 0, memory_order_relaxed);
  pthread_mutex_unlock(&gate->page->mutex);
}

pid_t store_gate_owner(const struct store_gate *gate) {
  return gate->page ? atomic_load(&gate->page->owner) : 0;
}
