/* api/store_room.c — room in a store: what has expired goes, then, where that is asked for, what was set
 * first. Knows no Lua.
 *
 * A table needs pages to be changed at all, removal included: each page on the way to an entry is
 * written anew, beside the old one. So an eighth of the file is never given to entries. Where something is
 * evicted, that begins a little earlier, an entry or two for each that comes, so that nobody waits for a
 * great clearance; and the nearer the end, the more. */
#include "api/store_state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  EXPIRED_PER_WRITE = 8,
  EVICTED_PER_WRITE = 64,
  ATTEMPTS = 16,
  ROUNDS_LOG_MAX = 6, /* of clearing, for one attempt */
  AGES = 2,
  HASTE_MAX = 8, /* bytes that go for one that comes, near the end */
  READER_WAIT_MS = 100,
  PAGES_PER_WRITE = 16,
  LOOK_MS = 1000, /* other processes may have set what expires earlier */
};

const char store_record_name[] = "moonport.shared";

int store_put_file_record(const struct store *store, MDB_txn *txn) {
  struct store_file_record record = {STORE_FILE_VERSION, store->evicts};
  MDB_val name = {sizeof store_record_name, (void *)(uintptr_t)store_record_name};
  MDB_val data = {sizeof record, &record};
  return mdb_put(txn, store->main, &name, &data, 0);
}

size_t store_pages(const struct store *store, MDB_txn *txn) {
  const MDB_dbi tables[] = {store->entries, store->times, store->order};
  size_t pages = 0;
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    MDB_stat stat;
    if (mdb_stat(txn, tables[i], &stat) == 0)
      pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  }
  return pages;
}

static uint64_t number_of(const MDB_val *name) {
  const unsigned char *bytes = name->mv_data;
  uint64_t number = 0;
  for (int i = 0; i < STORE_STAMP_BYTES; i++) number = number << 8 | bytes[i];
  return number;
}

/* The first of an index, and its key in `room`. 0, STORE_MISSING or a fault. */
static int first_of(MDB_txn *txn, MDB_dbi index, uint64_t *number, struct store_key *key,
                    char room[STORE_INDEX_BYTES_MAX]) {
  MDB_cursor *cursor;
  MDB_val name, data;
  int rc = mdb_cursor_open(txn, index, &cursor);
  if (rc != 0) return store_fault_of(rc);
  rc = mdb_cursor_get(cursor, &name, &data, MDB_FIRST);
  bool is_ours =
      rc == 0 && name.mv_size > STORE_STAMP_BYTES && name.mv_size <= STORE_INDEX_BYTES_MAX;
  if (is_ours) {
    *number = number_of(&name);
    key->size = name.mv_size - STORE_STAMP_BYTES;
    key->bytes = memcpy(room, (const char *)name.mv_data + STORE_STAMP_BYTES, key->size);
  }
  mdb_cursor_close(cursor);
  return rc == 0 && !is_ours ? STORE_DAMAGED : store_fault_of(rc);
}

/* Removes it, and adds its size. */
static int drop(const struct store *store, MDB_txn *txn, const struct store_key *key,
                size_t *freed) {
  struct store_record record = {0};
  int rc = store_find(store, txn, key, &record);
  if (rc == 0) rc = store_remove(store, txn, key, &record);
  if (rc == 0) *freed += record.size;
  return rc == STORE_MISSING ? STORE_DAMAGED : rc; /* an index without an entry */
}

/* Those that have expired by now; `count` of them at most. */
static int drop_expired(struct store *store, MDB_txn *txn, uint64_t now_ms, unsigned count,
                        size_t *freed) {
  char room[STORE_INDEX_BYTES_MAX];
  struct store_key key = {0};
  uint64_t expires_ms = 0;
  int rc = 0;
  while (rc == 0 && count-- > 0) {
    rc = first_of(txn, store->times, &expires_ms, &key, room);
    if (rc == 0 && expires_ms > now_ms) {
      store->look_ms = expires_ms < now_ms + LOOK_MS ? expires_ms : now_ms + LOOK_MS;
      return 0;
    }
    if (rc == 0) rc = drop(store, txn, &key, freed);
  }
  if (rc == STORE_MISSING) store->look_ms = now_ms + LOOK_MS;
  return rc == STORE_MISSING ? 0 : rc;
}

int store_expire(struct store *store, MDB_txn *txn, uint64_t now_ms) {
  size_t freed = 0;
  return drop_expired(store, txn, now_ms, EXPIRED_PER_WRITE, &freed);
}

static int drop_oldest(const struct store *store, MDB_txn *txn, size_t *freed) {
  char room[STORE_INDEX_BYTES_MAX];
  struct store_key key = {0};
  uint64_t stamp = 0;
  int rc = first_of(txn, store->order, &stamp, &key, room);
  return rc != 0 ? rc : drop(store, txn, &key, freed);
}

int store_prepare_room(const struct store *store, MDB_txn *txn, size_t size) {
  if (!store->evicts) return 0;
  const size_t own = size > store->page_bytes / 2 ? size / store->page_bytes + 1 : 0;
  size_t used = store_pages(store, txn) + own;
  if (used < store->pages_soft) return 0;
  size_t haste =
      1 + (used - store->pages_soft) * HASTE_MAX / (store->pages_max - store->pages_soft + 1);
  size_t freed = 0;
  int rc = 0;
  if (haste > HASTE_MAX) haste = HASTE_MAX;
  for (unsigned i = 0; i < EVICTED_PER_WRITE && rc == 0; i++) {
    bool fits = own == 0 || store_pages(store, txn) + own <= store->pages_max;
    if (freed >= haste * size && fits) return 0;
    if (own > 0 && fits && freed >= size) return 0;
    rc = drop_oldest(store, txn, &freed);
  }
  return rc == STORE_MISSING ? 0 : rc;
}

static int clear_some(struct store *store, MDB_txn *txn, uint64_t now_ms, size_t *freed) {
  int rc = drop_expired(store, txn, now_ms, store->batch, freed);
  if (*freed > 0) return rc;
  for (unsigned i = 0; i < store->batch && rc == 0 && store->evicts; i++) {
    rc = drop_oldest(store, txn, freed);
  }
  return rc == STORE_MISSING ? 0 : rc;
}

/* "      4711 7f.. 17", or "-" of one that does not read: LMDB tells it in no other way. */
static int note_reader(const char *line, void *context) {
  uint64_t *oldest = context;
  const char *last = strrchr(line, ' ');
  if (!last || last[1] < '0' || last[1] > '9') return 0;
  const uint64_t number = strtoull(last + 1, NULL, 10);
  if (number < *oldest) *oldest = number;
  return 0;
}

/* What the one reads who is furthest behind; 0: none is, by more than `slack` transactions. */
static uint64_t find_laggard(const struct store *store, uint64_t slack) {
  MDB_envinfo info;
  uint64_t oldest = UINT64_MAX;
  if (store->fd >= 0 || mdb_env_info(store->env, &info) != 0) return 0;
  (void)mdb_reader_list(store->env, note_reader, &oldest);
  return oldest < info.me_last_txnid && info.me_last_txnid - oldest > slack ? oldest : 0;
}

static void await_readers(struct store *store, uint64_t slack) {
  const struct timespec pause = {.tv_nsec = 1000000};
  uint64_t laggard = find_laggard(store, slack);
  for (int i = 0; i < READER_WAIT_MS && laggard > 0 && laggard != store->stuck_at; i++) {
    nanosleep(&pause, NULL);
    const uint64_t next = find_laggard(store, slack);
    if (next != laggard) return;
  }
  store->stuck_at = laggard;
}

void store_mind_readers(struct store *store) {
  MDB_envinfo info;
  const size_t pages = store->bytes_max / store->page_bytes;
  const uint64_t slack = (pages - store->pages_max) / PAGES_PER_WRITE;
  if (mdb_env_info(store->env, &info) != 0) return;
  if (info.me_last_txnid - store->looked_at < slack) return;
  await_readers(store, slack);
  store->looked_at = info.me_last_txnid;
}

/* What a transaction has freed is used again by the next but one: there is one more then. */
static bool age(const struct store *store) {
  MDB_txn *txn;
  if (mdb_txn_begin(store->env, NULL, 0, &txn) != 0) return false;
  if (store_put_file_record(store, txn) == 0) return mdb_txn_commit(txn) == 0;
  mdb_txn_abort(txn);
  return false;
}

/* How many bytes of entries went. */
static size_t clear_once(struct store *store, uint64_t now_ms) {
  MDB_txn *txn;
  size_t freed = 0;
  if (mdb_txn_begin(store->env, NULL, 0, &txn) != 0) return 0;
  if (clear_some(store, txn, now_ms, &freed) == 0) return mdb_txn_commit(txn) == 0 ? freed : 0;
  mdb_txn_abort(txn);
  return 0;
}

bool store_make_room(struct store *store, uint64_t now_ms, unsigned attempt) {
  size_t freed = 0, more = 1;
  int dead = 0;
  if (attempt >= ATTEMPTS) return false;
  if (attempt < AGES) await_readers(store, 0);
  /* Who was killed while it read still seems to need the pages of then. */
  (void)mdb_reader_check(store->env, &dead);
  const unsigned rounds = 1U << (attempt < ROUNDS_LOG_MAX ? attempt : ROUNDS_LOG_MAX);
  for (unsigned i = 0; i < rounds && more > 0; i++) {
    more = clear_once(store, now_ms);
    freed += more;
  }
  return age(store) && (freed > 0 || dead > 0 || attempt < AGES);
}
