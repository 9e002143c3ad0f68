/* event_fuzz.c — any event as a line of JSON, directly and out of a queue — watches no socket.
 *
 * An input is lines: the kind's name; digits for the source and, if not 0, exact; the connection's id
 * and the script; then a value for each field that the kind has, in the order of the table, where -
 * stands for none. What is behind them are the event's bytes. */
#include "expect.h"

#include "base/base64.h"
#include "base/event.h"
#include "base/event_queue.h"
#include "server/control/event_json.h"

#include <jansson.h>

enum { INPUT_BYTES_MAX = EVENT_BYTES_MAX, LINES_MAX = 24 };

struct input {
  struct event event;
  bool exact;
  char *lines[LINES_MAX]; /* the texts of the event are in them */
  size_t line_count;
};

static char *next_line(struct input *input, const uint8_t **data, size_t *size) {
  MUST(input->line_count < LINES_MAX);
  return input->lines[input->line_count++] = take_line(data, size);
}

/* jansson's integers have a sign, and no number of an event gets that far. */
static uint64_t read_number(const char *text) {
  return strtoull(text, NULL, 10) & INT64_MAX;
}

static void set_field(struct event *event, const struct event_field *field, char *line) {
  char *place = (char *)event + field->offset;
  if (field->type == EVENT_TEXT) {
    const char *text = strcmp(line, "-") == 0 ? NULL : line;
    memcpy(place, &text, sizeof text);
  } else {
    uint64_t number = read_number(line);
    memcpy(place, &number, sizeof number);
  }
}

static void read_input(struct input *input, const uint8_t *data, size_t size) {
  *input = (struct input){.event = {.sequence = 7, .time_ns = 12345678901234}};
  struct event *event = &input->event;
  const char *kind = next_line(input, &data, &size);
  event->kind = event_kind_find(kind, strlen(kind));
  if (event->kind == EVENT_KIND_COUNT) {
    event->kind = (enum event_kind)((uint8_t)*kind % EVENT_KIND_COUNT);
  }
  const char *how = next_line(input, &data, &size);
  event->source = (enum event_source)((uint8_t)*how % 3);
  input->exact = *how && how[1] != '0';
  event->conn = read_number(next_line(input, &data, &size));
  const char *script = next_line(input, &data, &size);
  event->script = *script ? script : NULL;
  for (const struct event_field *field = event_kinds[event->kind].fields; field->name; field++) {
    set_field(event, field, next_line(input, &data, &size));
  }
  event->bytes = (const char *)data;
  event->kept = size;
  event->size = size;
}

/* --- What is told -------------------------------------------------------------------------- */

static void check_text(const json_t *object, const char *name, const char *bytes, size_t size) {
  const json_t *read = json_object_get(object, name);
  MUST(json_is_string(read));
  char *expected = malloc(size * 4 + 1);
  MUST(expected != NULL);
  size_t expected_size = expect_text(bytes, size, true, expected);
  MUST(json_string_length(read) == expected_size);
  MUST(memcmp(json_string_value(read), expected, expected_size) == 0);
  free(expected);
}

static void check_number(const json_t *object, const char *name, uint64_t number) {
  const json_t *read = json_object_get(object, name);
  MUST(json_is_integer(read) && (uint64_t)json_integer_value(read) == number);
}

/* A text may be cut where EVENT_TEXT_BYTES_MAX says so. */
static size_t told_size(const char *text) {
  return strnlen(text, EVENT_TEXT_BYTES_MAX);
}

static size_t check_fields(const json_t *object, const struct event *event) {
  size_t count = 0;
  for (const struct event_field *field = event_kinds[event->kind].fields; field->name; field++) {
    bool is_text = field->type == EVENT_TEXT;
    const char *text = is_text ? event_text(event, field) : NULL;
    uint64_t number = is_text ? 0 : event_number(event, field);
    if (is_text ? text == NULL : field->type == EVENT_NUMBER_OPTIONAL && number == 0) {
      MUST(json_object_get(object, field->name) == NULL);
      continue;
    }
    if (is_text) {
      check_text(object, field->name, text, told_size(text));
    } else {
      check_number(object, field->name, number);
    }
    count++;
  }
  return count;
}

/* A preview does not end within a character: what its last lead byte announces has to be there. */
static size_t expect_whole(const char *bytes, size_t size) {
  size_t lead = size;
  while (lead > 0 && size - lead < 3 && ((unsigned char)bytes[lead - 1] >> 6) == 2) lead--;
  if (lead == 0) return size;
  const unsigned char first = (unsigned char)bytes[lead - 1];
  const size_t announced = first >> 6 != 3 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
  return lead - 1 + announced > size ? lead - 1 : size;
}

static void check_bytes(const json_t *object, const struct event *event, bool exact) {
  check_number(object, "size", event->size);
  size_t shown = event->kept < EVENT_TEXT_PREVIEW_BYTES ? event->kept : EVENT_TEXT_PREVIEW_BYTES;
  if (shown < event->size) shown = expect_whole(event->bytes, shown);
  check_text(object, "text", event->bytes, shown);
  const json_t *base64 = json_object_get(object, "base64");
  MUST((base64 != NULL) == exact);
  if (!exact) return;
  char *decoded = malloc(BASE64_DECODED_SIZE_MAX(json_string_length(base64)) + 1);
  MUST(decoded != NULL);
  ssize_t size = base64_decode(json_string_value(base64), json_string_length(base64), decoded);
  MUST(size == (ssize_t)event->kept && memcmp(decoded, event->bytes, event->kept) == 0);
  free(decoded);
}

static void check_line(const struct event *event, bool exact, const char *line, size_t size) {
  json_error_t error;
  MUST(size > 1 && line[size - 1] == '\n' && expect_shown(line, size - 1, ""));
  json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
  MUST(json_is_object(object));
  const struct event_kind_row *kind = &event_kinds[event->kind];
  check_number(object, "seq", event->sequence);
  check_number(object, "time_ns", event->time_ns);
  check_text(object, "event", kind->name, strlen(kind->name));
  const char *source = event_source_name(event->source);
  check_text(object, "source", source, strlen(source));
  size_t count = 4 + check_fields(object, event);
  if (event->conn) check_number(object, "conn", event->conn), count++;
  if (event->script) {
    check_text(object, "script", event->script, told_size(event->script));
    count++;
  }
  if (kind->has_bytes) {
    check_bytes(object, event, exact);
    count += exact ? 3 : 2;
  }
  MUST(json_object_size(object) == count);
  json_decref(object);
}

/* Once through a queue, which copies it: the same line comes out. */
static void check_queue(const struct input *input, const char *line, size_t size) {
  struct event_queue queue;
  static char again[EVENT_JSON_BYTES_MAX];
  event_queue_init(&queue, 0);
  event_queue_put(&queue, &input->event, EVENT_BYTES_MAX);
  const struct event *kept = event_queue_first(&queue);
  MUST(kept != NULL && queue.gap.of.dropped.count == 0);
  const struct event_json how = {.exact = input->exact};
  MUST(event_json_render(kept, &how, again) == size && memcmp(again, line, size) == 0);
  event_queue_take(&queue);
  MUST(event_queue_empty(&queue));
  event_queue_deinit(&queue);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static char line[EVENT_JSON_BYTES_MAX];
  if (size > INPUT_BYTES_MAX) return -1;
  struct input input;
  read_input(&input, data, size);
  const struct event_json how = {.exact = input.exact};
  size_t line_size = event_json_render(&input.event, &how, line);
  check_line(&input.event, input.exact, line, line_size);
  check_queue(&input, line, line_size);
  for (size_t i = 0; i < input.line_count; i++) free(input.lines[i]);
  return 0;
}
