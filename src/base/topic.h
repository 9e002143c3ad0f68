/* base/topic.h — topics of the bus, and patterns of them — does not know who publishes.
 *
 * A topic is words with dots between them: "chat.room.tea". In a pattern "*" stands for one word, and
 * ">" at the end for one or more: the subjects of NATS, word by word. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { TOPIC_BYTES_MAX = 255 };

/* What is wrong with it, in words that follow "the topic 'x' " or "the pattern 'x' "; NULL: nothing. */
const char *topic_fault(const char *topic, size_t size);
const char *topic_pattern_fault(const char *pattern, size_t size);

/* Of a pattern: whether it may mean more than one topic. */
bool topic_is_wild(const char *pattern, size_t size);
/* Both end with NUL, and nothing is wrong with them. */
bool topic_matches(const char *pattern, const char *topic);
