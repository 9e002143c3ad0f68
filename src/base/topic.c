/* base/topic.c — topics of the bus, and patterns of them — does not know who publishes. */
#include "base/topic.h"

#include <string.h>

/* Of one word, which ends at a dot or with the topic. */
static const char *word_fault(const char *word, size_t size, bool is_pattern, bool is_last) {
  if (size == 0) return "has an empty word: one dot stands between two words";
  if (is_pattern && size == 1 && *word == '*') return NULL;
  if (is_pattern && size == 1 && *word == '>') {
    return is_last ? NULL : "has a '>' in the middle: it stands for the rest, at the end";
  }
  for (size_t i = 0; i < size; i++) {
    const unsigned char byte = (unsigned char)word[i];
    if (byte <= ' ' || byte == 0x7f) return "has a blank or a control byte in it";
    if (byte != '*' && byte != '>') continue;
    return is_pattern
               ? "has a '*' or '>' within a word: '*' stands for one whole word, '>' for all "
                 "that follow"
               : "has a '*' or '>' in it, which are for patterns: publish to one topic";
  }
  return NULL;
}

static const char *fault_of(const char *text, size_t size, bool is_pattern) {
  if (size == 0) return "is empty";
  if (size > TOPIC_BYTES_MAX) return "is longer than 255 bytes";
  if (*text == '$') return "begins with '$', as those of a broker itself do";
  for (size_t start = 0; start <= size;) {
    const char *dot = memchr(text + start, '.', size - start);
    const size_t end = dot ? (size_t)(dot - text) : size;
    const char *fault = word_fault(text + start, end - start, is_pattern, !dot);
    if (fault) return fault;
    start = end + 1;
  }
  return NULL;
}

const char *topic_fault(const char *topic, size_t size) {
  return fault_of(topic, size, false);
}

const char *topic_pattern_fault(const char *pattern, size_t size) {
  return fault_of(pattern, size, true);
}

bool topic_is_wild(const char *pattern, size_t size) {
  return memchr(pattern, '*', size) || memchr(pattern, '>', size);
}

bool topic_matches(const char *pattern, const char *topic) {
  for (;;) {
    if (*pattern == '>') return *topic != 0;
    if (*pattern == '*') {
      if (!*topic) return false;
      topic += strcspn(topic, ".");
      pattern++;
    } else {
      while (*pattern && *pattern != '.' && *pattern == *topic) pattern++, topic++;
    }
    if (*pattern != *topic) return false;
    if (!*pattern) return true;
    pattern++; /* a dot in both */
    topic++;
  }
}
