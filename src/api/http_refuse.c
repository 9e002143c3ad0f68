/* api/http_refuse.c — answers that no script gives: errors, each with a sentence; and the date of all of
 * them. Knows no Lua. */
#include "api/http.h"

#include "api/runtime.h"
#include "net/loop.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static time_t wall_s(const struct runtime *runtime) {
  if (!net_loop_is_simulated(runtime->loop)) return time(NULL);
  return (time_t)((runtime->wall_ms + (int64_t)net_loop_now_ms(runtime->loop)) / 1000);
}

/* By hand: strftime() goes by the locale, for which a script may have asked. */
static void write_date(time_t now_s, char out[HTTP_DATE_BYTES + 1]) {
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  struct tm tm;
  gmtime_r(&now_s, &tm);
  snprintf(out, HTTP_DATE_BYTES + 1, "Date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
           &days[(size_t)tm.tm_wday * 3], (unsigned)tm.tm_mday % 100,
           &months[(size_t)tm.tm_mon * 3], (unsigned)(tm.tm_year + 1900) % 10000,
           (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

const char *api_http_date(struct runtime *runtime) {
  int64_t now_s = wall_s(runtime);
  if (now_s != runtime->http_date_s) write_date(now_s, runtime->http_date);
  runtime->http_date_s = now_s;
  return runtime->http_date;
}

bool api_http_is_full(const struct api_conn *self) {
  struct conn *conn = self->conn;
  if (!conn || conn_is_closing(conn)) return false;
  const size_t high = conn_group_of(conn)->queue_high;
  if (conn_queue_bytes(conn) <= high) return false;
  conn_flush(conn);
  return conn_queue_bytes(conn) > high;
}

void api_http_answered(struct api_conn *self) {
  self->more->http.phase = HTTP_ANSWERED;
  if (!self->more->http.keeps_alive) conn_close(self->conn, REASON_CLOSED);
}

void api_http_refuse(struct api_conn *self, unsigned status, const char *fault, const char *fields,
                     bool closes) {
  char text[512];
  const char *connection = closes ? "Connection: close\r\n" : "";
  int size = snprintf(text, sizeof text,
                      "HTTP/1.1 %u %s\r\n%s%s%sContent-Type: text/plain; charset=utf-8\r\n"
                      "Content-Length: %zu\r\n\r\n%s%s",
                      status, http_reason(status), api_http_date(self->runtime), connection, fields,
                      strlen(fault) + 1, self->more->http.to_head ? "" : fault,
                      self->more->http.to_head ? "" : "\n");
  if (conn_send_begin(self->conn) == 0) conn_send_copied(self->conn, text, (size_t)size);
  self->more->http.keeps_alive = !closes;
  self->more->http.phase = HTTP_ANSWERED;
}
