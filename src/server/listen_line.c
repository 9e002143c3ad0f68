/* server/listen_line.c — in which line of a script's file an address of its `listen` stands. Knows no
 * socket, and of Lua only how such a table is mostly written: what is built up elsewhere has no line. */
#include "server/listen_state.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(char letter) {
  return isalnum((unsigned char)letter) || letter == '_';
}

/* Where `word` stands by itself, or NULL. */
static const char *find_word(const char *text, const char *word) {
  const size_t size = strlen(word);
  const char *found = text;
  while ((found = strstr(found, word))) {
    bool begins = found == text || !is_word(found[-1]) || !is_word(*word);
    if (begins && !is_word(found[size])) return found;
    found++;
  }
  return NULL;
}

/* Behind the = of `listen =` or ["listen"] =, or NULL. */
static const char *find_value(const char *text) {
  const char *found = find_word(text, "listen");
  if (!found) return NULL;
  found += strlen("listen");
  found += strspn(found, " \t\"']");
  return *found == '=' && found[1] != '=' ? found + 1 : NULL;
}

struct search {
  const char *address;
  unsigned first; /* the line of `listen =`; 0: it has not come yet */
  bool in_list;
};

/* Whether the search ends with this line; then it is the address's, or *is_there is false. */
static bool look_at(struct search *search, const char *text, unsigned number, bool *is_there) {
  const char *value = search->first ? text : find_value(text);
  *is_there = false;
  if (!value) return false;
  if (!search->first) {
    search->first = number;
    search->in_list = value[strspn(value, " \t\r\n")] == '{';
  }
  *is_there = find_word(value, search->address);
  return *is_there || !search->in_list || strchr(value, '}');
}

unsigned listen_find_line(FILE *file, const char *address) {
  struct search search = {.address = address};
  char *text = NULL;
  size_t size = 0;
  bool is_there = false;
  for (unsigned number = 1; getline(&text, &size, file) >= 0; number++) {
    char *comment = strstr(text, "--");
    if (comment) *comment = '\0';
    if (!look_at(&search, text, number, &is_there)) continue;
    if (is_there) search.first = number;
    break;
  }
  free(text);
  return search.first;
}
