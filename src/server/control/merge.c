/* server/control/merge.c — the lines of several workers' answers as those of one server.
 *
 * Numbers are counts, and add up, but for those that are named here. Lists are put together without what
 * is in them twice. Of texts the first stands, unless they tell of something worse. */
#include "server/control/merge.h"

#include "base/text.h"
#include "server/control/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 3, ERROR_BYTES_MAX = 1024 };

/* The commands whose lines become one where these fields are equal. */
static const struct gathering {
  const char *command;
  const char *keys[KEYS_MAX];
} gatherings[] = {
    {"status", {"script", "bus", "store"}},
    {"scripts", {"script"}},
    {"versions", {"script", "version"}},
    {"reload", {"script"}},
};

/* Numbers of which the largest stands. The last three are of a store, which all share. */
static const char *const maxima[] = {
    "version", "versions",  "files",         "format", "uptime_s",  "stall_max_s", "time_ns",
    "unix_ns", "days_left", "upgraded_from", "bytes",  "bytes_max", "entries",
};

/* What is worse stands. */
static const char *const by_weight[] = {
    "serving", "leaving",   "draining", "closing",  "ending", "closed", /* phases */
    "removed", "unchanged", "added",    "reloaded", "failed",           /* outcomes */
};

struct merge *merge_new(const char *command) {
  struct merge *merge = calloc(1, sizeof *merge);
  if (!merge) return NULL;
  merge->command = command;
  for (size_t i = 0; i < sizeof gatherings / sizeof *gatherings; i++) {
    if (strcmp(gatherings[i].command, command) == 0) merge->gathering = &gatherings[i];
  }
  merge->lines = json_array();
  if (merge->lines) return merge;
  free(merge);
  return NULL;
}

void merge_free(struct merge *merge) {
  for (size_t i = 0; i < WORKERS_MAX; i++) {
    json_decref(merge->lasts[i]);
    free(merge->silences[i]);
  }
  for (size_t i = 0; merge->keys && i < json_array_size(merge->lines); i++) free(merge->keys[i]);
  free(merge->keys);
  json_decref(merge->lines);
  free(merge);
}

/* --- One object and another ------------------------------------------------------------------ */

static size_t place_of(const char *const *names, size_t count, const char *name) {
  size_t i = 0;
  while (i < count && strcmp(names[i], name) != 0) i++;
  return i;
}

static bool is_maximum(const char *name) {
  const size_t count = sizeof maxima / sizeof *maxima;
  return place_of(maxima, count, name) < count;
}

static size_t weight_of(const json_t *text) {
  const size_t count = sizeof by_weight / sizeof *by_weight;
  const size_t place = place_of(by_weight, count, json_string_value(text));
  return place < count ? place : 0;
}

static json_t *add_numbers(const char *name, const json_t *one, const json_t *other) {
  if (is_maximum(name)) {
    const bool is_one = json_number_value(one) >= json_number_value(other);
    return json_deep_copy(is_one ? one : other);
  }
  if (!json_is_integer(one) || !json_is_integer(other)) {
    return json_real(json_number_value(one) + json_number_value(other));
  }
  const json_int_t a = json_integer_value(one), b = json_integer_value(other);
  return json_integer(a < 0 || b < 0 ? -1 : a + b); /* -1: it is not known */
}

/* Those of small numbers in their order, as workers are; others as they come. */
static size_t place_in(const json_t *list, const json_t *value) {
  size_t place = json_array_size(list);
  while (json_is_integer(value) && place > 0 &&
         json_integer_value(json_array_get(list, place - 1)) > json_integer_value(value)) {
    place--;
  }
  return place;
}

static bool has(const json_t *list, const json_t *value) {
  size_t i = 0;
  const json_t *element;
  json_array_foreach(list, i, element) {
    if (json_equal(element, value)) return true;
  }
  return false;
}

static json_t *unite(const json_t *one, const json_t *other) {
  json_t *list = json_deep_copy(one);
  size_t i = 0;
  json_t *element;
  json_array_foreach(other, i, element) {
    if (list && !has(list, element)) json_array_insert(list, place_in(list, element), element);
  }
  return list;
}

static json_t *merge_values(const char *name, const json_t *one, const json_t *other) {
  if (json_is_number(one) && json_is_number(other)) return add_numbers(name, one, other);
  if (json_is_array(one) && json_is_array(other)) return unite(one, other);
  if (json_is_string(one) && json_is_string(other)) {
    return json_deep_copy(weight_of(other) > weight_of(one) ? other : one);
  }
  if (json_is_boolean(one) && json_is_boolean(other)) {
    return json_boolean(json_is_true(one) && json_is_true(other));
  }
  return json_deep_copy(!one || json_is_null(one) ? other : one);
}

static bool is_key(const struct gathering *gathering, const char *name) {
  for (size_t i = 0; gathering && i < KEYS_MAX && gathering->keys[i]; i++) {
    if (strcmp(gathering->keys[i], name) == 0) return true;
  }
  return false;
}

static bool merge_into(json_t *into, json_t *from, const struct gathering *gathering) {
  const char *name;
  json_t *value;
  bool ok = true;
  json_object_foreach(from, name, value) {
    if (is_key(gathering, name)) continue;
    json_t *merged = merge_values(name, json_object_get(into, name), value);
    if (!merged || json_object_set_new(into, name, merged) < 0) ok = false;
  }
  return ok;
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* What is the same where two lines are of the same, and sorts them. NULL: memory is out. */
static char *key_of(const struct gathering *gathering, const json_t *line) {
  json_t *values = json_array();
  for (size_t k = 0; k < KEYS_MAX && gathering->keys[k]; k++) {
    json_t *value = json_object_get(line, gathering->keys[k]);
    if (json_is_integer(value)) {
      json_array_append_new(values, json_sprintf("%020lld", (long long)json_integer_value(value)));
    } else {
      json_array_append_new(values, value ? json_incref(value) : json_null());
    }
  }
  char *key = json_dumps(values, JSON_COMPACT | JSON_SORT_KEYS);
  json_decref(values);
  return key;
}

/* Where the key stands, or is to stand. */
static size_t place_of_key(const struct merge *merge, const char *key, bool *is_there) {
  size_t low = 0, high = json_array_size(merge->lines);
  *is_there = false;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = strcmp(merge->keys[middle], key);
    if (order == 0) *is_there = true;
    if (order == 0) return middle;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Takes over both. */
static bool insert_line(struct merge *merge, size_t place, char *key, json_t *line) {
  const size_t count = json_array_size(merge->lines);
  char **keys = realloc(merge->keys, (count + 1) * sizeof *keys);
  if (keys) merge->keys = keys;
  if (!keys || json_array_insert(merge->lines, place, line) < 0) {
    free(key);
    json_decref(line);
    return false;
  }
  json_decref(line);
  memmove(keys + place + 1, keys + place, (count - place) * sizeof *keys);
  keys[place] = key;
  return true;
}

/* Takes it over. */
static bool gather(struct merge *merge, json_t *line) {
  bool is_there = false;
  char *key = key_of(merge->gathering, line);
  const size_t place = key ? place_of_key(merge, key, &is_there) : 0;
  if (key && !is_there) return insert_line(merge, place, key, line);
  bool ok = key && merge_into(json_array_get(merge->lines, place), line, merge->gathering);
  free(key);
  json_decref(line);
  return ok;
}

bool merge_add(struct merge *merge, unsigned worker, json_t *line) {
  json_t *workers = json_pack("[i]", (int)worker);
  if (!line || !workers || json_object_set_new(line, "workers", workers) < 0) {
    json_decref(line);
    return false;
  }
  return merge->gathering ? gather(merge, line) : json_array_append_new(merge->lines, line) == 0;
}

bool merge_add_last(struct merge *merge, unsigned worker, json_t *last, const char *why) {
  if (last) {
    json_decref(merge->lasts[worker - 1]);
    merge->lasts[worker - 1] = last;
    return true;
  }
  free(merge->silences[worker - 1]);
  merge->silences[worker - 1] = strdup(why);
  return merge->silences[worker - 1];
}

/* --- The last line --------------------------------------------------------------------------- */

static const char *error_of(const struct merge *merge, size_t index) {
  const json_t *last = merge->lasts[index];
  if (!last) return merge->silences[index];
  return json_is_true(json_object_get(last, "ok"))
             ? NULL
             : json_string_value(json_object_get(last, "error"));
}

/* "worker 1: no; worker 2: no", or what all say. */
static void join_errors(const struct merge *merge, char out[ERROR_BYTES_MAX]) {
  const char *first = NULL;
  bool differ = false;
  for (size_t i = 0; i < WORKERS_MAX; i++) {
    const char *error = error_of(merge, i);
    if (!error) continue;
    if (first && strcmp(first, error) != 0) differ = true;
    if (!first) first = error;
  }
  snprintf(out, ERROR_BYTES_MAX, "%s", first ? first : "no worker runs now");
  for (size_t i = 0, used = 0; differ && i < WORKERS_MAX && used < ERROR_BYTES_MAX; i++) {
    const char *error = error_of(merge, i);
    if (!error) continue;
    const bool names_it = !merge->lasts[i]; /* a silence does by itself */
    char who[24] = "";
    if (!names_it) snprintf(who, sizeof who, "worker %zu: ", i + 1);
    int size = snprintf(out + used, ERROR_BYTES_MAX - used, "%s%s%s", used ? "; " : "", who, error);
    used += size > 0 ? (size_t)size : 0;
  }
}

static void tell_reload_failures(const struct merge *merge, char out[ERROR_BYTES_MAX]) {
  size_t failed = 0, i = 0;
  const json_t *line;
  json_array_foreach(merge->lines, i, line) {
    const char *outcome = json_string_value(json_object_get(line, "outcome"));
    failed += outcome && strcmp(outcome, "failed") == 0;
  }
  const size_t count = json_array_size(merge->lines);
  if (failed == 0) return;
  snprintf(out, ERROR_BYTES_MAX,
           "%zu of %zu script%s could not be reloaded: what was in force before still is", failed,
           count, text_plural(count));
}

static json_t *silences_of(const struct merge *merge) {
  json_t *list = json_array();
  for (size_t i = 0; i < WORKERS_MAX; i++) {
    if (merge->silences[i]) json_array_append_new(list, json_string(merge->silences[i]));
  }
  return list;
}

json_t *merge_last(const struct merge *merge) {
  json_t *all = json_pack("{s:b}", "ok", 1);
  size_t good = 0, bad = 0;
  for (size_t i = 0; i < WORKERS_MAX && all; i++) {
    json_t *last = merge->lasts[i];
    if (!last) continue;
    if (json_is_true(json_object_get(last, "ok"))) {
      good++;
    } else {
      bad++;
    }
    if (!merge_into(all, last, NULL)) {
      json_decref(all);
      all = NULL;
    }
  }
  if (!all) return NULL;
  if (good == 0 || bad > 0) {
    char error[ERROR_BYTES_MAX];
    join_errors(merge, error);
    if (strcmp(merge->command, "reload") == 0) tell_reload_failures(merge, error);
    json_object_set_new(all, "ok", json_false());
    json_object_set_new(all, "error", control_text(error));
  }
  json_t *silences = silences_of(merge);
  if (json_array_size(silences) > 0) {
    json_object_set_new(all, "unanswered", silences);
  } else {
    json_decref(silences);
  }
  if (merge->gathering && json_object_get(all, merge->command)) { /* how many lines there are */
    json_object_set_new(all, merge->command,
                        json_integer((json_int_t)json_array_size(merge->lines)));
  }
  return all;
}
