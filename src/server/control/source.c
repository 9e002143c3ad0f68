/* server/control/source.c — the command source: the Lua files of a script as a version of it read them, which
 * are not always those that are there now. */
#include "api/version.h"
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

static json_t *in_base64(const char *bytes, size_t size) {
  char *text = malloc(BASE64_SIZE(size));
  json_t *string = text ? json_stringn(text, base64_encode(bytes, size, text)) : NULL;
  free(text);
  return string;
}

/* What is no text, or has a NUL, which most readers of JSON take for an end, is told in base64. */
static void show_file(struct control_client *client, const struct script *script,
                      const struct source *source, size_t *shown_bytes) {
  const char *text = source->text;
  const size_t size = source->text_size;
  json_t *line = json_pack("{s:o, s:o, s:I}", "script", control_text(script->path), "file",
                           control_text(source->path), "size", (json_int_t)size);
  if (size <= TEXTS_BYTES_MAX - *shown_bytes) {
    *shown_bytes += size;
    const bool is_text = utf8_is_valid(text, size) && !memchr(text, '\0', size);
    json_object_set_new(line, is_text ? "text" : "base64",
                        is_text ? json_stringn(text, size) : in_base64(text, size));
  }
  control_put(client, line);
}

/* As the version read them. */
static void show_files(struct control_client *client, const struct script *script,
                       const struct version *version) {
  size_t shown_bytes = 0;
  json_int_t files = 0;
  for (size_t i = 0; i < version->source_count; i++) {
    if (!version->sources[i].text) continue;
    show_file(client, script, &version->sources[i], &shown_bytes);
    files++;
  }
  control_ok_with(client,
                  json_pack("{s:I, s:I}", "version", (json_int_t)version->number, "files", files));
}

/* That of the number, or for 0 the one in force; NULL: there is none. */
static const struct version *find_version(const struct script *script, unsigned number) {
  if (number == 0) return script->runtime.current;
  LIST_EACH (const struct version, version, &script->runtime.versions, link) {
    if (version->number == number) return version;
  }
  return NULL;
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
  const struct script *script = control_find_script(call, words[0].text);
  if (!script) return;
  const char *name = script->runtime.script;
  const struct version *version = find_version(script, wanted);
  if (call->word_count > 1 && wanted == 0) {
    control_fail(call->client, "\"%.60s\" is no version: write its number, as in source %s 1",
                 words[1].text, name);
  } else if (version) {
    show_files(call->client, script, version);
  } else if (wanted > 0) {
    control_fail(call->client, "%s has no version %u (any more): versions lists them", name,
                 wanted);
  } else {
    control_fail(call->client, "%s has no version in force: status says why", name);
  }
}
