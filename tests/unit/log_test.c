/* log_test.c — the sink: a reader that stalls or goes away never stops who logs. */
#include "check.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_SIZE (4 * 1024 * 1024)

/* Everything that was read off a sink; one buffer for all cases. */
static char text[TEXT_SIZE];
static size_t text_size;

/* Adds what is there to `text`, without waiting. */
static void read_all(int fd) {
  (void)fcntl(fd, F_SETFL, O_NONBLOCK);
  for (;;) {
    ssize_t n = read(fd, text + text_size, sizeof text - 1 - text_size);
    if (n <= 0) {
      break;
    }
    text_size += (size_t)n;
  }
  text[text_size] = '\0';
}

static int count_of(const char *part) {
  int count = 0;
  for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
    count++;
  }
  return count;
}

static void writes_at_once(void) {
  int ends[2];
  text_size = 0;
  CHECK_NUMBER(pipe(ends), 0);
  struct log *log = log_new(ends[1], LOG_INFO, LOG_AUTO);
  log_printf(log, LOG_DEBUG, "not this");
  log_printf(log, LOG_INFO, "%d %s", 1, "this");
  read_all(ends[0]);
  CHECK_NUMBER(count_of("\n"), 1);
  CHECK_CONTAINS(text, "\"level\":\"info\",\"message\":\"1 this\"}\n");
  CHECK(!log_enabled(log, LOG_DEBUG) && log_enabled(log, LOG_INFO));
  CHECK(log_flush(log));
  log_free(log);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

/* Logs more than pipe and queue hold while nobody reads, then reads: whole lines, in order, and
 * the number of those that are missing. */
static void stall(int reader, int writer) {
  const int lines = 20000;
  text_size = 0;
  struct log *log = log_new(writer, LOG_INFO, LOG_TEXT);
  for (int i = 0; i < lines; i++) {
    log_printf(log, LOG_INFO, "line %d of a log that nobody reads for a while", i);
  }
  CHECK(!log_flush(log));
  do {
    read_all(reader);
  } while (!log_flush(log));
  log_printf(log, LOG_INFO, "line %d, back again", lines);
  read_all(reader);
  const int kept = count_of("info  line ");
  const char *notice = strstr(text, "warn  ");
  CHECK(notice != NULL);
  CHECK_NUMBER(count_of("warn  "), 1);
  CHECK_NUMBER(notice != NULL ? atoi(notice + strlen("warn  ")) : 0, lines + 1 - kept);
  const char *line = text;
  for (int i = 0; i < kept - 1; i++) {
    int number = -1;
    const char *at = strstr(line, "info  line ");
    CHECK(at != NULL && sscanf(at, "info  line %d of", &number) == 1 && number == i);
    line = at != NULL ? at + 1 : line;
  }
  CHECK_CONTAINS(line, "line 20000, back again\n");
  log_free(log);
}

static void survives_a_stalled_pipe(void) {
  int ends[2];
  CHECK_NUMBER(pipe(ends), 0);
  stall(ends[0], ends[1]);
  CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

static void survives_a_stalled_socket(void) {
  int ends[2];
  CHECK_NUMBER(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  stall(ends[0], ends[1]);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

static void survives_a_reader_that_left(void) {
  int ends[2];
  (void)signal(SIGPIPE, SIG_IGN); /* as the server does */
  CHECK_NUMBER(pipe(ends), 0);
  struct log *log = log_new(ends[1], LOG_INFO, LOG_TEXT);
  (void)close(ends[0]);
  errno = 42;
  log_printf(log, LOG_INFO, "to nobody");
  CHECK_NUMBER(errno, 42);
  CHECK(!log_flush(log));
  log_free(log); /* at once: the test's time limit would tell */
  (void)close(ends[1]);
}

static void survives_a_full_disk(void) {
  int fd = open("/dev/full", O_WRONLY);
  CHECK(fd >= 0);
  struct log *log = log_new(fd, LOG_INFO, LOG_TEXT);
  for (int i = 0; i < 10000; i++) {
    log_printf(log, LOG_INFO, "line %d to a full disk", i);
  }
  CHECK(!log_flush(log));
  log_free(log);
  (void)close(fd);
}

static void cuts_a_long_message(void) {
  int ends[2];
  static char message[3 * LOG_LINE_SIZE_MAX];
  text_size = 0;
  memset(message, 'm', sizeof message - 1);
  CHECK_NUMBER(pipe(ends), 0);
  struct log *log = log_new(ends[1], LOG_INFO, LOG_TEXT);
  log_printf(log, LOG_INFO, "%s", message);
  read_all(ends[0]);
  CHECK(text_size <= LOG_LINE_SIZE_MAX);
  CHECK_CONTAINS(text, " [cut]\n");
  log_free(log);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

static const struct check_case cases[] = {
    {"a record of sufficient level is written at once", writes_at_once},
    {"a stalled pipe costs counted lines, never time", survives_a_stalled_pipe},
    {"a stalled socket costs counted lines, never time", survives_a_stalled_socket},
    {"a reader that left costs nothing", survives_a_reader_that_left},
    {"a full disk costs lines and nothing else", survives_a_full_disk},
    {"a message longer than a line is cut", cuts_a_long_message},
};
CHECK_MAIN(cases)
