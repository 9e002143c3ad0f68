/* base/bus.h — who hears what is published in this process, and what waits to leave it — knows no loop,
 * no script and no broker.
 *
 * Publishing calls every subscription whose pattern matches, which only queues: whoever it is of is told
 * in a turn of his own. What is to go further, to a broker or to other workers, is queued beside that. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  BUS_DATA_BYTES_MAX = 60 * 1024, /* with its topic it fits into a message between workers */
  BUS_QUEUE_MESSAGES_MAX = 10000,
  BUS_QUEUE_BYTES_MAX = 4 * 1024 * 1024,
  BUS_TELL_MS = 1000, /* what is dropped is told of so often */
};

struct bus; /* opaque */

/* One allocation; not for use by several threads. */
struct bus_message {
  size_t references;
  size_t topic_size;
  size_t data_size;
  char bytes[]; /* the topic, a NUL, the data */
};

/* One reference. NULL when memory is out. */
struct bus_message *bus_message_new(const char *topic, size_t topic_size, const char *data,
                                    size_t data_size);
void bus_message_unref(struct bus_message *message);
/* What it counts for where the bytes of queues are bounded. */
static inline size_t bus_message_size(const struct bus_message *message) {
  return message->topic_size + message->data_size;
}
static inline const char *bus_message_data(const struct bus_message *message) {
  return message->bytes + message->topic_size + 1;
}

/* Messages that wait, oldest first. Zeroed: none. */
struct bus_queue {
  struct bus_node *first;
  struct bus_node **end; /* NULL: nothing was ever queued */
  size_t count;
  size_t bytes;
  uint64_t dropped; /* so far, because it was full, or memory was out */
};
/* Holds the message; false: it was dropped, and counted. */
bool bus_queue_put(struct bus_queue *queue, struct bus_message *message);
/* Puts the oldest together, as many as `size` bytes have room for, each with its size before it; says how
 * many bytes were written, and how many messages that are, which stay. */
size_t bus_queue_pack(const struct bus_queue *queue, char *out, size_t size, size_t *count);
/* The next one of those, and moves *bytes and *size past it. NULL: there is none, or memory is out. */
struct bus_message *bus_message_unpack(const char **bytes, size_t *size);
/* The caller has its reference. NULL: none waits. */
struct bus_message *bus_queue_take(struct bus_queue *queue);
void bus_queue_clear(struct bus_queue *queue);

struct bus_pattern; /* opaque; with all its subscriptions */

/* Part of whoever subscribes. */
struct bus_subscription {
  struct list link;
  struct bus_pattern *pattern; /* NULL: it is no subscription now */
  /* Queues it, if at all: subscriptions may neither come nor go meanwhile. */
  void (*on_message)(struct bus_subscription *subscription, struct bus_message *message);
};

/* NULL when memory is out. */
struct bus *bus_new(void);
void bus_free(struct bus *bus); /* no subscription is left */

/* The text is a right pattern (base/topic.h). -1 when memory is out. */
int bus_subscribe(struct bus *bus, struct bus_subscription *subscription, const char *text,
                  size_t size);
void bus_unsubscribe(struct bus *bus, struct bus_subscription *subscription);
const char *bus_pattern_of(const struct bus_subscription *subscription);

/* To the subscriptions here, and to where else it is to go. False: somewhere else had no room for it, or
 * a subscription here. */
bool bus_publish(struct bus *bus, struct bus_message *message);
/* What came from elsewhere: to the subscriptions here, of all patterns or of the one with that text only. */
void bus_deliver(struct bus *bus, struct bus_message *message);
void bus_deliver_to(struct bus *bus, const char *text, struct bus_message *message);
/* A message from a subscription's queue was dropped, or some of the way was. */
void bus_count_dropped(struct bus *bus, uint64_t count);

/* Where else messages go, beside a broker: to other workers. False: it had no room. */
struct bus_link {
  bool (*send)(void *context, struct bus_message *message);
  void *context;
};
void bus_set_link(struct bus *bus, const struct bus_link *link);

/* --- A broker ------------------------------------------------------------------------------------ */

/* From now on what is published waits for it, and so do changes of patterns. on_news(context) is called
 * when there is something new; `name` says which one it is, without a password. -1: memory. */
int bus_begin_broker(struct bus *bus, const char *name, void (*on_news)(void *context),
                     void *context);
void bus_end_broker(struct bus *bus);
/* The next message to go there; the caller has its reference. NULL: none. */
struct bus_message *bus_take_outgoing(struct bus *bus);
/* The next pattern that it is to know, or to forget. The text is valid until the next call. NULL: none. */
const char *bus_take_change(struct bus *bus, bool *is_wanted);
bool bus_has_changes(const struct bus *bus);
bool bus_has_outgoing(const struct bus *bus);
/* When that changed is noted. */
void bus_set_connected(struct bus *bus, bool is_connected);

struct bus_status {
  const char *broker; /* NULL: none */
  bool is_connected;
  int64_t since_s;      /* since when it is, or is not: seconds since 1970 */
  size_t subscriptions; /* here */
  size_t queued;        /* for the broker */
  uint64_t published;   /* here, so far */
  uint64_t received;    /* from elsewhere, so far */
  uint64_t dropped;     /* on the way, or for a subscription that was slow: so far */
};
void bus_status(const struct bus *bus, struct bus_status *out);
