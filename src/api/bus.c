/* api/bus.c — moonport.bus: publish, subscribe, status. Does not know where else messages go.
 *
 * What is published is queued for each subscription, and told in its script's next turn: one entry into
 * Lua for all that are due, until a function waits or raises. */
#include "api/bus.h"

#include "api/arguments.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/tell.h"
#include "api/values.h"
#include "base/bus.h"
#include "base/text.h"
#include "base/topic.h"
#include "net/defer.h"
#include "net/loop.h"
#include "net/timer.h"
#include "vm/world.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const char type_name[] = "moonport.bus.subscription";

enum { TURN_NS_MAX = 20 * 1000 * 1000 };

/* The payload of a userdata. User value 1: the function. */
struct hearer {
  struct bus_subscription subscription;
  struct runtime *runtime;
  struct version *version;
  struct belonging belonging; /* while it is a subscription, or its function runs */
  struct vm_world *world;
  struct vm_task *task; /* the function, while it waits */
  int reference;        /* registry; keeps the object as long as it belongs */
  bool busy;            /* the function runs or waits */
  struct list letters;  /* that wait for it, oldest first */
  size_t count;
  size_t bytes;
};

/* A message for one subscription. */
struct letter {
  struct list
      due; /* in the runtime's list, in the order of their coming; unless the function waits */
  struct list link; /* in its hearer's list */
  struct hearer *hearer;
  struct bus_message *message;
};

static void release_unless_needed(struct hearer *hearer) {
  if (hearer->subscription.pattern || hearer->busy || hearer->reference == LUA_NOREF) return;
  list_remove(&hearer->belonging.link);
  vm_world_unref(hearer->world);
  luaL_unref(vm_state(hearer->runtime->vm), LUA_REGISTRYINDEX, hearer->reference);
  hearer->reference = LUA_NOREF;
}

/* Its message is the caller's. */
static struct bus_message *open_letter(struct letter *letter) {
  struct bus_message *message = letter->message;
  list_remove(&letter->due);
  list_remove(&letter->link);
  letter->hearer->count--;
  letter->hearer->bytes -= bus_message_size(message);
  free(letter);
  return message;
}

static void unsubscribe(struct hearer *hearer) {
  bus_unsubscribe(hearer->runtime->bus, &hearer->subscription);
  for (struct list *link; (link = list_shift(&hearer->letters));) {
    bus_message_unref(open_letter(LIST_ELEMENT(link, struct letter, link)));
  }
}

/* --- What is dropped ----------------------------------------------------------------------------- */

static void on_tell(void *owner) {
  struct runtime *runtime = owner;
  struct bus_told *told = &runtime->bus_told;
  struct bus_status status;
  char bytes[TEXT_UNITS_SIZE_MAX];
  net_timer_close(told->timer);
  told->timer = NULL;
  bus_status(runtime->bus, &status);
  text_format_bytes(BUS_QUEUE_BYTES_MAX, bytes);
  if (told->slow > 0) {
    runtime_logf(
        runtime, LOG_WARN,
        "bus: a function that hears '%s' does not keep up: dropped %" PRIu64
        " message%s in a second, for it and others like it, of each of which %d messages or "
        "%s may wait",
        told->pattern, told->slow, text_plural(told->slow), BUS_QUEUE_MESSAGES_MAX, bytes);
  }
  if (told->full > 0) {
    runtime_logf(runtime, LOG_WARN,
                 "bus: dropped %" PRIu64 " published message%s in a second on the way to %s, which "
                 "does not take them: %d messages or %s wait already",
                 told->full, text_plural(told->full),
                 status.broker ? status.broker : "another worker", BUS_QUEUE_MESSAGES_MAX, bytes);
  }
  told->slow = told->full = 0;
}

/* In a second, once, however many are dropped until then. */
static void tell_soon(struct runtime *runtime) {
  struct bus_told *told = &runtime->bus_told;
  if (!told->timer) told->timer = net_timer_open(runtime->loop, BUS_TELL_MS, 0, on_tell, runtime);
}

void api_bus_end(struct runtime *runtime) {
  if (runtime->bus_told.timer) on_tell(runtime);
}

static void on_slow(struct hearer *hearer) {
  struct runtime *runtime = hearer->runtime;
  struct bus_told *told = &runtime->bus_told;
  bus_count_dropped(runtime->bus, 1);
  if (told->slow++ == 0) {
    strcpy(told->pattern, bus_pattern_of(&hearer->subscription)); /* NOLINT: both are that long */
  }
  tell_soon(runtime);
}

/* --- Messages to functions ----------------------------------------------------------------------- */

static void make_due(struct letter *letter) {
  struct runtime *runtime = letter->hearer->runtime;
  list_append(&runtime->letters_due, &letter->due);
  net_defer_ask(runtime->defer);
}

static void hearer_on_message(struct bus_subscription *subscription, struct bus_message *message) {
  struct hearer *hearer = LIST_ELEMENT(subscription, struct hearer, subscription);
  if (list_empty(&hearer->version->link)) return; /* not in force yet: another version hears it */
  const size_t bytes = hearer->bytes + bus_message_size(message);
  bool has_room = hearer->count < BUS_QUEUE_MESSAGES_MAX && bytes <= BUS_QUEUE_BYTES_MAX;
  struct letter *letter = has_room ? malloc(sizeof *letter) : NULL;
  if (!letter) {
    on_slow(hearer);
    return;
  }
  *letter = (struct letter){.hearer = hearer, .message = message};
  message->references++;
  list_init(&letter->due);
  list_append(&hearer->letters, &letter->link);
  hearer->count++;
  hearer->bytes = bytes;
  if (!hearer->task) make_due(letter);
}

static void hearer_on_fail(void *self, const struct vm_failure *failure) {
  const struct hearer *hearer = self;
  runtime_log_failure(hearer->runtime, hearer->belonging.conn_id, failure);
}

static void hearer_on_end(void *self, bool failed) {
  (void)failed;
  struct hearer *hearer = self;
  bool has_waited = hearer->task;
  hearer->busy = false;
  hearer->task = NULL;
  for (struct list *link = hearer->letters.next; has_waited && link != &hearer->letters;
       link = link->next) {
    struct letter *letter = LIST_ELEMENT(link, struct letter, link);
    if (list_empty(&letter->due)) make_due(letter);
  }
  release_unless_needed(hearer);
}

static void hearer_on_cancel(void *self) {
  hearer_on_end(self, false);
}

/* What one entry into Lua goes through; lives on the C stack until a function waits. */
struct round {
  struct list due; /* letters whose turn it is */
  uint64_t ends_ns;
  struct hearer *hearer; /* the one at hand */
  struct bus_message *message;
  bool is_pushed; /* the message is in Lua */
};

/* The next letter for a function that does not wait; NULL: there is none, or no time. */
static struct letter *next_letter(struct round *round) {
  while (!list_empty(&round->due)) {
    struct letter *letter = LIST_ELEMENT(round->due.next, struct letter, due);
    const struct hearer *hearer = letter->hearer;
    if (!hearer->task) {
      return net_loop_now_ns(hearer->runtime->loop) < round->ends_ns ? letter : NULL;
    }
    list_remove(&letter->due);
  }
  return NULL;
}

static void forget_message(struct round *round) {
  if (round->message) bus_message_unref(round->message);
  round->message = NULL;
  round->is_pushed = false;
}

/* The same message for another hearer stays where it is, strings in Lua and all. */
static void take_up(struct round *round, struct letter *letter) {
  round->hearer = letter->hearer;
  round->hearer->busy = true;
  struct bus_message *message = open_letter(letter);
  if (message == round->message) {
    bus_message_unref(message);
    return;
  }
  forget_message(round);
  round->message = message;
}

static void push_message(lua_State *L, struct round *round) {
  const struct bus_message *message = round->message;
  lua_settop(L, 0);
  lua_pushlstring(L, bus_message_data(message), message->data_size);
  lua_pushlstring(L, message->bytes, message->topic_size);
  round->is_pushed = true;
}

/* Whether the same entry goes on with the next letter: it does with those of one world. */
static bool hear_next(struct round *round) {
  struct hearer *hearer = round->hearer;
  struct vm *vm = hearer->runtime->vm;
  struct letter *letter = next_letter(round);
  if (!letter || letter->hearer->world != hearer->world || !vm_may_go_on(vm)) return false;
  take_up(round, letter);
  if (round->hearer == hearer) return true;
  vm_hand_over(vm, round->hearer, round->hearer->belonging.conn_id);
  hearer_on_end(hearer, false);
  return true;
}

/* Runs in the coroutine of whose function waits, and ends with it. */
static int hear(lua_State *L) {
  struct round *round = lua_touserdata(L, 1);
  do {
    const struct hearer *hearer = round->hearer;
    if (!round->is_pushed) push_message(L, round);
    lua_rawgeti(L, LUA_REGISTRYINDEX, hearer->reference);
    lua_getiuservalue(L, -1, 1);
    lua_replace(L, -2);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    if (api_tells_handlers(hearer->runtime)) api_tell_handler(L, "bus", -3);
    lua_callk(L, 2, 0, 0, vm_nothing_follows);
  } while (hear_next(round));
  return 0;
}

static void enter(struct round *round, struct letter *letter) {
  take_up(round, letter);
  struct hearer *hearer = round->hearer;
  const struct vm_owner owner = {
      .self = hearer,
      .name = "bus",
      .conn_id = hearer->belonging.conn_id,
      .world = hearer->world,
      .on_fail = hearer_on_fail,
      .on_end = hearer_on_end,
      .on_cancel = hearer_on_cancel,
  };
  struct vm_task *task = NULL;
  enum vm_status status = runtime_enter(hearer->runtime, hear, round, &owner, &task);
  hearer = round->hearer;                                            /* the last one */
  if (!round->is_pushed) bus_count_dropped(hearer->runtime->bus, 1); /* memory was out */
  forget_message(round);
  if (status == VM_WAITING) {
    hearer->task = task;
    return;
  }
  hearer_on_end(hearer, status == VM_FAILED);
}

void api_bus_tell(struct runtime *runtime) {
  if (list_empty(&runtime->letters_due)) return;
  struct round round = {.ends_ns = net_loop_now_ns(runtime->loop) + TURN_NS_MAX};
  list_take(&round.due, &runtime->letters_due);
  for (struct letter *letter; (letter = next_letter(&round));) enter(&round, letter);
  if (list_empty(&round.due)) return;
  struct list later; /* the loop has its own turn first */
  list_take(&later, &runtime->letters_due);
  list_take(&runtime->letters_due, &round.due);
  list_join(&runtime->letters_due, &later);
  net_defer_ask(runtime->defer);
}

/* --- For scripts ---------------------------------------------------------------------------------- */

/* The argument must be a topic, or a pattern, with which nothing is wrong. Raises. */
static const char *check_topic(lua_State *L, bool is_pattern, size_t *size) {
  const char *text = luaL_checklstring(L, 1, size);
  const char *fault = is_pattern ? topic_pattern_fault(text, *size) : topic_fault(text, *size);
  if (!fault) return text;
  const char *end = memchr(text, 0, *size);
  const int shown = end ? (int)(end - text) : *size < 60 ? (int)*size : 60;
  lua_pushlstring(L, text, (size_t)shown);
  lua_pushfstring(L, "the %s '%s' %s", is_pattern ? "pattern" : "topic", lua_tostring(L, -1),
                  fault);
  luaL_argerror(L, 1, lua_tostring(L, -1));
  return NULL; /* never: it raised */
}

/* bus.publish(topic, data) -> true | nil, "limit", detail: it was dropped somewhere on its way */
static int l_publish(lua_State *L) {
  size_t topic_size, size;
  api_check_count(L, 2, "data is one string: put several together, with json.encode say");
  const char *topic = check_topic(L, false, &topic_size);
  const char *data = luaL_checklstring(L, 2, &size);
  if (size > BUS_DATA_BYTES_MAX) {
    lua_pushfstring(L,
                    "%d bytes are too many for one message, of at most %d: publish where they "
                    "can be had",
                    (int)size, BUS_DATA_BYTES_MAX);
    return luaL_argerror(L, 2, lua_tostring(L, -1));
  }
  struct runtime *runtime = runtime_of(L);
  struct bus_message *message = bus_message_new(topic, topic_size, data, size);
  if (!message) return luaL_error(L, "not enough memory");
  const uint64_t slow = runtime->bus_told.slow;
  const bool arrives = bus_publish(runtime->bus, message);
  bus_message_unref(message);
  if (arrives) return api_push_true(L);
  if (runtime->bus_told.slow == slow) {
    runtime->bus_told.full++;
    tell_soon(runtime);
  }
  return api_push_failure(L, "limit", "a queue on its way is full: it was dropped there");
}

static void end_belonging(struct belonging *belonging) {
  struct hearer *hearer = LIST_ELEMENT(belonging, struct hearer, belonging);
  unsubscribe(hearer);
  if (hearer->task) {
    runtime_cancel(hearer->runtime, hearer->task); /* hearer_on_cancel() releases it */
  } else {
    release_unless_needed(hearer);
  }
}

static const struct belonging_kind kind = {.name = "subscription", .end = end_belonging};

/* bus.subscribe(pattern, f) -> subscription: calls f(data, topic) with what is published */
static int l_subscribe(lua_State *L) {
  size_t size;
  runtime_check_alive(L);
  const char *pattern = check_topic(L, true, &size);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  api_check_count(L, 2, "write function(data, topic) f(…) end, for it is called with those alone");
  struct runtime *runtime = runtime_of(L);
  struct version *version = version_of(L);
  struct hearer *hearer = lua_newuserdatauv(L, sizeof *hearer, 1);
  *hearer = (struct hearer){
      .subscription.on_message = hearer_on_message,
      .runtime = runtime,
      .version = version,
      .world = vm_world_in_force(runtime->vm),
      .reference = LUA_NOREF,
  };
  list_init(&hearer->subscription.link);
  list_init(&hearer->letters);
  luaL_setmetatable(L, type_name);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  hearer->reference = luaL_ref(L, LUA_REGISTRYINDEX);
  vm_world_ref(hearer->world);
  version_own(version, &hearer->belonging, &kind);
  if (bus_subscribe(runtime->bus, &hearer->subscription, pattern, size) == 0) return 1;
  release_unless_needed(hearer);
  return luaL_error(L, "not enough memory");
}

/* subscription:cancel() -> true when it was one, else false. What waits for its function is forgotten. */
static int l_cancel(lua_State *L) {
  struct hearer *hearer = luaL_checkudata(L, 1, type_name);
  api_check_count(L, 1, NULL);
  lua_pushboolean(L, hearer->subscription.pattern != NULL);
  unsubscribe(hearer);
  release_unless_needed(hearer);
  return 1;
}

/* bus.status() -> table */
static int l_status(lua_State *L) {
  struct bus_status status;
  api_check_count(L, 0, NULL);
  bus_status(runtime_of(L)->bus, &status);
  lua_newtable(L);
  api_set_integer(L, "subscriptions", status.subscriptions);
  api_set_integer(L, "published", status.published);
  api_set_integer(L, "received", status.received);
  api_set_integer(L, "queued", status.queued);
  api_set_integer(L, "dropped", status.dropped);
  if (!status.broker) return 1;
  lua_pushstring(L, status.broker);
  lua_setfield(L, -2, "broker");
  lua_pushboolean(L, status.is_connected);
  lua_setfield(L, -2, "connected");
  api_set_integer(L, "since", (uint64_t)status.since_s);
  return 1;
}

static const luaL_Reg methods[] = {{"cancel", l_cancel}, {NULL, NULL}};

const struct api_type api_bus_type = {type_name, methods, NULL, "cancel"};
const luaL_Reg api_bus_functions[] = {
    {"publish", l_publish}, {"subscribe", l_subscribe}, {"status", l_status}, {NULL, NULL}};
