/* api/store_open.c — opens and closes stores: the file, what may be wrong with it, what it must hold. Knows no
 * Lua.
 *
 * A file has its whole size from the start: a page that there is no room for when it is first written
 * would be a SIGBUS. Whoever has it open alone makes it, and judges what is there: no other store, no
 * file of somebody else's, nothing that was cut short, nothing that a crash of the machine left half
 * written (a killed process leaves no such thing; only the disk does, for nobody waits for it). */
#include "api/store_state.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TABLES = 3, PATH_BYTES = 4200, RESERVE_PAGES_MIN = 48, LOCK_BYTES = 8192 };

struct opening {
  const struct store_options *options;
  struct store *store;
  char *fault;
  bool is_alone;
  bool is_new; /* the file is to be removed when this fails */
};

#define TELL(opening, ...) snprintf((opening)->fault, STORE_FAULT_BYTES, __VA_ARGS__)

static int refuse_file(const struct opening *opening, const char *what) {
  TELL(opening, "%s %s: remove it, or give another path", opening->options->path, what);
  return STORE_DAMAGED;
}

/* Of an errno. */
static int fail(const struct opening *opening, int error) {
  char bytes[TEXT_UNITS_SIZE_MAX];
  const char *path = opening->options->path;
  text_format_bytes(opening->store->bytes_max, bytes);
  if (error == ENOSPC) {
    TELL(opening, "%s: there is no room for %s: make some, or give a smaller size or another path",
         path ? path : opening->options->name, bytes);
  } else {
    TELL(opening, "%s: %s", path ? path : opening->options->name, strerror(error));
  }
  return -error;
}

static int fail_by_lmdb(const struct opening *opening, int rc) {
  if (rc > 0) return fail(opening, rc);
  TELL(opening, "%s: %s: remove it, or give another path",
       opening->options->path ? opening->options->path : opening->options->name, mdb_strerror(rc));
  return STORE_DAMAGED;
}

/* --- The file ------------------------------------------------------------------------------------ */

static bool begins_with_nothing(int fd) {
  char bytes[4096];
  ssize_t got = pread(fd, bytes, sizeof bytes, 0);
  for (ssize_t i = 0; i < got; i++) {
    if (bytes[i]) return false;
  }
  return got >= 0;
}

/* Looks at it through LMDB, which reads its first pages only. */
static int judge_contents(const struct opening *opening, uint64_t size) {
  MDB_env *env;
  MDB_envinfo info;
  MDB_stat stat;
  int rc = mdb_env_create(&env);
  if (rc != 0) return fail_by_lmdb(opening, rc);
  rc = mdb_env_open(env, opening->options->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
  if (rc == 0) rc = mdb_env_info(env, &info);
  if (rc == 0) rc = mdb_env_stat(env, &stat);
  mdb_env_close(env);
  if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH || rc == ENOENT)
    return refuse_file(opening, "is no store of moonport's");
  if (rc != 0) return fail_by_lmdb(opening, rc);
  if ((info.me_last_pgno + 1) * stat.ms_psize <= size) return 0;
  return refuse_file(opening, "is damaged: it was cut short");
}

static int judge_past(const struct opening *opening, enum store_gate_past past) {
  if (past != STORE_GATE_CRASHED || !opening->options->is_kept) return 0;
  TELL(opening,
       "the machine went down while %s was open, and what was on its way to the disk is lost: "
       "remove it, or remove %s-gate to take it as it is",
       opening->options->path, opening->options->path);
  return STORE_DAMAGED;
}

static int refuse_shrinking(const struct opening *opening, uint64_t size) {
  char is[TEXT_UNITS_SIZE_MAX], asked[TEXT_UNITS_SIZE_MAX];
  text_format_bytes(size, is);
  text_format_bytes(opening->store->bytes_max, asked);
  TELL(opening, "%s has %s, and a store cannot be made smaller: open it with that size, not %s",
       opening->options->path, is, asked);
  return STORE_MISMATCH;
}

/* LMDB makes this file itself, but not its pages. */
static int reserve_lock(const struct opening *opening) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s-lock", opening->options->path);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(opening, errno);
  int error = posix_fallocate(fd, 0, LOCK_BYTES);
  close(fd);
  return error == 0 ? 0 : fail(opening, error);
}

static int prepare_alone(struct opening *opening, int fd, uint64_t size,
                         enum store_gate_past past) {
  if (size > 0 && begins_with_nothing(fd)) { /* who made it was killed before it was anything */
    if (ftruncate(fd, 0) < 0) return fail(opening, errno);
    size = 0;
  }
  opening->is_new = size == 0;
  int rc = size > 0 ? judge_past(opening, past) : 0;
  if (rc == 0 && size > 0) rc = judge_contents(opening, size);
  if (rc == 0 && size > opening->store->bytes_max) rc = refuse_shrinking(opening, size);
  return rc != 0 ? rc : reserve_lock(opening);
}

static int refuse_size(const struct opening *opening, uint64_t size) {
  char is[TEXT_UNITS_SIZE_MAX], asked[TEXT_UNITS_SIZE_MAX];
  text_format_bytes(size, is);
  text_format_bytes(opening->store->bytes_max, asked);
  TELL(opening, "the store \"%s\" is open with a size of %s, and cannot have %s, too",
       opening->options->name, is, asked);
  return STORE_MISMATCH;
}

static int prepare_file(struct opening *opening, enum store_gate_past past) {
  struct stat status;
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  int fd = open(opening->options->path, flags, 0600);
  if (fd < 0) return fail(opening, errno);
  int rc = fstat(fd, &status) < 0 ? fail(opening, errno) : 0;
  if (rc == 0 && !S_ISREG(status.st_mode)) rc = refuse_file(opening, "is no file");
  const uint64_t size = rc == 0 ? (uint64_t)status.st_size : 0;
  if (rc == 0 && opening->is_alone) rc = prepare_alone(opening, fd, size, past);
  if (rc == 0 && !opening->is_alone && size != opening->store->bytes_max)
    rc = refuse_size(opening, size);
  if (rc == 0) {
    opening->store->device = status.st_dev;
    opening->store->inode = status.st_ino;
  }
  close(fd);
  return rc;
}

static int open_file(struct opening *opening) {
  char path[PATH_BYTES];
  enum store_gate_past past;
  struct store *store = opening->store;
  snprintf(path, sizeof path, "%s-gate", opening->options->path);
  int rc = store_gate_open(&store->gate, path, &opening->is_alone, &past);
  if (rc == -EBUSY) {
    TELL(opening, "another process opens or closes %s, and has not ended within %d ms",
         opening->options->path, STORE_GATE_OPEN_MS);
    return STORE_BUSY;
  }
  return rc < 0 ? fail(opening, -rc) : prepare_file(opening, past);
}

static int open_memory(struct opening *opening) {
  struct store *store = opening->store;
  opening->is_alone = true;
  store->fd = memfd_create("moonport.shared", MFD_CLOEXEC);
  return store->fd < 0 ? fail(opening, errno) : 0;
}

/* --- What is in it ------------------------------------------------------------------------------- */

static int open_tables(struct store *store, MDB_txn *txn, unsigned flags) {
  static const char *const names[TABLES] = {"entries", "times", "order"};
  MDB_dbi *const tables[TABLES] = {&store->entries, &store->times, &store->order};
  int rc = 0;
  for (int i = 0; i < TABLES && rc == 0; i++) rc = mdb_dbi_open(txn, names[i], flags, tables[i]);
  return rc;
}

static int refuse_record(const struct opening *opening, const struct store_file_record *record) {
  if (record->version != STORE_FILE_VERSION)
    return refuse_file(opening, "was written by another version of moonport");
  TELL(opening, "the store \"%s\" was made with evict = %s, and stays so", opening->options->name,
       record->evicts ? "true" : "false");
  return STORE_MISMATCH;
}

/* An empty file becomes a store; any other must be one. */
static int check_record(const struct opening *opening, MDB_txn *txn) {
  struct store *store = opening->store;
  struct store_file_record record;
  MDB_val name = {sizeof store_record_name, (void *)(uintptr_t)store_record_name}, data;
  MDB_stat stat;
  int rc = mdb_dbi_open(txn, NULL, 0, &store->main);
  if (rc == 0) rc = mdb_stat(txn, store->main, &stat);
  if (rc != 0) return fail_by_lmdb(opening, rc);
  rc = mdb_get(txn, store->main, &name, &data);
  if (rc == 0 && data.mv_size == sizeof record) {
    memcpy(&record, data.mv_data, sizeof record);
    bool is_same = record.version == STORE_FILE_VERSION && record.evicts == store->evicts;
    return is_same ? 0 : refuse_record(opening, &record);
  }
  if (rc != MDB_NOTFOUND || stat.ms_entries > 0 || !opening->is_alone)
    return refuse_file(opening, "is no store of moonport's");
  rc = store_put_file_record(store, txn);
  return rc == 0 ? 0 : fail_by_lmdb(opening, rc);
}

static int open_contents(const struct opening *opening) {
  struct store *store = opening->store;
  MDB_txn *txn;
  int rc = mdb_txn_begin(store->env, NULL, opening->is_alone ? 0 : MDB_RDONLY, &txn);
  if (rc != 0) return fail_by_lmdb(opening, rc);
  int refused = check_record(opening, txn);
  if (refused == 0) rc = open_tables(store, txn, opening->is_alone ? MDB_CREATE : 0);
  if (refused != 0 || rc != 0) {
    mdb_txn_abort(txn);
    return refused != 0 ? refused : fail_by_lmdb(opening, rc);
  }
  rc = mdb_txn_commit(txn);
  if (rc == 0) rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->reading);
  if (rc != 0) return fail_by_lmdb(opening, rc);
  mdb_txn_reset(store->reading);
  return 0;
}

/* LMDB begins with an empty file only, which it gives its size, but no room. */
static int reserve(const struct opening *opening) {
  int fd = -1;
  if (!opening->is_alone || !opening->options->path) return 0;
  int rc = mdb_env_get_fd(opening->store->env, &fd);
  if (rc == 0) rc = posix_fallocate(fd, 0, (off_t)opening->store->bytes_max);
  return rc == 0 ? 0 : fail(opening, rc);
}

static int open_env(const struct opening *opening) {
  struct store *store = opening->store;
  char memory[32];
  const char *path = opening->options->path;
  /* NOSYNC: who is killed loses nothing all the same. NOTLS: one reader for each store, not thread. */
  unsigned flags = MDB_NOSUBDIR | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOTLS | MDB_NORDAHEAD;
  if (!path) {
    snprintf(memory, sizeof memory, "/proc/self/fd/%d", store->fd);
    path = memory;
    flags |= MDB_NOLOCK;
  }
  int rc = mdb_env_create(&store->env);
  if (rc == 0) rc = mdb_env_set_mapsize(store->env, store->bytes_max);
  if (rc == 0) rc = mdb_env_set_maxdbs(store->env, TABLES);
  if (rc == 0) rc = mdb_env_open(store->env, path, flags, 0600);
  if (rc != 0) return fail_by_lmdb(opening, rc);
  rc = reserve(opening);
  return rc == 0 ? open_contents(opening) : rc;
}

static void set_limits(struct store *store) {
  const size_t pages = store->bytes_max / store->page_bytes, eighth = pages / 8;
  const size_t reserve = eighth > RESERVE_PAGES_MIN ? eighth : RESERVE_PAGES_MIN;
  store->pages_max = pages - reserve;
  store->pages_soft = store->pages_max - store->pages_max / 8;
  /* A page for each entry, and some; what is freed is used again by the next transaction but one. */
  store->batch = (unsigned)(reserve / 3 - 8);
}

static int open_all(struct opening *opening) {
  struct store *store = opening->store;
  int rc = opening->options->path ? open_file(opening) : open_memory(opening);
  if (rc == 0) rc = open_env(opening);
  if (rc == 0) {
    rc = store_gate_share(&store->gate, opening->is_alone && opening->options->path);
    if (rc < 0) rc = fail(opening, -rc);
  }
  return rc;
}

/* Nobody else has them: the gate is still shut. */
static void remove_files(const struct opening *opening) {
  static const char *const ends[] = {"", "-lock", "-gate"};
  char path[PATH_BYTES];
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    snprintf(path, sizeof path, "%s%s", opening->options->path, ends[i]);
    (void)unlink(path);
  }
}

static void store_free(struct store *store) {
  if (store->reading) mdb_txn_abort(store->reading);
  if (store->env) mdb_env_close(store->env);
  store_gate_close(&store->gate);
  if (store->fd >= 0) close(store->fd);
  free(store->scratch);
  free(store->name);
  free(store);
}

int store_open(const struct store_options *options, char fault[STORE_FAULT_BYTES],
               struct store **out) {
  struct opening opening = {.options = options, .fault = fault};
  struct store *store = opening.store = calloc(1, sizeof *store);
  if (!store) return -ENOMEM;
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  *store = (struct store){.fd = -1,
                          .gate = {.fd = -1},
                          .name = strdup(options->name),
                          .holders = 1,
                          .page_bytes = page,
                          .bytes_max = (options->bytes + page - 1) / page * page,
                          .is_kept = options->is_kept,
                          .evicts = options->evicts};
  int rc = store->name ? open_all(&opening) : -ENOMEM;
  if (rc == 0) {
    set_limits(store);
    *out = store;
    return 0;
  }
  if (options->path && opening.is_alone && opening.is_new) remove_files(&opening);
  store_free(store);
  return rc;
}

void store_hold(struct store *store) {
  store->holders++;
}

void store_close(struct store *store) {
  if (--store->holders > 0) return;
  bool syncs = store->is_kept && store_gate_is_last(&store->gate);
  if (syncs && mdb_env_sync(store->env, 1) == 0) store_gate_mark_clean(&store->gate);
  store_free(store);
}

bool store_is_in(const struct store *store, const char *path) {
  struct stat status;
  return store->fd < 0 && stat(path, &status) == 0 && status.st_dev == store->device &&
         status.st_ino == store->inode;
}
