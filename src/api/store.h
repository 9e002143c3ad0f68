/* api/store.h — one store of keys and values that processes share: LMDB in a file, a lock in front of it.
 * Knows no Lua.
 *
 * Readers wait for nobody. Writers take turns, by a lock of our own that waits for so long and no longer
 * (api/store_gate.h): LMDB's would wait for ever, for a process that was stopped. Who is killed, wherever,
 * leaves the store as his last commit did. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store; /* opaque; one per file and process */

enum {
  STORE_KEY_BYTES_MAX = 500, /* LMDB's 511, less what indexes put before it */
  STORE_FAULT_BYTES = 1024,
};

/* What calls return besides 0 and a negative errno. */
enum store_outcome {
  STORE_MISSING = 1, /* no such key */
  STORE_EXISTS,      /* there is such a key */
  STORE_CHANGED,     /* its value is another one */
  STORE_WRONG_TYPE,  /* it is no number */
  STORE_OVERFLOW,    /* the sum is no integer of Lua's */
  STORE_FULL,        /* and nothing was written */
  STORE_BUSY,        /* another process has the lock */
  STORE_DAMAGED,     /* the file is none of ours, or is not whole; store_fault says more */
  STORE_MISMATCH,    /* it is there with other options; the same */
};

enum store_kind { STORE_STRING = 1, STORE_INTEGER, STORE_FLOAT, STORE_FALSE, STORE_TRUE };

struct store_value {
  enum store_kind kind;
  const char *bytes; /* of a string: the caller's, or the store's until the next call */
  size_t size;
  int64_t integer;
  double number;
};

struct store_entry {
  struct store_value value;
  uint64_t expires_ms; /* by the store's clock; 0: never */
};

struct store_key {
  const char *bytes; /* 1 to STORE_KEY_BYTES_MAX */
  size_t size;
};

struct store_options {
  const char *name;
  const char *path; /* NULL: in memory of this process, which nobody else sees */
  uint64_t bytes;   /* of the file; rounded up to whole pages */
  bool is_kept;     /* it outlives the server: its clock is that on the wall */
  bool evicts;
};

/* 0, a negative errno, or one of enum store_outcome. `fault` has a sentence then. */
int store_open(const struct store_options *options, char fault[STORE_FAULT_BYTES],
               struct store **out);
/* Whoever holds it closes it, too. The last one writes to the disk what is not there yet of a file that
 * outlives the server. */
void store_hold(struct store *store);
void store_close(struct store *store);

const char *store_name(const struct store *store);
uint64_t store_bytes_max(const struct store *store); /* as asked for, in whole pages */
bool store_evicts(const struct store *store);
bool store_is_kept(const struct store *store);
/* Whether it is in that file. */
bool store_is_in(const struct store *store, const char *path);

struct store_status {
  uint64_t bytes; /* in use; and of how many */
  uint64_t bytes_max;
  uint64_t entries; /* with those that have expired, and were not met yet */
};
void store_status(struct store *store, struct store_status *out);

/* 0, STORE_MISSING, or a fault. */
int store_get(struct store *store, const struct store_key *key, uint64_t now_ms,
              struct store_entry *out);

/* What is to become of an entry. */
enum store_verdict { STORE_KEEP, STORE_WRITE, STORE_REMOVE };

/* Decides, with the lock held: `was` is NULL for one that is not there. A negative result is a fault
 * of the caller's own, an enum store_outcome with the sign changed. Must not raise. */
typedef int (*store_decide)(void *context, const struct store_entry *was, struct store_entry *next);
/* 0, or a fault: then nothing has changed. */
int store_edit(struct store *store, const struct store_key *key, uint64_t now_ms,
               store_decide decide, void *context);

/* From here on all calls of this process are one transaction, until the end: a commit, unless something
 * in it failed for want of room, or it is given up. */
int store_begin(struct store *store);
int store_end(struct store *store, bool gives_up);
bool store_is_in_transaction(const struct store *store);

struct store_search {
  struct store_key prefix; /* of size 0: all */
  struct store_key after;  /* from the first behind that; of size 0: from the first */
  uint64_t now_ms;
  size_t count_max;
};
/* Each key is a size of 16 bits and its bytes. */
struct store_found {
  const char *bytes; /* the store's until the next call */
  size_t size;
  size_t count; /* 0: there are no more */
};
/* Keys in the order of their bytes: some, or as many as are wanted. */
int store_keys(struct store *store, const struct store_search *search, struct store_found *out);

/* "process 17 has had its lock for longer than …": of the last STORE_BUSY. */
void store_tell_busy(const struct store *store, char fault[STORE_FAULT_BYTES]);
