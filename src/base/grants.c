/* base/grants.c — what the operator lets scripts have: read from text, and asked — opens nothing. */
#include "base/grants.h"

#include "base/file.h"
#include "base/ip.h"
#include "base/text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRANTS_MAX = 256, PORT_BYTES = 8, WORD_SHOWN_MAX = 80 };

/* The first three are enum grant; the others have a value. */
enum { IO = GRANT_CMODULES + 1, NET, NONE, NAME_COUNT };
static const char *const names[NAME_COUNT] = {
    [GRANT_OS] = "os", [GRANT_RUN] = "run", [GRANT_CMODULES] = "cmodules",
    [IO] = "io",       [NET] = "net",       [NONE] = "none",
};

/* One of io= or net=. */
struct rule {
  const char *value; /* io: a directory; net: the host's pattern, or "unix:" and that of a path */
  const char *port;  /* net: its pattern; NULL for a Unix socket */
};

struct grants {
  bool have[NAME_COUNT]; /* by name; of io and net, whether there is a rule */
  struct rule *paths;
  size_t path_count;
  struct rule *nets;
  size_t net_count;
  char *words; /* the text, cut into words, that the rules borrow */
  char *text;
};

struct reading {
  struct grants *grants;
  char *error;
  size_t error_size;
};

static bool grants_refuse(const struct reading *reading, const char *word, const char *why) {
  snprintf(reading->error, reading->error_size, "\"%.*s\": %s", WORD_SHOWN_MAX, word, why);
  return false;
}

static bool grants_refuse_name(const struct reading *reading, const char *name) {
  char why[200];
  const char *nearest = text_nearest(name, names, NAME_COUNT);
  snprintf(why, sizeof why,
           "there is no such grant%s%s; there are os, run, cmodules, io=DIRECTORY, net=HOST:PORT "
           "and none",
           nearest ? ": did you mean " : "", nearest ? nearest : "");
  return grants_refuse(reading, name, why);
}

static bool add_rule(struct rule **rules, size_t *count, struct rule rule) {
  struct rule *more = *count < GRANTS_MAX ? realloc(*rules, (*count + 1) * sizeof rule) : NULL;
  if (!more) return false;
  *rules = more;
  more[(*count)++] = rule;
  return true;
}

static bool read_path(const struct reading *reading, char *value) {
  if (!*value)
    return grants_refuse(reading, "io", "which files? Write io=DIRECTORY, such as io=/var/lib");
  struct grants *grants = reading->grants;
  const struct rule rule = {.value = value};
  return add_rule(&grants->paths, &grants->path_count, rule) ||
         grants_refuse(reading, value, "there are too many grants");
}

/* Cuts "[::1]:7000" and "*.example.org:*" at the port; *host is without brackets then. */
static bool cut_port(char *value, char **host, char **port) {
  char *colon = strrchr(value, ':');
  if (!colon || colon == value) return false;
  *colon = 0;
  *host = value;
  *port = colon + 1;
  if (*value == '[' && colon[-1] == ']') {
    colon[-1] = 0;
    *host = value + 1;
    return **port && strspn(*port, "0123456789*?") == strlen(*port);
  }
  return !strchr(value, ':') && **port && strspn(*port, "0123456789*?") == strlen(*port);
}

static bool read_net(const struct reading *reading, char *value) {
  struct grants *grants = reading->grants;
  char whole[WORD_SHOWN_MAX + 1];
  snprintf(whole, sizeof whole, "net=%s", value);
  char *host = value, *port = NULL;
  bool is_path = strncmp(value, "unix:", 5) == 0;
  bool is_all = strcmp(value, "*") == 0; /* every host, every port, every path */
  if (!is_path && !is_all && !cut_port(value, &host, &port)) {
    return grants_refuse(reading, whole,
                         "write net=HOST:PORT, such as net=db:5432, net=*:443, net=[::1]:* or "
                         "net=unix:/run/x.sock");
  }
  const struct rule rule = {.value = host, .port = port};
  return add_rule(&grants->nets, &grants->net_count, rule) ||
         grants_refuse(reading, whole, "there are too many grants");
}

static bool grants_read_word(const struct reading *reading, char *word) {
  char *value = strchr(word, '=');
  if (value) *value++ = 0;
  int name = 0;
  while (name < NAME_COUNT && strcmp(word, names[name]) != 0) name++;
  if (name == NAME_COUNT) return grants_refuse_name(reading, word);
  reading->grants->have[name] = true;
  if (name == IO) return read_path(reading, value ? value : "");
  if (name == NET) return read_net(reading, value ? value : "");
  return !value || grants_refuse(reading, word, "takes no value: write the name alone");
}

static bool read_words(const struct reading *reading, char *text) {
  char *rest = NULL;
  size_t count = 0;
  for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
    word += strspn(word, " ");
    for (size_t end = strlen(word); end > 0 && word[end - 1] == ' '; end--) word[end - 1] = 0;
    if (!*word) continue;
    if (!grants_read_word(reading, word)) return false;
    count++;
  }
  return !reading->grants->have[NONE] || count == 1 ||
         grants_refuse(reading, "none", "it stands alone: leave it out, or the others");
}

struct grants *grants_read(const char *text, char *error, size_t error_size) {
  struct grants *grants = calloc(1, sizeof *grants);
  const struct reading reading = {grants, error, error_size};
  snprintf(error, error_size, "not enough memory");
  if (!grants) return NULL;
  grants->text = strdup(*text ? text : names[NONE]);
  grants->words = strdup(text);
  if (grants->text && grants->words && read_words(&reading, grants->words)) return grants;
  grants_free(grants);
  return NULL;
}

void grants_free(struct grants *grants) {
  if (!grants) return;
  free(grants->paths);
  free(grants->nets);
  free(grants->words);
  free(grants->text);
  free(grants);
}

const char *grants_text(const struct grants *grants) {
  return grants->text;
}

bool grants_have(const struct grants *grants, enum grant grant) {
  return !grants || grants->have[grant];
}

/* Where a rule's directory leads to is looked up each time: a volume's link may have been swapped. */
bool grants_path(const struct grants *grants, const char *real_path) {
  for (size_t i = 0; grants && i < grants->path_count; i++) {
    if (file_is_below(real_path, grants->paths[i].value)) return true;
  }
  return !grants;
}

/* Patterns of addresses, such as 10.0.0.* and fd00::*, mean no names: 10.0.0.example.org leads to
 * wherever its owner likes. */
static bool is_of_numbers(const char *pattern) {
  bool has_digit = strcspn(pattern, "0123456789") < strlen(pattern);
  return strchr(pattern, ':') || (has_digit && !pattern[strspn(pattern, "0123456789.*?")]);
}

static bool grants_is_number(const char *host) {
  struct ip ip;
  return ip_parse(host, strlen(host), &ip);
}

static bool grants_matches(const struct rule *rule, const char *host, const char *port) {
  if (!rule->port) return strcmp(rule->value, "*") == 0;
  if (is_of_numbers(rule->value) && !grants_is_number(host)) return false;
  return fnmatch(rule->value, host, FNM_CASEFOLD) == 0 &&
         (!port || fnmatch(rule->port, port, 0) == 0);
}

bool grants_net(const struct grants *grants, const char *host, int port) {
  char digits[PORT_BYTES];
  snprintf(digits, sizeof digits, "%d", port);
  for (size_t i = 0; grants && i < grants->net_count; i++) {
    if (grants_matches(&grants->nets[i], host, port < 0 ? NULL : digits)) return true;
  }
  return !grants;
}

bool grants_unix(const struct grants *grants, const char *real_path) {
  static const char scheme[] = "unix:";
  for (size_t i = 0; grants && i < grants->net_count; i++) {
    const struct rule *rule = &grants->nets[i];
    bool is_path = strncmp(rule->value, scheme, sizeof scheme - 1) == 0 && !rule->port;
    const char *pattern = is_path ? rule->value + sizeof scheme - 1 : rule->value;
    /* As an address is written: unix:/run/x.sock, or unix:///run/x.sock. */
    if (is_path && strncmp(pattern, "//", 2) == 0) pattern += 2;
    if (!rule->port && fnmatch(pattern, real_path, 0) == 0) return true;
  }
  return !grants;
}
