/* api/store_state.h — a store's fields, for api/store*.c only.
 *
 * In the file are four tables of LMDB's: its main one, with a record of what it is, and
 *   entries  KEY                -> a head (below) and the value
 *   times    EXPIRES_MS KEY     -> nothing; of those that expire: the first one is the next to go
 *   order    TRANSACTION KEY    -> nothing; where something is evicted: the first one was set first
 * Numbers in keys are big-endian, so that they are in order. */
#pragma once

#include "api/store.h"
#include "api/store_gate.h"

#include <lmdb.h>
#include <sys/types.h>

enum {
  STORE_FILE_VERSION = 1,
  STORE_STAMP_BYTES = 8,
  STORE_INDEX_BYTES_MAX = STORE_STAMP_BYTES + STORE_KEY_BYTES_MAX,
};

struct store {
  char *name;
  unsigned holders;
  dev_t device; /* of its file */
  ino_t inode;
  uint64_t bytes_max;
  bool is_kept;
  bool evicts;
  int fd; /* of memory that has no name; -1: it has a file */
  struct store_gate gate;
  MDB_env *env;
  MDB_dbi main;
  MDB_dbi entries;
  MDB_dbi times;
  MDB_dbi order;    /* unless it evicts, it is empty */
  MDB_txn *reading; /* reset between calls: what is read pins no page */
  MDB_txn *writing; /* of store_begin(); NULL: none */
  int doomed;       /* why that one cannot be committed; 0: it can */
  size_t page_bytes;
  size_t pages_max; /* that tables may have; the others are for copies while something is written */
  size_t pages_soft;  /* from there on something is evicted for each entry that comes */
  uint64_t looked_at; /* the transaction after which readers were last looked at */
  uint64_t stuck_at;  /* what a reader reads who was waited for in vain */
  unsigned batch;     /* entries that one transaction can remove without more room than it has */
  uint64_t look_ms;   /* before that nothing expires, as far as is known */
  char *scratch;      /* what was read last */
  size_t scratch_bytes;
};

/* What the main table says of the file. */
extern const char store_record_name[sizeof "moonport.shared"];
struct store_file_record {
  uint32_t version;
  uint32_t evicts;
};

/* A record as it stands in the table of entries. */
struct store_record {
  struct store_entry entry; /* its bytes are LMDB's */
  uint64_t stamp;           /* the transaction that set it */
  size_t size;              /* of all of it, with the key */
};

/* api/store.c. 0, STORE_MISSING or a fault. */
int store_fault_of(int rc); /* of LMDB's */
int store_find(const struct store *store, MDB_txn *txn, const struct store_key *key,
               struct store_record *out);
int store_remove(const struct store *store, MDB_txn *txn, const struct store_key *key,
                 const struct store_record *record);

/* api/store_room.c. Pages in use. */
size_t store_pages(const struct store *store, MDB_txn *txn);
/* Puts that record there, changed or not. */
int store_put_file_record(const struct store *store, MDB_txn *txn);
/* Removes some of what has expired. */
int store_expire(struct store *store, MDB_txn *txn, uint64_t now_ms);
/* Before an entry of `size` bytes comes: evicts what was set first, where that is asked for. */
int store_prepare_room(const struct store *store, MDB_txn *txn, size_t size);
/* Before a transaction, which cannot be tried again: waits, for a while, for a reader who needs the pages
 * of long ago, a process that has no processor in the midst of a call. */
void store_mind_readers(struct store *store);
/* A write has failed for want of room: true when it may be tried again. With the lock held. */
bool store_make_room(struct store *store, uint64_t now_ms, unsigned attempt);
