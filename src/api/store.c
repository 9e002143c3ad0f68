/* api/store.c — reads and writes entries of one store, each call whole or not at all. Knows no Lua. */
#include "api/store_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES_KEPT = 64 * 1024, KEYS_BYTES = 64 * 1024, HEAD_BYTES = 17 };

int store_fault_of(int rc) {
  switch (rc) {
    case 0: return 0;
    case MDB_NOTFOUND: return STORE_MISSING;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_BAD_VALSIZE: return STORE_FULL; /* the last: longer than any store */
    case MDB_READERS_FULL: return -EMFILE;
    default: return rc > 0 ? -rc : STORE_DAMAGED;
  }
}

/* --- Records ------------------------------------------------------------------------------------- */

static MDB_val value_of_key(const struct store_key *key) {
  return (MDB_val){key->size, (void *)(uintptr_t)key->bytes};
}

static size_t payload_size(const struct store_value *value) {
  if (value->kind == STORE_STRING) return value->size;
  return value->kind == STORE_INTEGER || value->kind == STORE_FLOAT ? sizeof value->integer : 0;
}

static void write_record(char *out, const struct store_entry *entry, uint64_t stamp) {
  const struct store_value *value = &entry->value;
  *out = (char)value->kind;
  memcpy(out + 1, &entry->expires_ms, sizeof entry->expires_ms);
  memcpy(out + 1 + sizeof entry->expires_ms, &stamp, sizeof stamp);
  const void *from = value->kind == STORE_STRING    ? (const void *)value->bytes
                     : value->kind == STORE_INTEGER ? (const void *)&value->integer
                                                    : (const void *)&value->number;
  size_t size = payload_size(value);
  if (size > 0) memcpy(out + HEAD_BYTES, from, size);
}

static int read_record(const MDB_val *data, struct store_record *out) {
  const char *bytes = data->mv_data;
  if (data->mv_size < HEAD_BYTES) return STORE_DAMAGED;
  struct store_value *value = &out->entry.value;
  *value = (struct store_value){.kind = (enum store_kind)(unsigned char)*bytes,
                                .bytes = bytes + HEAD_BYTES,
                                .size = data->mv_size - HEAD_BYTES};
  memcpy(&out->entry.expires_ms, bytes + 1, sizeof out->entry.expires_ms);
  memcpy(&out->stamp, bytes + 1 + sizeof out->entry.expires_ms, sizeof out->stamp);
  if (value->kind < STORE_STRING || value->kind > STORE_TRUE || value->size < payload_size(value))
    return STORE_DAMAGED;
  if (value->kind == STORE_INTEGER) memcpy(&value->integer, value->bytes, sizeof value->integer);
  if (value->kind == STORE_FLOAT) memcpy(&value->number, value->bytes, sizeof value->number);
  return 0;
}

int store_find(const struct store *store, MDB_txn *txn, const struct store_key *key,
               struct store_record *out) {
  MDB_val name = value_of_key(key), data;
  int rc = mdb_get(txn, store->entries, &name, &data);
  if (rc != 0) return store_fault_of(rc);
  out->size = name.mv_size + data.mv_size;
  return read_record(&data, out);
}

static bool has_expired(const struct store_record *record, uint64_t now_ms) {
  return record->entry.expires_ms > 0 && record->entry.expires_ms <= now_ms;
}

/* --- Indexes ------------------------------------------------------------------------------------- */

static MDB_val index_key(char out[STORE_INDEX_BYTES_MAX], uint64_t number,
                         const struct store_key *key) {
  for (int i = 0; i < STORE_STAMP_BYTES; i++) {
    out[i] = (char)(number >> (8 * (STORE_STAMP_BYTES - 1 - i)));
  }
  memcpy(out + STORE_STAMP_BYTES, key->bytes, key->size);
  return (MDB_val){STORE_STAMP_BYTES + key->size, out};
}

static int put_index(MDB_txn *txn, MDB_dbi index, uint64_t number, const struct store_key *key) {
  char room[STORE_INDEX_BYTES_MAX];
  MDB_val name = index_key(room, number, key), nothing = {0, room};
  return mdb_put(txn, index, &name, &nothing, 0);
}

static int remove_index(MDB_txn *txn, MDB_dbi index, uint64_t number, const struct store_key *key) {
  char room[STORE_INDEX_BYTES_MAX];
  MDB_val name = index_key(room, number, key);
  int rc = mdb_del(txn, index, &name, NULL);
  return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

/* Without its index entries, or with them. */
static int forget(const struct store *store, MDB_txn *txn, const struct store_key *key,
                  const struct store_record *record) {
  int rc = 0;
  if (record->entry.expires_ms > 0)
    rc = remove_index(txn, store->times, record->entry.expires_ms, key);
  if (rc == 0 && store->evicts) rc = remove_index(txn, store->order, record->stamp, key);
  return store_fault_of(rc);
}

int store_remove(const struct store *store, MDB_txn *txn, const struct store_key *key,
                 const struct store_record *record) {
  int rc = forget(store, txn, key, record);
  MDB_val name = value_of_key(key);
  return rc != 0 ? rc : store_fault_of(mdb_del(txn, store->entries, &name, NULL));
}

/* --- Writing ------------------------------------------------------------------------------------- */

static int put_record(const struct store *store, MDB_txn *txn, const struct store_key *key,
                      const struct store_entry *entry) {
  const uint64_t stamp = mdb_txn_id(txn);
  MDB_val name = value_of_key(key), data = {HEAD_BYTES + payload_size(&entry->value), NULL};
  int rc = mdb_put(txn, store->entries, &name, &data, MDB_RESERVE);
  if (rc == 0) write_record(data.mv_data, entry, stamp);
  if (rc == 0 && entry->expires_ms > 0) {
    rc = put_index(txn, store->times, entry->expires_ms, key);
  }
  if (rc == 0 && store->evicts) rc = put_index(txn, store->order, stamp, key);
  return store_fault_of(rc);
}

static int write_entry(struct store *store, MDB_txn *txn, const struct store_key *key,
                       const struct store_record *old, const struct store_entry *next) {
  const size_t size = HEAD_BYTES + payload_size(&next->value) + key->size;
  int rc = old ? forget(store, txn, key, old) : 0;
  bool grows = !old || size > old->size;
  if (rc == 0 && grows) rc = store_prepare_room(store, txn, size);
  if (rc == 0) rc = put_record(store, txn, key, next);
  if (rc == 0 && next->expires_ms > 0 && next->expires_ms < store->look_ms) {
    store->look_ms = next->expires_ms;
  }
  if (rc == 0 && grows && store_pages(store, txn) > store->pages_max) rc = STORE_FULL;
  return rc;
}

/* *wrote: there is something to commit. */
static int edit_in(struct store *store, MDB_txn *txn, const struct store_key *key, uint64_t now_ms,
                   store_decide decide, void *context, bool *wrote) {
  struct store_record record = {0};
  int rc = now_ms >= store->look_ms ? store_expire(store, txn, now_ms) : 0;
  if (rc == 0) rc = store_find(store, txn, key, &record);
  if (rc != 0 && rc != STORE_MISSING) return rc;
  const struct store_record *old = rc == 0 ? &record : NULL;
  bool is_there = old && !has_expired(old, now_ms);
  struct store_entry next = {0};
  int verdict = decide(context, is_there ? &record.entry : NULL, &next);
  if (verdict < 0) return -verdict;
  *wrote = verdict != STORE_KEEP;
  if (verdict == STORE_WRITE) return write_entry(store, txn, key, old, &next);
  return verdict == STORE_REMOVE && old ? store_remove(store, txn, key, old) : 0;
}

static int edit_alone(struct store *store, const struct store_key *key, uint64_t now_ms,
                      store_decide decide, void *context) {
  MDB_txn *txn;
  bool wrote = false;
  int rc = mdb_txn_begin(store->env, NULL, 0, &txn);
  if (rc != 0) return store_fault_of(rc);
  rc = edit_in(store, txn, key, now_ms, decide, context, &wrote);
  if (rc == 0 && wrote) return store_fault_of(mdb_txn_commit(txn));
  mdb_txn_abort(txn);
  return rc;
}

int store_edit(struct store *store, const struct store_key *key, uint64_t now_ms,
               store_decide decide, void *context) {
  int rc;
  bool wrote;
  if (store->writing) {
    if (store->doomed) return store->doomed;
    rc = edit_in(store, store->writing, key, now_ms, decide, context, &wrote);
    bool is_half_done = rc < 0 || rc == STORE_FULL || rc == STORE_DAMAGED;
    if (is_half_done) store->doomed = rc;
    return rc;
  }
  if (store_gate_enter(&store->gate) < 0) return STORE_BUSY;
  unsigned attempt = 0;
  do {
    rc = edit_alone(store, key, now_ms, decide, context);
  } while (rc == STORE_FULL && store_make_room(store, now_ms, attempt++));
  store_gate_leave(&store->gate);
  return rc;
}

int store_begin(struct store *store) {
  if (store_gate_enter(&store->gate) < 0) return STORE_BUSY;
  store_mind_readers(store);
  int rc = store_fault_of(mdb_txn_begin(store->env, NULL, 0, &store->writing));
  store->doomed = 0;
  if (rc == 0) return 0;
  store->writing = NULL;
  store_gate_leave(&store->gate);
  return rc;
}

int store_end(struct store *store, bool gives_up) {
  int rc = store->doomed;
  if (gives_up || rc != 0) {
    mdb_txn_abort(store->writing);
  } else {
    rc = store_fault_of(mdb_txn_commit(store->writing));
  }
  store->writing = NULL;
  store_gate_leave(&store->gate);
  return rc;
}

bool store_is_in_transaction(const struct store *store) {
  return store->writing != NULL;
}

void store_tell_busy(const struct store *store, char fault[STORE_FAULT_BYTES]) {
  snprintf(fault, STORE_FAULT_BYTES,
           "process %ld has had the lock of \"%s\" for longer than %d ms: it is in a long "
           "transaction, or was stopped",
           (long)store_gate_owner(&store->gate), store->name, STORE_GATE_WAIT_MS);
}

/* --- Reading ------------------------------------------------------------------------------------- */

/* Between this and end_reading() nothing may raise, nor wait: what is read stays in the file until then. */
static int begin_reading(struct store *store, MDB_txn **txn) {
  *txn = store->writing ? store->writing : store->reading;
  if (store->writing) return store->doomed;
  return store_fault_of(mdb_txn_renew(store->reading));
}

static void end_reading(struct store *store) {
  if (!store->writing) mdb_txn_reset(store->reading);
}

static bool make_scratch(struct store *store, size_t size) {
  bool fits = size <= store->scratch_bytes &&
              (size > SCRATCH_BYTES_KEPT || store->scratch_bytes <= SCRATCH_BYTES_KEPT);
  if (fits) return true;
  size_t wanted = size < SCRATCH_BYTES_KEPT ? SCRATCH_BYTES_KEPT : size;
  free(store->scratch);
  store->scratch = malloc(wanted);
  store->scratch_bytes = store->scratch ? wanted : 0;
  return store->scratch;
}

static int keep_bytes(struct store *store, struct store_value *value) {
  if (value->kind != STORE_STRING) return 0;
  if (!make_scratch(store, value->size)) return -ENOMEM;
  if (value->size > 0) memcpy(store->scratch, value->bytes, value->size);
  value->bytes = store->scratch;
  return 0;
}

int store_get(struct store *store, const struct store_key *key, uint64_t now_ms,
              struct store_entry *out) {
  MDB_txn *txn;
  struct store_record record = {0};
  int rc = begin_reading(store, &txn);
  if (rc != 0) return rc;
  rc = store_find(store, txn, key, &record);
  if (rc == 0 && has_expired(&record, now_ms)) rc = STORE_MISSING;
  if (rc == 0) rc = keep_bytes(store, &record.entry.value);
  end_reading(store);
  if (rc == 0) *out = record.entry;
  return rc;
}

static bool key_begins_with(const MDB_val *name, const struct store_key *prefix) {
  return name->mv_size >= prefix->size && memcmp(name->mv_data, prefix->bytes, prefix->size) == 0;
}

/* The first key behind `after`, or the first that may begin with `prefix`. */
static int seek(MDB_cursor *cursor, const struct store_key *prefix, const struct store_key *after,
                MDB_val *name, MDB_val *data) {
  const struct store_key *from = after->size > 0 ? after : prefix;
  if (from->size == 0) return mdb_cursor_get(cursor, name, data, MDB_FIRST);
  *name = value_of_key(from);
  int rc = mdb_cursor_get(cursor, name, data, MDB_SET_RANGE);
  bool is_it = rc == 0 && after->size > 0 && name->mv_size == after->size &&
               memcmp(name->mv_data, after->bytes, after->size) == 0;
  return is_it ? mdb_cursor_get(cursor, name, data, MDB_NEXT) : rc;
}

static int collect_keys(const struct store *store, MDB_cursor *cursor,
                        const struct store_search *search, struct store_found *out) {
  MDB_val name, data;
  int rc = seek(cursor, &search->prefix, &search->after, &name, &data);
  for (; rc == 0 && out->count < search->count_max && key_begins_with(&name, &search->prefix);
       rc = mdb_cursor_get(cursor, &name, &data, MDB_NEXT)) {
    struct store_record record = {0};
    rc = read_record(&data, &record);
    if (rc != 0) return rc;
    const uint16_t size = (uint16_t)name.mv_size;
    if (has_expired(&record, search->now_ms)) continue;
    if (out->size + sizeof size + size > KEYS_BYTES) break;
    memcpy(store->scratch + out->size, &size, sizeof size);
    memcpy(store->scratch + out->size + sizeof size, name.mv_data, size);
    out->size += sizeof size + size;
    out->count++;
  }
  return rc == MDB_NOTFOUND ? 0 : store_fault_of(rc);
}

int store_keys(struct store *store, const struct store_search *search, struct store_found *out) {
  MDB_txn *txn;
  MDB_cursor *cursor;
  *out = (struct store_found){0};
  if (!make_scratch(store, KEYS_BYTES)) return -ENOMEM;
  int rc = begin_reading(store, &txn);
  if (rc != 0) return rc;
  rc = store_fault_of(mdb_cursor_open(txn, store->entries, &cursor));
  if (rc == 0) {
    rc = collect_keys(store, cursor, search, out);
    mdb_cursor_close(cursor);
  }
  end_reading(store);
  out->bytes = store->scratch;
  return rc;
}

void store_status(struct store *store, struct store_status *out) {
  MDB_txn *txn;
  MDB_stat stat = {0};
  *out = (struct store_status){.bytes_max = store->bytes_max};
  if (begin_reading(store, &txn) != 0) return;
  out->bytes = store_pages(store, txn) * store->page_bytes;
  if (mdb_stat(txn, store->entries, &stat) == 0) out->entries = stat.ms_entries;
  end_reading(store);
}

const char *store_name(const struct store *store) {
  return store->name;
}

uint64_t store_bytes_max(const struct store *store) {
  return store->bytes_max;
}

bool store_evicts(const struct store *store) {
  return store->evicts;
}

bool store_is_kept(const struct store *store) {
  return store->is_kept;
}
