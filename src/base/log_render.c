/* base/log_render.c — one log record as one piece of text or JSON. Knows no descriptor, no clock.
 *
 * Messages carry bytes from the network. Whatever they are, what leaves here is valid UTF-8
 * without control characters, and in JSON style a valid object. Bytes that are no UTF-8 are shown
 * as \xNN in both styles; control characters as \n or \xNN in text, as \n or \uNNNN in JSON. */
#include "base/log_render.h"

#include "base/escape.h"
#include "base/text.h"

#include <assert.h>
#include <string.h>

#define CUT_MARK " [cut]"

/* Kept free behind every text, for the mark and all that still must follow: quotes, braces, keys. */
enum { RESERVE_SIZE = 64 };
/* A script's name takes no more of the line; a message leaves a quarter of it to a traceback. */
enum {
  SCRIPT_SIZE_MAX = 512,
  ACCESS_TEXT_SIZE_MAX = 512,
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const level_colours[] = {"\033[2m", "\033[32m", "\033[33m", "\033[1;31m"};
static const char colour_off[] = "\033[0m";

struct line {
  char *out; /* `size_max` bytes */
  size_t size;
  size_t size_max;
};

static void log_render_put(struct line *line, const char *bytes, size_t size) {
  assert(size <= line->size_max - line->size);
  memcpy(line->out + line->size, bytes, size);
  line->size += size;
}

static void put_string(struct line *line, const char *string) {
  log_render_put(line, string, strlen(string));
}

/* For who reads along: a tab, or a newline and what follows it up to the next letter. 0: neither. */
static size_t take_layout(const char *text, size_t size, size_t *taken, char out[ESCAPE_SIZE_MAX]) {
  static const char indent[] = "\n    ";
  *taken = 1;
  *out = '\t';
  if (*text == '\t') return 1;
  if (*text != '\n' || size == 1) return 0;
  while (*taken < size && text[*taken] == '\t') (*taken)++;
  memcpy(out, indent, sizeof indent - 1);
  return sizeof indent - 1;
}

/* Writes a text, escaped, in at most `limit` bytes and a mark when it was cut. False: it was. */
static bool put_styled(struct line *line, const struct log_style *style, const char *text,
                       size_t size, size_t limit) {
  const size_t end = line->size + limit;
  for (;;) {
    size_t plain = escape_plain_size(text, size);
    if (plain > end - line->size) plain = end - line->size;
    log_render_put(line, text, plain);
    text += plain;
    size -= plain;
    if (size == 0) return true;
    char unit[ESCAPE_SIZE_MAX];
    size_t taken = 0;
    size_t unit_size = style->lays_out ? take_layout(text, size, &taken, unit) : 0;
    if (unit_size == 0) unit_size = escape_one(style->json, text, size, &taken, unit);
    if (unit_size > end - line->size) {
      put_string(line, CUT_MARK);
      return false;
    }
    log_render_put(line, unit, unit_size);
    text += taken;
    size -= taken;
  }
}

static bool log_render_put_text(struct line *line, bool json, const char *text, size_t size,
                                size_t limit) {
  return put_styled(line, &(struct log_style){.json = json}, text, size, limit);
}

/* What a text may still take so that all that must follow it fits. */
static size_t room(const struct line *line) {
  const size_t used = line->size + RESERVE_SIZE;
  return used < line->size_max ? line->size_max - used : 0;
}

/* The same for a message, which leaves some of it to the traceback. */
static size_t message_room(const struct line *line, const struct log_record *record) {
  return room(line) - (record->traceback ? line->size_max / 4 : 0);
}

/* Milliseconds are always three digits, whatever clock filled in the nanoseconds. */
static unsigned milliseconds(const struct timespec *now) {
  return (unsigned)(now->tv_nsec / 1000000) % 1000;
}

static void put_number(struct line *line, uint64_t number, size_t digits_min) {
  char digits[TEXT_DIGITS_MAX];
  log_render_put(line, digits, text_format_number(number, digits_min, digits));
}

/* "2026-11-22", a separator, "16:40:01.123". By hand: strftime() and localtime_r() may take locks,
 * which in a signal handler is for ever. The date is civil_from_days() of
 * https://howardhinnant.github.io/date_algorithms.html for years from 1970 on. */
static void put_time(struct line *line, const struct timespec *now, long offset_s,
                     const char *separator) {
  uint64_t seconds = (uint64_t)(now->tv_sec + offset_s);
  uint64_t of_day = seconds % 86400;
  uint64_t days = seconds / 86400 + 719468; /* since 0000-03-01 */
  uint64_t era = days / 146097;
  uint64_t day_of_era = days % 146097;
  uint64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint64_t month_from_march = (5 * day_of_year + 2) / 153;
  uint64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  put_number(line, year_of_era + era * 400 + (month <= 2 ? 1 : 0), 4);
  put_string(line, "-");
  put_number(line, month, 2);
  put_string(line, "-");
  put_number(line, day_of_year - (153 * month_from_march + 2) / 5 + 1, 2);
  put_string(line, separator);
  put_number(line, of_day / 3600, 2);
  put_string(line, ":");
  put_number(line, of_day / 60 % 60, 2);
  put_string(line, ":");
  put_number(line, of_day % 60, 2);
  put_string(line, ".");
  put_number(line, milliseconds(now), 3);
}

static void put_json_text(struct line *line, const char *key, const char *text) {
  put_string(line, key);
  (void)log_render_put_text(line, true, text, strlen(text), ACCESS_TEXT_SIZE_MAX);
  put_string(line, "\"");
}

static void put_json_number(struct line *line, const char *key, uint64_t number) {
  put_string(line, key);
  put_number(line, number, 1);
}

/* 17, or with several workers "2.17": as it is written in commands. */
static void put_conn(struct line *line, unsigned worker, uint64_t conn) {
  if (worker > 0) {
    put_number(line, worker, 1);
    put_string(line, ".");
  }
  put_number(line, conn, 1);
}

static void put_access(struct line *line, const struct log_access *access) {
  put_json_text(line, ",\"peer\":\"", access->peer);
  if (access->via) put_json_text(line, ",\"via\":\"", access->via);
  put_json_text(line, ",\"listener\":\"", access->listener);
  put_json_text(line, ",\"reason\":\"", access->reason);
  put_json_number(line, ",\"bytes_in\":", access->bytes_in);
  put_json_number(line, ",\"bytes_out\":", access->bytes_out);
  put_json_number(line, ",\"duration_ms\":", access->age_ms);
}

static void render_json(struct line *line, const struct log_style *style,
                        const struct timespec *now, const struct log_record *record) {
  const char *quote = style->worker > 0 ? "\"" : "";
  put_string(line, "{\"time\":\"");
  put_time(line, now, 0, "T");
  put_string(line, "Z\",\"level\":\"");
  put_string(line, level_names[record->level]);
  put_string(line, "\"");
  if (style->worker > 0) put_json_number(line, ",\"worker\":", style->worker);
  if (record->script) {
    put_string(line, ",\"script\":\"");
    (void)log_render_put_text(line, true, record->script, strlen(record->script), SCRIPT_SIZE_MAX);
    put_string(line, "\"");
  }
  if (record->conn != 0) {
    put_string(line, ",\"conn\":");
    put_string(line, quote);
    put_conn(line, style->worker, record->conn);
    put_string(line, quote);
  }
  if (record->access) put_access(line, record->access);
  put_string(line, ",\"message\":\"");
  (void)log_render_put_text(line, true, record->message, record->message_size,
                            message_room(line, record));
  put_string(line, "\"");
  if (record->traceback) {
    put_string(line, ",\"traceback\":\"");
    (void)log_render_put_text(line, true, record->traceback, record->traceback_size, room(line));
    put_string(line, "\"");
  }
  put_string(line, "}\n");
}

/* "2026-11-22 16:40:01.123 info  chat.lua #12: " */
static void put_text_head(struct line *line, const struct log_style *style,
                          const struct timespec *now, const struct log_record *record) {
  put_time(line, now, style->utc_offset_s, " ");
  put_string(line, " ");
  const char *level = level_names[record->level];
  if (style->colour) put_string(line, level_colours[record->level]);
  put_string(line, level);
  if (style->colour) put_string(line, colour_off);
  log_render_put(line, "      ", 6 - strlen(level));
  if (style->worker > 0) {
    put_string(line, "[");
    put_number(line, style->worker, 1);
    put_string(line, "] ");
  }
  if (record->names_both) return;
  if (record->script) {
    (void)log_render_put_text(line, false, record->script, strlen(record->script), SCRIPT_SIZE_MAX);
    put_string(line, record->conn != 0 ? " " : ": ");
  }
  if (record->conn != 0) {
    put_string(line, "#");
    put_conn(line, style->worker, record->conn);
    put_string(line, ": ");
  }
}

/* The lines of a traceback below their message: its title by two spaces, its frames by four. */
static void put_text_traceback(struct line *line, const char *text, size_t size) {
  while (size > 0) {
    const char *newline = memchr(text, '\n', size);
    size_t row_size = newline ? (size_t)(newline - text) : size;
    size_t tabs = 0;
    while (tabs < row_size && text[tabs] == '\t') tabs++;
    if (tabs < row_size) {
      put_string(line, tabs > 0 ? "\n    " : "\n  ");
      if (!log_render_put_text(line, false, text + tabs, row_size - tabs, room(line))) return;
    }
    row_size += newline ? 1 : 0;
    text += row_size;
    size -= row_size;
  }
}

static void render_text(struct line *line, const struct log_style *style,
                        const struct timespec *now, const struct log_record *record) {
  put_text_head(line, style, now, record);
  (void)put_styled(line, style, record->message, record->message_size, message_room(line, record));
  if (record->traceback) put_text_traceback(line, record->traceback, record->traceback_size);
  put_string(line, "\n");
}

size_t log_render(const struct log_style *style, const struct timespec *now,
                  const struct log_record *record, char out[LOG_LINE_SIZE_MAX]) {
  struct line line = {.out = out,
                      .size = 0,
                      .size_max = style->worker > 0 ? LOG_SHARED_SIZE_MAX : LOG_LINE_SIZE_MAX};
  if (style->json) {
    render_json(&line, style, now, record);
  } else {
    render_text(&line, style, now, record);
  }
  return line.size;
}
