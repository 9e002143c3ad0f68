/* api/metrics.c — moonport.metrics: what a script counts for its operators. Who reads it, and in which form, it
 * does not know.
 *
 * What is counted belongs to the script, not to a version of it: a metric that a new version declares again
 * goes on where it was. An update makes no garbage but the text of labels that are numbers. */
#include "api/arguments.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "base/meter.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static const char counter_name[] = "moonport.counter";
static const char gauge_name[] = "moonport.gauge";
static const char histogram_name[] = "moonport.histogram";

/* By enum meter_kind. */
static const char *const type_names[] = {counter_name, gauge_name, histogram_name};
static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* The payload of a userdata of these types. */
struct metric {
  struct meter *meter;
};

static struct metric *check_metric(lua_State *L, enum meter_kind kind) {
  return luaL_checkudata(L, 1, type_names[kind]);
}

static int l_metric_gc(lua_State *L) {
  struct metric *metric = lua_touserdata(L, 1);
  if (metric->meter) meters_unref(metric->meter->meters);
  metric->meter = NULL;
  return 0;
}

/* --- Labels -------------------------------------------------------------------------------------- */

static const char *declared(lua_State *L, const struct meter *meter) {
  luaL_Buffer text;
  const struct meter_shape *shape = &meter->shape;
  luaL_buffinit(L, &text);
  for (size_t i = 0; i < shape->label_count; i++) {
    if (i > 0) luaL_addstring(&text, ", ");
    luaL_addstring(&text, shape->labels[i]);
  }
  if (shape->label_count == 0) luaL_addstring(&text, "none");
  luaL_pushresult(&text);
  return lua_tostring(L, -1);
}

static int refuse_labels(lua_State *L, const struct meter *meter, int given) {
  lua_pushfstring(L, "%s takes %d label value%s (%s), and here %d %s given", meter->shape.name,
                  (int)meter->shape.label_count, meter->shape.label_count == 1 ? "" : "s",
                  declared(L, meter), given, given == 1 ? "is" : "are");
  return api_refuse(L);
}

static const char *label_text(lua_State *L, const struct meter *meter, int index, size_t *size) {
  const int type = lua_type(L, index);
  if (type == LUA_TBOOLEAN) {
    *size = lua_toboolean(L, index) ? 4 : 5;
    return lua_toboolean(L, index) ? "true" : "false";
  }
  if (type != LUA_TSTRING && type != LUA_TNUMBER) {
    luaL_error(L, "label '%s' of %s is a %s: give it a string, a number or a boolean",
               meter->shape.labels[index - 3], meter->shape.name, luaL_typename(L, index));
  }
  return lua_tolstring(L, index, size);
}

static void tell_dropped(lua_State *L, const struct meter *meter) {
  if (!meters_drop(meter->meters)) return;
  runtime_logf(
      runtime_of(L), LOG_WARN,
      "moonport.metrics: %s was given labels beyond %d sets of a script, or %d bytes of one: such "
      "updates are dropped, and counted in moonport_metrics_dropped_total; labels are for what has "
      "few "
      "values",
      meter->shape.name, METER_SETS_MAX, METER_VALUES_MAX);
}

/* The set of the labels from index 3 on; `makes`: it is made when there is none. NULL: there is none, and if it was
 * to be made, that was told. Raises. */
static struct meter_set *find_set(lua_State *L, struct meter *meter, bool makes) {
  struct meter_labels labels;
  const int given = lua_gettop(L) > 2 ? lua_gettop(L) - 2 : 0;
  bool has_room = true;
  if ((size_t)given != meter->shape.label_count) refuse_labels(L, meter, given);
  if (meter->plain) return meter->plain;
  labels.size = 0;
  for (int index = 3; index < 3 + given; index++) {
    size_t size;
    const char *text = label_text(L, meter, index, &size);
    if (has_room) has_room = meter_labels_add(&labels, text, size);
  }
  struct meter_set *set = NULL;
  if (has_room) set = makes ? meter_set_for(meter, &labels) : meter_set_find(meter, &labels);
  if (makes && !set) tell_dropped(L, meter);
  return set;
}

/* --- Updates ------------------------------------------------------------------------------------- */

/* The number at index 2; nil: `otherwise`. */
static double check_number(lua_State *L, const struct meter *meter, bool is_optional) {
  if (is_optional && lua_isnoneornil(L, 2)) return 1;
  const double value = luaL_checknumber(L, 2);
  if (!isfinite(value)) luaL_error(L, "%s cannot count %f", meter->shape.name, value);
  return value;
}

/* counter:inc([n [, label, ...]]) */
static int l_counter_inc(lua_State *L) {
  struct meter *meter = check_metric(L, METER_COUNTER)->meter;
  const double by = check_number(L, meter, true);
  if (by < 0) luaL_error(L, "%s is a counter, which only rises: use a gauge", meter->shape.name);
  struct meter_set *set = find_set(L, meter, true);
  if (set) set->value += by;
  return 0;
}

static int change(lua_State *L, double sign) {
  struct meter *meter = check_metric(L, METER_GAUGE)->meter;
  const double by = check_number(L, meter, true);
  struct meter_set *set = find_set(L, meter, true);
  if (set) set->value += sign * by;
  return 0;
}

/* gauge:inc([n [, label, ...]]) */
static int l_gauge_inc(lua_State *L) {
  return change(L, 1);
}

/* gauge:dec([n [, label, ...]]) */
static int l_gauge_dec(lua_State *L) {
  return change(L, -1);
}

/* gauge:set(n [, label, ...]) */
static int l_gauge_set(lua_State *L) {
  struct meter *meter = check_metric(L, METER_GAUGE)->meter;
  const double value = check_number(L, meter, false);
  struct meter_set *set = find_set(L, meter, true);
  if (set) set->value = value;
  return 0;
}

/* histogram:observe(n [, label, ...]) */
static int l_histogram_observe(lua_State *L) {
  struct meter *meter = check_metric(L, METER_HISTOGRAM)->meter;
  const double value = check_number(L, meter, false);
  struct meter_set *set = find_set(L, meter, true);
  if (set) meter_observe(set, value);
  return 0;
}

static void push_value(lua_State *L, double value) {
  lua_Integer whole;
  if (lua_numbertointeger(value, &whole) && (double)whole == value) {
    lua_pushinteger(L, whole);
  } else {
    lua_pushnumber(L, value);
  }
}

/* Makes room for the number that updates have before their labels. */
static const struct meter_set *find_read(lua_State *L, enum meter_kind kind) {
  struct meter *meter = check_metric(L, kind)->meter;
  lua_pushnil(L);
  lua_insert(L, 2);
  return find_set(L, meter, false);
}

/* Of a histogram how many were observed, and their sum; of others the value. */
static int push_set(lua_State *L, enum meter_kind kind, const struct meter_set *set) {
  lua_Integer count = 0;
  if (kind == METER_HISTOGRAM) {
    for (size_t i = 0; set && i <= set->meter->shape.bound_count; i++) {
      count += (lua_Integer)set->counts[i];
    }
    lua_pushinteger(L, count);
  }
  push_value(L, set ? set->value : 0);
  return kind == METER_HISTOGRAM ? 2 : 1;
}

static int get(lua_State *L, enum meter_kind kind) {
  return push_set(L, kind, find_read(L, kind));
}

int api_push_metric(lua_State *L, const struct meters *meters) {
  struct meter *meter = meters ? meters_find(meters, luaL_checkstring(L, 2)) : NULL;
  if (meter) return push_set(L, meter->shape.kind, find_set(L, meter, false));
  lua_pushnil(L);
  return 1;
}

/* counter:get([label, ...]) -> n */
static int l_counter_get(lua_State *L) {
  return get(L, METER_COUNTER);
}

/* gauge:get([label, ...]) -> n */
static int l_gauge_get(lua_State *L) {
  return get(L, METER_GAUGE);
}

/* histogram:get([label, ...]) -> how many were observed, their sum */
static int l_histogram_get(lua_State *L) {
  return get(L, METER_HISTOGRAM);
}

/* --- Declarations ------------------------------------------------------------------------------- */

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *text, size_t size_max) {
  const size_t size = strlen(text);
  if (size == 0 || size > size_max || !is_letter(*text)) return false;
  for (size_t i = 1; i < size; i++) {
    if (!is_letter(text[i]) && !(text[i] >= '0' && text[i] <= '9')) return false;
  }
  return true;
}

static bool ends_with(const char *text, const char *end) {
  const size_t size = strlen(text), end_size = strlen(end);
  return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static const char *check_name(lua_State *L, enum meter_kind kind) {
  const char *name = api_check_text(L, 1);
  if (!is_name(name, METER_NAME_MAX)) {
    luaL_error(L, "bad name of a metric '%s': letters, digits and _, no digit first, at most %d",
               name, METER_NAME_MAX);
  }
  if (strncmp(name, "moonport_", 9) == 0 || strncmp(name, "process_", 8) == 0) {
    luaL_error(L, "bad name of a metric '%s': moonport_ and process_ are the server's own", name);
  }
  if (kind == METER_COUNTER && !ends_with(name, "_total")) {
    luaL_error(L, "bad name of a counter '%s': by convention it ends in _total", name);
  }
  static const char *const taken[] = {"_total", "_bucket", "_sum", "_count"};
  for (size_t i = kind == METER_COUNTER; i < sizeof taken / sizeof *taken; i++) {
    if (!ends_with(name, taken[i])) continue;
    luaL_error(L, "bad name of a %s '%s': %s is the end of %s", kind_names[kind], name, taken[i],
               i == 0 ? "a counter's" : "what a histogram is written as");
  }
  return name;
}

static const char *check_help(lua_State *L) {
  const char *help = api_check_text(L, 2);
  luaL_argcheck(L, *help, 2, "what it counts, in a sentence, expected");
  luaL_argcheck(L, strlen(help) <= METER_HELP_MAX, 2, "longer than 1000 bytes");
  return help;
}

static void check_label_name(lua_State *L, const struct meter_shape *shape, const char *label) {
  static const char *const taken[] = {"script", "le", "quantile", "worker"};
  if (!is_name(label, METER_NAME_MAX) || strncmp(label, "__", 2) == 0) {
    luaL_error(
        L, "bad name of a label '%s' of %s: letters, digits and _, neither a digit nor __ first",
        label, shape->name);
  }
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
    if (strcmp(label, taken[i]) == 0) {
      luaL_error(L, "label '%s' of %s is set by the server: name it otherwise", label, shape->name);
    }
  }
  for (size_t i = 0; i < shape->label_count; i++) {
    if (strcmp(label, shape->labels[i]) == 0) {
      luaL_error(L, "%s has the label '%s' twice", shape->name, label);
    }
  }
}

/* Their names stay on the stack. */
static void read_labels(lua_State *L, struct meter_shape *shape) {
  if (lua_isnoneornil(L, 3)) return;
  luaL_checktype(L, 3, LUA_TTABLE);
  const lua_Integer count = luaL_len(L, 3);
  luaL_argcheck(L, count <= METER_LABELS_MAX, 3, "more than 16 labels");
  luaL_argcheck(L, count > 0 || (lua_pushnil(L), !lua_next(L, 3)), 3,
                "a list of names expected, such as { \"method\", \"status\" }");
  luaL_checkstack(L, METER_LABELS_MAX, NULL);
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_geti(L, 3, i) != LUA_TSTRING || strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1)) {
      luaL_error(L, "label %d of %s is no name", (int)i, shape->name);
    }
    check_label_name(L, shape, lua_tostring(L, -1));
    shape->labels[shape->label_count++] = lua_tostring(L, -1);
  }
}

/* As Prometheus' clients have them, for seconds. */
static const double usual_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

static void read_bounds(lua_State *L, struct meter_shape *shape) {
  if (lua_isnoneornil(L, 4)) {
    memcpy(shape->bounds, usual_bounds, sizeof usual_bounds);
    shape->bound_count = sizeof usual_bounds / sizeof *usual_bounds;
    return;
  }
  luaL_checktype(L, 4, LUA_TTABLE);
  const lua_Integer count = luaL_len(L, 4);
  luaL_argcheck(L, count > 0 && count <= METER_BOUNDS_MAX, 4, "1 to 64 bounds expected");
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_geti(L, 4, i) != LUA_TNUMBER)
      luaL_error(L, "bound %d of %s is no number", (int)i, shape->name);
    const double bound = lua_tonumber(L, -1);
    lua_pop(L, 1);
    bool rises = i == 1 || bound > shape->bounds[i - 2];
    if (!rises || !isfinite(bound)) {
      luaL_error(L,
                 "bound %d of %s does not rise: write them from small to large, without infinity",
                 (int)i, shape->name);
    }
    shape->bounds[shape->bound_count++] = bound;
  }
}

static bool is_same(const struct meter_shape *one, const struct meter_shape *other) {
  if (one->kind != other->kind || one->label_count != other->label_count) return false;
  for (size_t i = 0; i < one->label_count; i++) {
    if (strcmp(one->labels[i], other->labels[i]) != 0) return false;
  }
  return one->bound_count == other->bound_count &&
         memcmp(one->bounds, other->bounds, one->bound_count * sizeof *one->bounds) == 0;
}

/* The one that was declared before, or a new one. */
static struct meter *find_meter(lua_State *L, const struct meter_shape *shape) {
  struct runtime *runtime = runtime_of(L);
  if (!runtime->meters && !(runtime->meters = meters_new())) luaL_error(L, "not enough memory");
  struct meter *meter = meters_find(runtime->meters, shape->name);
  if (meter && !is_same(&meter->shape, shape)) {
    luaL_error(
        L,
        "%s is a %s with other labels or buckets already (labels: %s), also if that was before a "
        "reload: name this one otherwise, or restart the server",
        shape->name, kind_names[meter->shape.kind], declared(L, meter));
  }
  if (!meter && meters_are_full(runtime->meters)) {
    luaL_error(L, "a script may have %d metrics: use labels for what is alike", METERS_MAX);
  }
  if (meter && strcmp(meter->shape.help, shape->help) != 0)
    (void)meter_set_help(meter, shape->help);
  if (!meter) meter = meters_add(runtime->meters, shape);
  if (!meter) luaL_error(L, "not enough memory");
  return meter;
}

static int declare(lua_State *L, enum meter_kind kind) {
  struct meter_shape shape = {.kind = kind};
  api_check_count(L, kind == METER_HISTOGRAM ? 4 : 3, NULL);
  lua_settop(L, 4);
  shape.name = check_name(L, kind);
  shape.help = check_help(L);
  read_labels(L, &shape);
  if (kind == METER_HISTOGRAM) read_bounds(L, &shape);
  struct metric *metric = lua_newuserdatauv(L, sizeof *metric, 0);
  metric->meter = NULL;
  luaL_setmetatable(L, type_names[kind]);
  metric->meter = find_meter(L, &shape);
  meters_ref(metric->meter->meters);
  return 1;
}

/* metrics.counter(name, help [, labels]) -> counter */
static int l_counter(lua_State *L) {
  return declare(L, METER_COUNTER);
}

/* metrics.gauge(name, help [, labels]) -> gauge */
static int l_gauge(lua_State *L) {
  return declare(L, METER_GAUGE);
}

/* metrics.histogram(name, help [, labels [, bounds]]) -> histogram */
static int l_histogram(lua_State *L) {
  return declare(L, METER_HISTOGRAM);
}

static const luaL_Reg counter_methods[] = {
    {"inc", l_counter_inc}, {"get", l_counter_get}, {NULL, NULL}};
static const luaL_Reg gauge_methods[] = {{"inc", l_gauge_inc},
                                         {"dec", l_gauge_dec},
                                         {"set", l_gauge_set},
                                         {"get", l_gauge_get},
                                         {NULL, NULL}};
static const luaL_Reg histogram_methods[] = {
    {"observe", l_histogram_observe}, {"get", l_histogram_get}, {NULL, NULL}};

const struct api_type api_counter_type = {
    .name = counter_name, .methods = counter_methods, .finalizer = l_metric_gc};
const struct api_type api_gauge_type = {
    .name = gauge_name, .methods = gauge_methods, .finalizer = l_metric_gc};
const struct api_type api_histogram_type = {
    .name = histogram_name, .methods = histogram_methods, .finalizer = l_metric_gc};
const luaL_Reg api_metrics_functions[] = {
    {"counter", l_counter}, {"gauge", l_gauge}, {"histogram", l_histogram}, {NULL, NULL}};
