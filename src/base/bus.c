/* base/bus.c — who hears what is published in this process, and what waits to leave it — knows no loop,
 * no script and no broker.
 *
 * A topic without wildcards is looked up; patterns with wildcards are tried one after the other, so
 * there should be hundreds of those and not tens of thousands. */
#include "base/bus.h"

#include "base/topic.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUCKETS_MIN = 64 };

struct bus_node {
  struct bus_node *next;
  struct bus_message *message;
};

struct bus_pattern {
  struct bus_pattern *next; /* in its bucket */
  struct list wild;         /* in the bus's list, where it has wildcards */
  struct list change;       /* in the bus's list, while the broker knows otherwise */
  struct list subscriptions;
  size_t count;
  bool is_known; /* to the broker */
  uint32_t hash;
  char text[];
};

struct bus {
  struct bus_pattern **buckets;
  size_t bucket_count; /* a power of two */
  size_t pattern_count;
  size_t subscription_count;
  struct list wild;
  uint64_t published;
  uint64_t received;
  uint64_t dropped;
  struct bus_link link;
  char *broker; /* its name; NULL: none */
  void (*on_news)(void *context);
  void *context;
  struct list changes;
  struct bus_pattern *forgotten; /* its text was given out last; nobody else has it */
  struct bus_queue outgoing;
  bool is_connected;
  int64_t since_s;
};

/* --- Messages and queues ------------------------------------------------------------------------ */

struct bus_message *bus_message_new(const char *topic, size_t topic_size, const char *data,
                                    size_t data_size) {
  struct bus_message *message = malloc(sizeof *message + topic_size + 1 + data_size);
  if (!message) return NULL;
  message->references = 1;
  message->topic_size = topic_size;
  message->data_size = data_size;
  memcpy(message->bytes, topic, topic_size);
  message->bytes[topic_size] = 0;
  memcpy(message->bytes + topic_size + 1, data, data_size);
  return message;
}

void bus_message_unref(struct bus_message *message) {
  if (--message->references == 0) free(message);
}

bool bus_queue_put(struct bus_queue *queue, struct bus_message *message) {
  const size_t bytes = bus_message_size(message);
  bool has_room =
      queue->count < BUS_QUEUE_MESSAGES_MAX && queue->bytes + bytes <= BUS_QUEUE_BYTES_MAX;
  struct bus_node *node = has_room ? malloc(sizeof *node) : NULL;
  if (!node) {
    queue->dropped++;
    return false;
  }
  *node = (struct bus_node){.message = message};
  message->references++;
  if (!queue->first) queue->end = &queue->first;
  *queue->end = node;
  queue->end = &node->next;
  queue->count++;
  queue->bytes += bytes;
  return true;
}

size_t bus_queue_pack(const struct bus_queue *queue, char *out, size_t size, size_t *count) {
  size_t used = 0;
  *count = 0;
  for (const struct bus_node *node = queue->first; node; node = node->next) {
    const struct bus_message *message = node->message;
    const uint32_t sizes[] = {(uint32_t)message->topic_size, (uint32_t)message->data_size};
    const size_t bytes = bus_message_size(message) + 1; /* with the NUL between the two */
    if (used + sizeof sizes + bytes > size) break;
    memcpy(out + used, sizes, sizeof sizes);
    memcpy(out + used + sizeof sizes, message->bytes, bytes);
    used += sizeof sizes + bytes;
    (*count)++;
  }
  return used;
}

struct bus_message *bus_message_unpack(const char **bytes, size_t *size) {
  uint32_t sizes[2];
  if (*size < sizeof sizes) return NULL;
  memcpy(sizes, *bytes, sizeof sizes);
  const size_t whole = sizeof sizes + sizes[0] + 1 + sizes[1];
  if (*size < whole) return NULL;
  const char *topic = *bytes + sizeof sizes;
  *bytes += whole;
  *size -= whole;
  return bus_message_new(topic, sizes[0], topic + sizes[0] + 1, sizes[1]);
}

struct bus_message *bus_queue_take(struct bus_queue *queue) {
  struct bus_node *node = queue->first;
  if (!node) return NULL;
  struct bus_message *message = node->message;
  queue->first = node->next;
  queue->count--;
  queue->bytes -= bus_message_size(message);
  free(node);
  return message;
}

void bus_queue_clear(struct bus_queue *queue) {
  for (struct bus_message *message; (message = bus_queue_take(queue));) bus_message_unref(message);
}

/* --- Patterns ----------------------------------------------------------------------------------- */

/* FNV-1a; whoever may choose topics may be slow with his own. */
static uint32_t hash_of(const char *text, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)text[i]) * 16777619u;
  return hash;
}

static struct bus_pattern **bucket_of(const struct bus *bus, uint32_t hash) {
  return &bus->buckets[hash & (bus->bucket_count - 1)];
}

static struct bus_pattern *find(const struct bus *bus, const char *text, size_t size) {
  const uint32_t hash = hash_of(text, size);
  struct bus_pattern *pattern = *bucket_of(bus, hash);
  while (pattern && (pattern->hash != hash || strcmp(pattern->text, text) != 0)) {
    pattern = pattern->next;
  }
  return pattern;
}

static void put_in_bucket(struct bus *bus, struct bus_pattern *pattern) {
  struct bus_pattern **bucket = bucket_of(bus, pattern->hash);
  pattern->next = *bucket;
  *bucket = pattern;
}

/* Where memory is out, buckets are longer. */
static void grow(struct bus *bus) {
  struct bus_pattern **before = bus->buckets;
  const size_t count = bus->bucket_count;
  struct bus_pattern **buckets = calloc(2 * count, sizeof(struct bus_pattern *));
  if (!buckets) return;
  bus->buckets = buckets;
  bus->bucket_count = 2 * count;
  for (size_t i = 0; i < count; i++) {
    for (struct bus_pattern *pattern = before[i], *next; pattern; pattern = next) {
      next = pattern->next;
      put_in_bucket(bus, pattern);
    }
  }
  free(before);
}

static struct bus_pattern *add(struct bus *bus, const char *text, size_t size) {
  struct bus_pattern *pattern = calloc(1, sizeof *pattern + size + 1);
  if (!pattern) return NULL;
  memcpy(pattern->text, text, size);
  pattern->hash = hash_of(text, size);
  list_init(&pattern->wild);
  list_init(&pattern->change);
  list_init(&pattern->subscriptions);
  if (topic_is_wild(text, size)) list_append(&bus->wild, &pattern->wild);
  if (bus->pattern_count >= bus->bucket_count) grow(bus);
  put_in_bucket(bus, pattern);
  bus->pattern_count++;
  return pattern;
}

static void forget(struct bus *bus, struct bus_pattern *pattern) {
  struct bus_pattern **place = bucket_of(bus, pattern->hash);
  while (*place != pattern) place = &(*place)->next;
  *place = pattern->next;
  list_remove(&pattern->wild);
  list_remove(&pattern->change);
  bus->pattern_count--;
}

/* It has its first subscription, or has lost its last one. */
static void pattern_changed(struct bus *bus, struct bus_pattern *pattern) {
  bool is_wanted = pattern->count > 0;
  list_remove(&pattern->change);
  if (bus->broker && is_wanted != pattern->is_known) {
    list_append(&bus->changes, &pattern->change);
    bus->on_news(bus->context);
  } else if (!is_wanted) {
    forget(bus, pattern);
    free(pattern);
  }
}

int bus_subscribe(struct bus *bus, struct bus_subscription *subscription, const char *text,
                  size_t size) {
  struct bus_pattern *pattern = find(bus, text, size);
  if (!pattern) pattern = add(bus, text, size);
  if (!pattern) return -1;
  subscription->pattern = pattern;
  list_append(&pattern->subscriptions, &subscription->link);
  bus->subscription_count++;
  if (pattern->count++ == 0) pattern_changed(bus, pattern);
  return 0;
}

void bus_unsubscribe(struct bus *bus, struct bus_subscription *subscription) {
  struct bus_pattern *pattern = subscription->pattern;
  if (!pattern) return;
  list_remove(&subscription->link);
  subscription->pattern = NULL;
  bus->subscription_count--;
  if (--pattern->count == 0) pattern_changed(bus, pattern);
}

const char *bus_pattern_of(const struct bus_subscription *subscription) {
  return subscription->pattern->text;
}

/* --- Messages to subscriptions ------------------------------------------------------------------ */

static void tell(const struct bus_pattern *pattern, struct bus_message *message) {
  const struct list *head = &pattern->subscriptions;
  for (struct list *link = head->next, *next; link != head; link = next) {
    next = link->next;
    struct bus_subscription *it = LIST_ELEMENT(link, struct bus_subscription, link);
    it->on_message(it, message);
  }
}

static void tell_all(struct bus *bus, struct bus_message *message) {
  const struct bus_pattern *exact = find(bus, message->bytes, message->topic_size);
  if (exact) tell(exact, message);
  LIST_EACH (const struct bus_pattern, pattern, &bus->wild, wild) {
    if (topic_matches(pattern->text, message->bytes)) tell(pattern, message);
  }
}

bool bus_publish(struct bus *bus, struct bus_message *message) {
  const uint64_t dropped = bus->dropped;
  bus->published++;
  tell_all(bus, message);
  if (bus->broker) {
    if (!bus_queue_put(&bus->outgoing, message)) bus->dropped++;
    bus->on_news(bus->context);
  } else if (bus->link.send && !bus->link.send(bus->link.context, message)) {
    bus->dropped++;
  }
  return bus->dropped == dropped;
}

void bus_deliver(struct bus *bus, struct bus_message *message) {
  bus->received++;
  tell_all(bus, message);
}

void bus_deliver_to(struct bus *bus, const char *text, struct bus_message *message) {
  const struct bus_pattern *pattern = find(bus, text, strlen(text));
  bus->received++;
  if (pattern && topic_matches(pattern->text, message->bytes)) tell(pattern, message);
}

void bus_count_dropped(struct bus *bus, uint64_t count) {
  bus->dropped += count;
}

void bus_set_link(struct bus *bus, const struct bus_link *link) {
  bus->link = *link;
}

/* --- A broker ------------------------------------------------------------------------------------ */

int bus_begin_broker(struct bus *bus, const char *name, void (*on_news)(void *context),
                     void *context) {
  bus->broker = strdup(name);
  if (!bus->broker) return -1;
  bus->on_news = on_news;
  bus->context = context;
  bus->since_s = time(NULL);
  for (size_t i = 0; i < bus->bucket_count; i++) {
    for (struct bus_pattern *pattern = bus->buckets[i]; pattern; pattern = pattern->next) {
      list_append(&bus->changes, &pattern->change);
    }
  }
  return 0;
}

static void free_forgotten(struct bus *bus) {
  free(bus->forgotten);
  bus->forgotten = NULL;
}

const char *bus_take_change(struct bus *bus, bool *is_wanted) {
  free_forgotten(bus);
  struct list *link = list_shift(&bus->changes);
  if (!link) return NULL;
  struct bus_pattern *pattern = LIST_ELEMENT(link, struct bus_pattern, change);
  pattern->is_known = *is_wanted = pattern->count > 0;
  if (*is_wanted) return pattern->text;
  forget(bus, pattern);
  bus->forgotten = pattern;
  return pattern->text;
}

struct bus_message *bus_take_outgoing(struct bus *bus) {
  return bus_queue_take(&bus->outgoing);
}

bool bus_has_changes(const struct bus *bus) {
  return !list_empty(&bus->changes);
}

bool bus_has_outgoing(const struct bus *bus) {
  return bus->outgoing.count > 0;
}

void bus_end_broker(struct bus *bus) {
  bool is_wanted;
  while (bus_take_change(bus, &is_wanted)) continue;
  bus_queue_clear(&bus->outgoing);
  free(bus->broker);
  bus->broker = NULL;
}

void bus_set_connected(struct bus *bus, bool is_connected) {
  if (bus->is_connected != is_connected) bus->since_s = time(NULL);
  bus->is_connected = is_connected;
}

void bus_status(const struct bus *bus, struct bus_status *out) {
  *out = (struct bus_status){
      .broker = bus->broker,
      .is_connected = bus->is_connected,
      .since_s = bus->since_s,
      .subscriptions = bus->subscription_count,
      .queued = bus->outgoing.count,
      .published = bus->published,
      .received = bus->received,
      .dropped = bus->dropped,
  };
}

/* --- Its life ------------------------------------------------------------------------------------ */

struct bus *bus_new(void) {
  struct bus *bus = calloc(1, sizeof *bus);
  if (!bus) return NULL;
  list_init(&bus->wild);
  list_init(&bus->changes);
  bus->bucket_count = BUCKETS_MIN;
  bus->buckets = calloc(BUCKETS_MIN, sizeof(struct bus_pattern *));
  if (bus->buckets) return bus;
  free(bus);
  return NULL;
}

void bus_free(struct bus *bus) {
  if (!bus) return;
  if (bus->broker) bus_end_broker(bus);
  free_forgotten(bus);
  free(bus->buckets);
  free(bus);
}
