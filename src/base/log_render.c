/* base/log_render.c — one log record as one piece of text or JSON. Knows no descriptor, no clock.
 *
 * Messages carry bytes from the network. Whatever they are, what leaves here is valid UTF-8
 * without control characters, and in JSON style a valid object. Bytes that are no UTF-8 are shown
 * as \xNN in both styles; control characters as \n or \xNN in text, as \n or \uNNNN in JSON. */
#include "base/log_render.h"

#include "base/escape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CUT_MARK " [cut]"

/* Kept free behind every text, for the mark and all that still must follow: quotes, braces, keys. */
#define RESERVE_SIZE 64
/* A script's name takes no more of the line, and a message leaves this much to a traceback. */
#define SCRIPT_SIZE_MAX 512
#define TRACEBACK_SIZE_MIN 2048

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_colors[] = {"\033[2m", "\033[32m", "\033[33m", "\033[1;31m"};
static const char color_off[] = "\033[0m";

struct line {
  char *out; /* LOG_LINE_SIZE_MAX bytes */
  size_t size;
};

static void put(struct line *line, const char *bytes, size_t size) {
  assert(size <= LOG_LINE_SIZE_MAX - line->size);
  memcpy(line->out + line->size, bytes, size);
  line->size += size;
}

static void put_string(struct line *line, const char *string) {
  put(line, string, strlen(string));
}

/* Writes a text, escaped, in at most `limit` bytes and a mark when it was cut. False: it was. */
static bool put_text(struct line *line, bool json, const char *text, size_t size, size_t limit) {
  const size_t end = line->size + limit;
  while (size > 0) {
    char unit[ESCAPE_SIZE_MAX];
    size_t taken = 0;
    size_t unit_size = escape_one(json, text, size, &taken, unit);
    if (unit_size > end - line->size) {
      put_string(line, CUT_MARK);
      return false;
    }
    put(line, unit, unit_size);
    text += taken;
    size -= taken;
  }
  return true;
}

/* What a text may still take so that all that must follow it fits. */
static size_t room(const struct line *line) {
  const size_t used = line->size + RESERVE_SIZE;
  return used < LOG_LINE_SIZE_MAX ? LOG_LINE_SIZE_MAX - used : 0;
}

/* The same for a message, which leaves some of it to the traceback. */
static size_t message_room(const struct line *line, const struct log_record *record) {
  return room(line) - (record->traceback != NULL ? TRACEBACK_SIZE_MIN : 0);
}

/* Milliseconds are always three digits, whatever clock filled in the nanoseconds. */
static unsigned milliseconds(const struct timespec *now) {
  return (unsigned)(now->tv_nsec / 1000000) % 1000;
}

static void put_conn(struct line *line, const char *format, uint64_t conn) {
  char number[32];
  (void)snprintf(number, sizeof number, format, (unsigned long long)conn);
  put_string(line, number);
}

static void render_json(struct line *line, const struct timespec *now,
                        const struct log_record *record) {
  struct tm utc;
  char head[96];
  (void)gmtime_r(&now->tv_sec, &utc);
  size_t size = strftime(head, sizeof head, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &utc);
  (void)snprintf(head + size, sizeof head - size, ".%03uZ\",\"level\":\"%s\"", milliseconds(now),
                 level_names[record->level]);
  put_string(line, head);
  if (record->script != NULL) {
    put_string(line, ",\"script\":\"");
    (void)put_text(line, true, record->script, strlen(record->script), SCRIPT_SIZE_MAX);
    put_string(line, "\"");
  }
  if (record->conn != 0) {
    put_conn(line, ",\"conn\":%llu", record->conn);
  }
  put_string(line, ",\"message\":\"");
  (void)put_text(line, true, record->message, record->message_size, message_room(line, record));
  put_string(line, "\"");
  if (record->traceback != NULL) {
    put_string(line, ",\"traceback\":\"");
    (void)put_text(line, true, record->traceback, record->traceback_size, room(line));
    put_string(line, "\"");
  }
  put_string(line, "}\n");
}

/* "2026-11-22 16:40:01.123 info  chat.lua #12: " */
static void put_text_head(struct line *line, const struct log_style *style,
                          const struct timespec *now, const struct log_record *record) {
  struct tm local;
  char head[64];
  (void)localtime_r(&now->tv_sec, &local);
  size_t size = strftime(head, sizeof head, "%Y-%m-%d %H:%M:%S", &local);
  (void)snprintf(head + size, sizeof head - size, ".%03u ", milliseconds(now));
  put_string(line, head);
  const char *level = level_names[record->level];
  if (style->color) {
    put_string(line, level_colors[record->level]);
  }
  put_string(line, level);
  if (style->color) {
    put_string(line, color_off);
  }
  put(line, "      ", 6 - strlen(level));
  if (record->script != NULL) {
    (void)put_text(line, false, record->script, strlen(record->script), SCRIPT_SIZE_MAX);
    put_string(line, record->conn != 0 ? " " : ": ");
  }
  if (record->conn != 0) {
    put_conn(line, "#%llu: ", record->conn);
  }
}

/* The lines of a traceback below their message: its title by two spaces, its frames by four. */
static void put_text_traceback(struct line *line, const char *text, size_t size) {
  while (size > 0) {
    const char *newline = memchr(text, '\n', size);
    size_t row_size = newline != NULL ? (size_t)(newline - text) : size;
    size_t tabs = 0;
    while (tabs < row_size && text[tabs] == '\t') {
      tabs++;
    }
    if (tabs < row_size) {
      put_string(line, tabs > 0 ? "\n    " : "\n  ");
      if (!put_text(line, false, text + tabs, row_size - tabs, room(line))) {
        return;
      }
    }
    row_size += newline != NULL ? 1 : 0;
    text += row_size;
    size -= row_size;
  }
}

static void render_text(struct line *line, const struct log_style *style,
                        const struct timespec *now, const struct log_record *record) {
  put_text_head(line, style, now, record);
  (void)put_text(line, false, record->message, record->message_size, message_room(line, record));
  if (record->traceback != NULL) {
    put_text_traceback(line, record->traceback, record->traceback_size);
  }
  put_string(line, "\n");
}

size_t log_render(const struct log_style *style, const struct timespec *now,
                  const struct log_record *record, char out[LOG_LINE_SIZE_MAX]) {
  struct line line = {.out = out, .size = 0};
  if (style->json) {
    render_json(&line, now, record);
  } else {
    render_text(&line, style, now, record);
  }
  return line.size;
}
