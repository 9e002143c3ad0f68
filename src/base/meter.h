/* base/meter.h — counters, gauges and histograms with labels, as a script makes them up — does not know
 * who reads them.
 *
 * What one script has are its meters. Their label sets are bounded, for labels may come from peers: a set
 * beyond the bound is not kept, and is counted. Nothing of it goes before the meters as a whole do. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum meter_kind { METER_COUNTER, METER_GAUGE, METER_HISTOGRAM };

enum {
  METER_SETS_MAX = 1000,  /* of all meters of a script */
  METERS_MAX = 1000,      /* of a script */
  METER_LABELS_MAX = 16,  /* of a meter */
  METER_BOUNDS_MAX = 64,  /* of a histogram */
  METER_NAME_MAX = 200,   /* bytes of a name, */
  METER_HELP_MAX = 1000,  /* of a sentence, */
  METER_VALUES_MAX = 1024 /* and of all labels of a set */
};

/* Label values in the order of their names, packed: two bytes of size before each. */
struct meter_labels {
  size_t size;
  unsigned char bytes[METER_VALUES_MAX];
};
/* False: there is no room for it. */
bool meter_labels_add(struct meter_labels *labels, const char *value, size_t size);

/* What is counted under the same labels. */
struct meter_set {
  struct meter_set *next;      /* of the meter, in no order */
  struct meter_set *next_like; /* with a hash of the same slot */
  const struct meter *meter;
  double value;     /* of a histogram the sum of what was observed */
  uint64_t *counts; /* of a histogram: up to each bound, and beyond the last one; else NULL */
  uint32_t hash;
  uint16_t size;
  unsigned char labels[]; /* packed */
};

/* What a meter is; nothing of it changes but its help. */
struct meter_shape {
  enum meter_kind kind;
  const char *name;
  const char *help;
  const char *labels[METER_LABELS_MAX]; /* their names, `label_count` of them */
  size_t label_count;
  double bounds[METER_BOUNDS_MAX]; /* of a histogram, rising */
  size_t bound_count;
};

struct meter {
  struct meter *next; /* of the script, newest first */
  struct meters *meters;
  struct meter_shape shape; /* its texts are its own */
  struct meter_set *sets;
  struct meter_set *plain; /* the only one of a meter without labels; there from the beginning */
};

struct meters;                   /* opaque; counted, for objects of a script may outlive it */
struct meters *meters_new(void); /* NULL: memory is out */
struct meters *meters_ref(struct meters *meters);
void meters_unref(struct meters *meters); /* also NULL */
/* NULL: there is none of that name. */
struct meter *meters_find(const struct meters *meters, const char *name);
/* NULL when memory is out, or there are METERS_MAX of them. */
struct meter *meters_add(struct meters *meters, const struct meter_shape *shape);
bool meters_are_full(const struct meters *meters); /* METERS_MAX of them */
/* The help is the newest one: it tells people of the rest. False: memory is out, and it is as before. */
bool meter_set_help(struct meter *meter, const char *help);
struct meter *meters_first(const struct meters *meters);
/* Updates that were not kept, for there were too many label sets, their labels were too long, or memory was
 * out. */
uint64_t meters_dropped(const struct meters *meters);
/* Counts one, and says whether it is the first. */
bool meters_drop(struct meters *meters);

/* The set with those labels; it is made when there is none. NULL: it cannot be. */
struct meter_set *meter_set_for(struct meter *meter, const struct meter_labels *labels);
/* The same, but none is made. */
struct meter_set *meter_set_find(const struct meter *meter, const struct meter_labels *labels);
/* Of a histogram. */
void meter_observe(struct meter_set *set, double value);
