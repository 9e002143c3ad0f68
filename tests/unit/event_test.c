/* event_test.c — the table of events against docs/events.md, both ways, and an event as JSON. */
#include "check.h"

#include "base/base64.h"
#include "base/event.h"
#include "server/control/event_json.h"

#include <stdlib.h>

/* The page as lines; read once. */
static char page[64 * 1024];

static void read_page(void) {
  FILE *file = fopen(CHECK_SOURCE_DIR "/docs/events.md", "r");
  CHECK(file != NULL);
  if (file == NULL) return;
  page[fread(page, 1, sizeof page - 1, file)] = '\0';
  (void)fclose(file);
}

/* What stands between two backquotes right after `start` on this line, or "". */
static void quoted_after(const char *line, const char *start, char *out, size_t size) {
  out[0] = '\0';
  if (strncmp(line, start, strlen(start)) != 0) return;
  const char *word = line + strlen(start);
  size_t length = strcspn(word, "`\n");
  (void)snprintf(out, size, "%.*s", (int)length, word);
}

static const char *section_of(const char *kind) {
  char heading[64];
  (void)snprintf(heading, sizeof heading, "\n### `%s`\n", kind);
  const char *found = strstr(page, heading);
  return found != NULL ? found + 1 : NULL;
}

static const char *next_line(const char *line) {
  const char *end = strchr(line, '\n');
  return end != NULL ? end + 1 : line + strlen(line);
}

/* Whether the section has a row for the field, of its type. */
static bool has_row(const char *section, const struct event_field *field) {
  char word[64];
  for (const char *line = next_line(section); *line != '\0' && *line != '#';
       line = next_line(line)) {
    quoted_after(line, "| `", word, sizeof word);
    if (strcmp(word, field->name) == 0) {
      bool is_text = strncmp(line + 3 + strlen(word), "` | text |", 10) == 0;
      return is_text == (field->type == EVENT_TEXT);
    }
  }
  return false;
}

static void names_every_kind_and_field(void) {
  for (int i = 0; i < EVENT_KIND_COUNT; i++) {
    const struct event_kind_row *kind = &event_kinds[i];
    const char *section = section_of(kind->name);
    CHECK(section != NULL);
    if (section == NULL) {
      (void)fprintf(stderr, "  there is no ### `%s`\n", kind->name);
      continue;
    }
    for (const struct event_field *field = kind->fields; field->name; field++) {
      CHECK(has_row(section, field));
      if (!has_row(section, field)) {
        (void)fprintf(stderr, "  `%s` lacks `%s`, or its type is wrong\n", kind->name, field->name);
      }
    }
  }
}

static bool has_field(const struct event_kind_row *kind, const char *name) {
  for (const struct event_field *field = kind->fields; field->name; field++) {
    if (strcmp(field->name, name) == 0) return true;
  }
  return false;
}

static void names_nothing_else(void) {
  const struct event_kind_row *kind = NULL;
  char word[64];
  for (const char *line = page; *line != '\0'; line = next_line(line)) {
    if (strncmp(line, "## ", 3) == 0) kind = NULL;
    quoted_after(line, "### `", word, sizeof word);
    if (word[0] != '\0') {
      enum event_kind found = event_kind_find(word, strlen(word));
      CHECK(found != EVENT_KIND_COUNT);
      kind = found != EVENT_KIND_COUNT ? &event_kinds[found] : NULL;
    }
    quoted_after(line, "| `", word, sizeof word);
    if (kind == NULL || word[0] == '\0') continue;
    CHECK(has_field(kind, word));
    if (!has_field(kind, word)) {
      (void)fprintf(stderr, "  `%s` has no `%s`\n", kind->name, word);
    }
  }
}

/* A section up to the next heading, in a string of its own. */
static const char *text_of(const char *section) {
  static char text[8192];
  const char *end = strstr(section + 1, "\n#");
  size_t size = end != NULL ? (size_t)(end - section) : strlen(section);
  (void)snprintf(text, sizeof text, "%.*s", (int)size, section);
  return text;
}

static void says_how_each_is_known(void) {
  for (int i = 0; i < EVENT_KIND_COUNT; i++) {
    const struct event_kind_row *kind = &event_kinds[i];
    const char *section = section_of(kind->name);
    if (section == NULL) continue;
    const char *text = text_of(section);
    for (enum event_source source = EVENT_OBSERVED; source <= EVENT_INFERRED; source++) {
      char word[32];
      (void)snprintf(word, sizeof word, "`%s`", event_source_name(source));
      CHECK_NUMBER(strstr(text, word) != NULL, (kind->sources >> source) & 1);
    }
    CHECK_NUMBER(strstr(text, "has bytes") != NULL, kind->has_bytes);
  }
}

static void finds_kinds(void) {
  CHECK_NUMBER(event_kind_find("send", 4), EVENT_SEND);
  CHECK_NUMBER(event_kind_find("sendto,x", 6), EVENT_SENDTO);
  CHECK_NUMBER(event_kind_find("sen", 3), EVENT_KIND_COUNT);
  CHECK_NUMBER(event_kind_find("", 0), EVENT_KIND_COUNT);
}

/* Renders into a string of its own; read before the next. */
static const char *render(const struct event *event, bool exact) {
  static char line[EVENT_JSON_BYTES_MAX + 1];
  const struct event_json how = {.exact = exact};
  line[event_json_render(event, &how, line)] = '\0';
  return line;
}

static void renders_numbers_and_texts(void) {
  struct event event = {.kind = EVENT_SEND, .sequence = 3, .time_ns = UINT64_MAX, .conn = 7};
  event.script = "echo.lua";
  event.bytes = "a\"\\\n\x01\xff\xc3\xa9\0";
  event.size = 100;
  event.kept = 9;
  event.of.send.by = "script";
  event.of.send.file = "scripts/echo.lua";
  event.of.send.line = 6;
  CHECK_TEXT(render(&event, false),
             "{\"seq\":3,\"time_ns\":18446744073709551615,\"event\":\"send\","
             "\"source\":\"observed\",\"conn\":7,\"script\":\"echo.lua\",\"by\":\"script\","
             "\"file\":\"scripts/echo.lua\",\"line\":6,\"size\":100,"
             "\"text\":\"a\\\"\\\\\\n\\u0001\\\\xff\xc3\xa9\\\\x00\"}\n");
  CHECK_CONTAINS(render(&event, true), ",\"base64\":\"YSJcCgH/w6kA\"}\n");
}

static void leaves_out_what_is_not_there(void) {
  const struct event event = {.kind = EVENT_RESET, .source = EVENT_INFERRED};
  CHECK_TEXT(render(&event, true),
             "{\"seq\":0,\"time_ns\":0,\"event\":\"reset\",\"source\":\"inferred\"}\n");
}

static void fits_the_worst_line(void) {
  char *bytes = malloc(EVENT_BYTES_MAX);
  char *text = malloc(EVENT_BYTES_MAX);
  memset(bytes, 0xff, EVENT_BYTES_MAX);
  memset(text, 1, EVENT_BYTES_MAX - 1);
  text[EVENT_BYTES_MAX - 1] = '\0';
  struct event event = {.kind = EVENT_SENDTO, .script = text, .bytes = bytes};
  event.kept = event.size = EVENT_BYTES_MAX;
  event.of.sendto.peer = event.of.sendto.error = event.of.sendto.file = text;
  CHECK(strlen(render(&event, true)) > EVENT_BYTES_MAX);
  free(bytes);
  free(text);
}

static void checks_base64(const char *bytes, size_t size, const char *text) {
  char out[64];
  size_t length = base64_encode(bytes, size, out);
  CHECK_NUMBER(length, BASE64_SIZE(size));
  out[length] = '\0';
  CHECK_TEXT(out, text);
  CHECK_NUMBER(base64_decode(text, strlen(text), out), size);
  CHECK(memcmp(out, bytes, size) == 0);
}

/* The vectors of RFC 4648, section 10. */
static void codes_base64(void) {
  checks_base64("", 0, "");
  checks_base64("f", 1, "Zg==");
  checks_base64("fo", 2, "Zm8=");
  checks_base64("foo", 3, "Zm9v");
  checks_base64("foob", 4, "Zm9vYg==");
  checks_base64("\xff\xfe\0", 3, "//4A");
  static const char *const wrong[] = {
      "Zg=", "Zg", "Zg==Zg==", "Z===", "Zm9*", "Zm9v\n", "====", "Zh=="};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    char out[16];
    CHECK(base64_decode(wrong[i], strlen(wrong[i]), out) < 0);
  }
}

static const struct check_case cases[] = {
    {"docs/events.md can be read", read_page},
    {"the page has every kind and every field, of its type", names_every_kind_and_field},
    {"the page has no kind and no field that is not there", names_nothing_else},
    {"the page says how each kind is known, and which have bytes", says_how_each_is_known},
    {"kinds are found by their whole name", finds_kinds},
    {"an event is one line of JSON, whatever its bytes", renders_numbers_and_texts},
    {"a field that has nothing to say is left out", leaves_out_what_is_not_there},
    {"the largest event fits", fits_the_worst_line},
    {"base64 is that of the RFC, and nothing else is read", codes_base64},
};
CHECK_MAIN(cases)
