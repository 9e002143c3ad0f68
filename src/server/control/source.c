/* server/control/source.c — the command source: the Lua files of a script as a version of it read them, which
 * are not always those that are there now. */
#include "base/base64.h"
#include "base/utf8.h"
#include "server/control/find.h"
#include "server/script.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Of one answer, which is in memory until it is read. As JSON a byte is six at most, and the client's
 * queue holds that (CONTROL_QUEUE_BYTES_MAX). */
enum { TEXTS_BYTES_MAX = 512 * 1024 };

struct showing {
  struct control_client *client;
  const struct script *script;
  size_t shown_bytes;
  json_int_t files;
};

static json_t *in_base64(const char *bytes, size_t size) {
  char *text = malloc(BASE64_SIZE(size));
  json_t *string = text ? json_stringn(text, base64_encode(bytes, size, text)) : NULL;
  free(text);
  return string;
}

/* What is no text, or has a NUL, which most readers of JSON take for an end, is told in base64. */
static void show_text(void *context, const char *path, const char *text, size_t size) {
  struct showing *showing = context;
  showing->files++;
  json_t *line = json_pack("{s:o, s:o, s:I}", "script", control_text(showing->script->path), "file",
                           control_text(path), "size", (json_int_t)size);
  if (size <= TEXTS_BYTES_MAX - showing->shown_bytes) {
    showing->shown_bytes += size;
    const bool is_text = utf8_is_valid(text, size) && !memchr(text, '\0', size);
    json_object_set_new(line, is_text ? "text" : "base64",
                        is_text ? json_stringn(text, size) : in_base64(text, size));
  }
  control_put(showing->client, line);
}

/* 0: it is none. */
static unsigned read_version(const struct word *word) {
  char *end;
  if (*word->text < '1' || *word->text > '9') return 0;
  const unsigned long number = strtoul(word->text, &end, 10);
  return *end == '\0' && number <= UINT_MAX ? (unsigned)number : 0;
}

void control_source(const struct control_call *call) {
  const struct word *words = call->words;
  const unsigned wanted = call->word_count > 1 ? read_version(&words[1]) : 0;
  struct showing showing = {.client = call->client,
                            .script = control_find_script(call, words[0].text)};
  if (!showing.script) return;
  if (call->word_count > 1 && wanted == 0) {
    control_fail(call->client, "\"%.60s\" is no version: write its number, as in source %s 1",
                 words[1].text, showing.script->runtime.script);
    return;
  }
  const unsigned number = script_each_text(showing.script, wanted, show_text, &showing);
  if (number > 0) {
    control_ok_with(call->client,
                    json_pack("{s:I, s:I}", "version", (json_int_t)number, "files", showing.files));
  } else if (wanted > 0) {
    control_fail(call->client, "%s has no version %u (any more): versions lists them",
                 showing.script->runtime.script, wanted);
  } else {
    control_fail(call->client, "%s has no version in force: status says why",
                 showing.script->runtime.script);
  }
}
