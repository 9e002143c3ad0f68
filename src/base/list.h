/* base/list.h — an intrusive, circular, doubly linked list — knows nothing of what it links. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Both the head of a list and the link inside an element. An initialised link that is in no list
 * points at itself, so removing it twice is harmless. */
struct list {
  struct list *prev;
  struct list *next;
};

#define LIST_ELEMENT(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* As `for`: `item` is each element of the list in turn. None may leave it meanwhile, unless that ends the loop. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a type, and names */
#define LIST_EACH(type, item, head, member)                                                        \
  for (type *item = LIST_ELEMENT((head)->next, type, member); &item->member != (head);             \
       item = LIST_ELEMENT(item->member.next, type, member))
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void list_init(struct list *list) {
  list->prev = list;
  list->next = list;
}

static inline bool list_empty(const struct list *list) {
  return list->next == list;
}

static inline void list_append(struct list *list, struct list *link) {
  link->prev = list->prev;
  link->next = list;
  list->prev->next = link;
  list->prev = link;
}

static inline void list_remove(struct list *link) {
  link->prev->next = link->next;
  link->next->prev = link->prev;
  list_init(link);
}

/* Takes the first one out; NULL when there is none. */
static inline struct list *list_shift(struct list *list) {
  struct list *first = list->next;
  if (first == list) return NULL;
  list->next = first->next;
  first->next->prev = list;
  list_init(first);
  return first;
}

/* Moves every element of `from` to the empty list `to`: for walking a list whose elements may leave
 * it, or join it again, on the way. */
static inline void list_take(struct list *to, struct list *from) {
  list_init(to);
  if (list_empty(from)) return;
  *to = *from;
  to->next->prev = to;
  to->prev->next = to;
  list_init(from);
}

/* Appends every element of `from`, which is empty then. */
static inline void list_join(struct list *to, struct list *from) {
  if (list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  list_init(from);
}
