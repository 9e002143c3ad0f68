/* base/meter.c — counters, gauges and histograms with labels, as a script makes them up — does not know
 * who reads them. */
#include "base/meter.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1024 }; /* about one set in each, at most */

struct meters {
  unsigned references;
  struct meter *first;
  size_t count;
  size_t set_count;
  uint64_t dropped;
  struct meter_set *slots[SLOTS];
};

bool meter_labels_add(struct meter_labels *labels, const char *value, size_t size) {
  if (size + 2 > sizeof labels->bytes - labels->size) return false;
  unsigned char *end = labels->bytes + labels->size;
  end[0] = (unsigned char)(size >> 8);
  end[1] = (unsigned char)size;
  memcpy(end + 2, value, size);
  labels->size += size + 2;
  return true;
}

struct meters *meters_new(void) {
  struct meters *meters = calloc(1, sizeof *meters);
  if (meters) meters->references = 1;
  return meters;
}

struct meters *meters_ref(struct meters *meters) {
  meters->references++;
  return meters;
}

static void meter_free(struct meter *meter) {
  while (meter->sets) {
    struct meter_set *set = meter->sets;
    meter->sets = set->next;
    free(set->counts);
    free(set);
  }
  for (size_t i = 0; i < meter->shape.label_count; i++) free((char *)meter->shape.labels[i]);
  free((char *)meter->shape.name);
  free((char *)meter->shape.help);
  free(meter);
}

void meters_unref(struct meters *meters) {
  if (!meters || --meters->references > 0) return;
  while (meters->first) {
    struct meter *meter = meters->first;
    meters->first = meter->next;
    meter_free(meter);
  }
  free(meters);
}

struct meter *meters_first(const struct meters *meters) {
  return meters->first;
}

struct meter *meters_find(const struct meters *meters, const char *name) {
  struct meter *meter = meters->first;
  while (meter && strcmp(meter->shape.name, name) != 0) meter = meter->next;
  return meter;
}

bool meters_are_full(const struct meters *meters) {
  return meters->count == METERS_MAX;
}

uint64_t meters_dropped(const struct meters *meters) {
  return meters->dropped;
}

bool meters_drop(struct meters *meters) {
  return meters->dropped++ == 0;
}

bool meter_set_help(struct meter *meter, const char *help) {
  char *copy = strdup(help);
  if (!copy) return false;
  free((char *)meter->shape.help);
  meter->shape.help = copy;
  return true;
}

/* Takes copies of the texts. False when memory is out. */
static bool own_shape(struct meter *meter, const struct meter_shape *shape) {
  bool is_whole = true;
  meter->shape = *shape;
  meter->shape.name = strdup(shape->name);
  meter->shape.help = strdup(shape->help);
  for (size_t i = 0; i < shape->label_count; i++) {
    meter->shape.labels[i] = strdup(shape->labels[i]);
    if (!meter->shape.labels[i]) is_whole = false;
  }
  return is_whole && meter->shape.name && meter->shape.help;
}

struct meter *meters_add(struct meters *meters, const struct meter_shape *shape) {
  static const struct meter_labels none;
  if (meters_are_full(meters)) return NULL;
  struct meter *meter = calloc(1, sizeof *meter);
  if (!meter) return NULL;
  meter->meters = meters;
  bool is_whole = own_shape(meter, shape);
  if (is_whole && shape->label_count == 0) {
    meter->plain = meter_set_for(meter, &none);
    /* Where there is no room for it, it is dropped when it is used. */
  }
  if (!is_whole) {
    meter_free(meter);
    return NULL;
  }
  meter->next = meters->first;
  meters->first = meter;
  meters->count++;
  return meter;
}

/* FNV-1a. Whoever chooses labels so that they meet in one slot has METER_SETS_MAX of them. */
static uint32_t hash_of(const struct meter *meter, const struct meter_labels *labels) {
  uint32_t hash = 2166136261u ^ (uint32_t)((uintptr_t)meter >> 4);
  for (size_t i = 0; i < labels->size; i++) hash = (hash ^ labels->bytes[i]) * 16777619u;
  return hash ^ hash >> 16;
}

static struct meter_set *find(const struct meter *meter, const struct meter_labels *labels,
                              uint32_t hash) {
  struct meter_set *set = meter->meters->slots[hash % SLOTS];
  for (; set; set = set->next_like) {
    if (set->hash == hash && set->meter == meter && set->size == labels->size &&
        memcmp(set->labels, labels->bytes, labels->size) == 0)
      return set;
  }
  return NULL;
}

struct meter_set *meter_set_find(const struct meter *meter, const struct meter_labels *labels) {
  if (meter->shape.label_count == 0) return meter->plain;
  return find(meter, labels, hash_of(meter, labels));
}

static struct meter_set *set_new(struct meter *meter, const struct meter_labels *labels,
                                 uint32_t hash) {
  struct meters *meters = meter->meters;
  if (meters->set_count == METER_SETS_MAX) return NULL;
  struct meter_set *set = calloc(1, sizeof *set + labels->size);
  if (!set) return NULL;
  if (meter->shape.kind == METER_HISTOGRAM) {
    set->counts = calloc(meter->shape.bound_count + 1, sizeof *set->counts);
    if (!set->counts) {
      free(set);
      return NULL;
    }
  }
  set->meter = meter;
  set->hash = hash;
  set->size = (uint16_t)labels->size;
  memcpy(set->labels, labels->bytes, labels->size);
  set->next = meter->sets;
  meter->sets = set;
  set->next_like = meters->slots[hash % SLOTS];
  meters->slots[hash % SLOTS] = set;
  meters->set_count++;
  return set;
}

struct meter_set *meter_set_for(struct meter *meter, const struct meter_labels *labels) {
  if (meter->plain) return meter->plain;
  const uint32_t hash = hash_of(meter, labels);
  struct meter_set *set = find(meter, labels, hash);
  return set ? set : set_new(meter, labels, hash);
}

void meter_observe(struct meter_set *set, double value) {
  const struct meter_shape *shape = &set->meter->shape;
  size_t i = 0;
  while (i < shape->bound_count && value > shape->bounds[i]) i++;
  set->counts[i]++;
  set->value += value;
}
