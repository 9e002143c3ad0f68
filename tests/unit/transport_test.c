/* transport_test.c — memory.c, and fault.c above it: what comes up, when, and in which order. */
#include "memory_peer.h"

#include "net/loop.h"
#include "net/transport/fault.h"

#include <stdlib.h>

/* In place of a connection: writes down what it is told. */
struct bench {
  struct transport_over top;
  struct net_loop *loop;
  struct memory_pipe *pipe;
  struct transport *lowest;
  char log[1000]; /* "ready, 3, 1, ended": a number is a `received` of so many bytes */
  char got[1000]; /* all bytes */
  bool takes_out; /* on the first bytes, the layer under it is taken out */
};

static void note(struct bench *bench, const char *what) {
  size_t used = strlen(bench->log);
  snprintf(bench->log + used, sizeof bench->log - used, "%s%s", used ? ", " : "", what);
}

static void on_ready(struct transport *self) {
  note((struct bench *)self, "ready");
}

static void on_received(struct transport *self, const char *bytes, size_t size) {
  struct bench *bench = (struct bench *)self;
  char number[24];
  snprintf(number, sizeof number, "%zu", size);
  note(bench, number);
  if (size > 0) strncat(bench->got, bytes, size);
  if (!bench->takes_out) return;
  bench->takes_out = false;
  transport_under_read_stop(self);
  transport_take_out(&bench->top);
  CHECK_NUMBER(transport_under_read_start(self, TRANSPORT_ROOM_ALL), 0);
}

static void on_ended(struct transport *self) {
  note((struct bench *)self, "ended");
}

static void on_failed(struct transport *self, int rc) {
  note((struct bench *)self, uv_err_name(rc));
}

static void on_written(struct transport *self) {
  note((struct bench *)self, "written");
}

static void on_closed(struct transport *self) {
  note((struct bench *)self, "closed");
}

static const struct transport_ops top_ops = {
    .ready = on_ready,
    .received = on_received,
    .ended = on_ended,
    .failed = on_failed,
    .written = on_written,
    .closed = on_closed,
};

static void begin(struct bench *bench) {
  *bench = (struct bench){.top = {.transport = {&top_ops}}, .loop = net_loop_new()};
  bench->pipe = memory_new(bench->loop);
  bench->lowest = bench->top.under = calloc(1, memory_size());
  memory_init(bench->lowest, &bench->top.transport, bench->pipe);
}

/* Until nothing is left to be told. */
static void settle(struct bench *bench) {
  net_loop_run(bench->loop);
}

/* Open, and read. */
static void begin_open(struct bench *bench) {
  begin(bench);
  CHECK_NUMBER(transport_under_open(&bench->top.transport), 0);
  settle(bench);
  CHECK_TEXT(bench->log, "ready");
  bench->log[0] = '\0';
  CHECK_NUMBER(transport_under_read_start(&bench->top.transport, TRANSPORT_ROOM_ALL), 0);
}

static void check_log(struct bench *bench, const char *expected) {
  settle(bench);
  CHECK_TEXT(bench->log, expected);
  bench->log[0] = '\0';
}

static void end(struct bench *bench) {
  if (!memory_seen(bench->pipe).closed) {
    transport_under_close(&bench->top.transport);
    check_log(bench, "closed");
  }
  CHECK(memory_seen(bench->pipe).closed);
  while (bench->top.under != bench->lowest) transport_take_out(&bench->top);
  memory_free(bench->pipe);
  net_loop_free(bench->loop);
  free(bench->lowest);
}

static ssize_t write_now(struct bench *bench, const char *text) {
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
  return transport_under_write_now(&bench->top.transport, &buf, 1);
}

static int write_all(struct bench *bench, const char *text) {
  uv_buf_t bufs[2] = {uv_buf_init((char *)(uintptr_t)text, 1),
                      uv_buf_init((char *)(uintptr_t)text + 1, (unsigned)strlen(text) - 1)};
  return transport_under_write(&bench->top.transport, bufs, 2);
}

/* --- Memory ---------------------------------------------------------------------------------- */

static void brings_what_was_sent_in_order(void) {
  struct bench bench;
  begin_open(&bench);
  peer_sends(bench.pipe, "one");
  peer_sends(bench.pipe, "three");
  check_log(&bench, "3, 5");
  CHECK_TEXT(bench.got, "onethree");
  CHECK_NUMBER(write_now(&bench, "answer"), 6);
  check_taken(bench.pipe, "answer");
  check_log(&bench, "");
  end(&bench);
}

static void cuts(void) {
  struct bench bench;
  begin_open(&bench);
  memory_settings(bench.pipe)->cut_bytes = 2;
  peer_sends(bench.pipe, "abcde");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "2, 2, 1, ended");
  CHECK_TEXT(bench.got, "abcde");
  end(&bench);
}

static void delays_and_lets_nothing_overtake(void) {
  struct bench bench;
  begin_open(&bench);
  uint64_t start_ms = net_loop_now_ms(bench.loop);
  memory_settings(bench.pipe)->delay_ms = 30;
  peer_sends(bench.pipe, "late");
  CHECK_NUMBER(bench.lowest->ops->unread(bench.lowest), 0);
  memory_settings(bench.pipe)->delay_ms = 0;
  peer_sends(bench.pipe, "later");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "4, 5, ended");
  CHECK(net_loop_now_ms(bench.loop) >= start_ms + 30);
  end(&bench);
}

static void reads_only_while_asked_to(void) {
  struct bench bench;
  begin_open(&bench);
  transport_under_read_stop(&bench.top.transport);
  peer_sends(bench.pipe, "abcdef");
  check_log(&bench, "");
  CHECK_NUMBER(bench.lowest->ops->unread(bench.lowest), 6);
  transport_under_read_start(&bench.top.transport, 4);
  check_log(&bench, "4, 2");
  end(&bench);
}

static void tells_of_bytes_for_which_there_is_no_room(void) {
  struct bench bench;
  begin_open(&bench);
  transport_under_read_start(&bench.top.transport, 0);
  peer_sends(bench.pipe, "abc");
  while (!*bench.log) net_loop_turn(bench.loop, true);
  CHECK_TEXT(bench.log, "0");
  bench.log[0] = '\0';
  transport_under_read_start(&bench.top.transport, 10);
  check_log(&bench, "3");
  end(&bench);
}

static void takes_as_much_as_its_window(void) {
  struct bench bench;
  begin_open(&bench);
  memory_settings(bench.pipe)->window_bytes = 4;
  CHECK_NUMBER(memory_send(bench.pipe, "abcdef", 6), 4);
  CHECK_NUMBER(memory_send(bench.pipe, "ef", 2), 0);
  check_log(&bench, "4");
  CHECK_NUMBER(memory_send(bench.pipe, "ef", 2), 2);
  check_log(&bench, "2");

  CHECK_NUMBER(write_now(&bench, "ABCDEF"), 4);
  CHECK_NUMBER(write_now(&bench, "EF"), 0);
  CHECK_NUMBER(write_all(&bench, "EFGHIJ"), 0);
  CHECK_NUMBER(bench.lowest->ops->unacknowledged(bench.lowest), 10);
  check_log(&bench, "");
  check_taken(bench.pipe, "ABCD");
  check_log(&bench, "");
  check_taken(bench.pipe, "EFGH");
  check_log(&bench, "written");
  check_taken(bench.pipe, "IJ");
  CHECK_NUMBER(bench.lowest->ops->unacknowledged(bench.lowest), 0);
  end(&bench);
}

static void passes_fin_both_ways(void) {
  struct bench bench;
  begin_open(&bench);
  peer_sends(bench.pipe, "last");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "4, ended");
  CHECK_NUMBER(write_now(&bench, "bye"), 3);
  CHECK(!memory_seen(bench.pipe).finished);
  CHECK_NUMBER(transport_under_finish(&bench.top.transport), 0);
  CHECK(memory_seen(bench.pipe).finished);
  check_taken(bench.pipe, "bye");
  end(&bench);
}

static void is_broken_by_rst(void) {
  struct bench bench;
  begin_open(&bench);
  peer_sends(bench.pipe, "last");
  CHECK(memory_reset(bench.pipe));
  check_log(&bench, "4, ECONNRESET");
  end(&bench);

  /* Who does not read finds out by asking, or by writing. */
  begin_open(&bench);
  transport_under_read_stop(&bench.top.transport);
  peer_sends(bench.pipe, "unread");
  CHECK(memory_reset(bench.pipe));
  check_log(&bench, "");
  CHECK_NUMBER(bench.lowest->ops->facts->error(bench.lowest), UV_ECONNRESET);
  CHECK_NUMBER(write_now(&bench, "x"), UV_ECONNRESET);
  CHECK_NUMBER(transport_under_finish(&bench.top.transport), UV_ECONNRESET);
  end(&bench);

  begin_open(&bench);
  transport_under_read_stop(&bench.top.transport);
  memory_settings(bench.pipe)->window_bytes = 0;
  CHECK_NUMBER(write_all(&bench, "waits"), 0);
  CHECK(memory_reset(bench.pipe));
  check_log(&bench, "ECONNRESET");
  end(&bench);
}

static void loses_all_in_silence(void) {
  struct bench bench;
  begin_open(&bench);
  memory_settings(bench.pipe)->is_lost = true;
  peer_sends(bench.pipe, "lost");
  CHECK(memory_reset(bench.pipe));
  CHECK_NUMBER(write_now(&bench, "lost, too"), 9);
  check_taken(bench.pipe, "");
  CHECK_NUMBER(bench.lowest->ops->unacknowledged(bench.lowest), 9);
  CHECK_NUMBER(transport_under_finish(&bench.top.transport), 0);
  check_log(&bench, "");
  transport_under_reset(&bench.top.transport);
  check_log(&bench, "closed");
  CHECK(!memory_seen(bench.pipe).finished);
  CHECK(!memory_seen(bench.pipe).reset);
  end(&bench);
}

static void fails_where_it_is_told_to(void) {
  struct bench bench;
  begin(&bench);
  memory_settings(bench.pipe)->open_error = UV_ECONNREFUSED;
  CHECK_NUMBER(transport_under_open(&bench.top.transport), 0);
  check_log(&bench, "ECONNREFUSED");
  end(&bench);

  begin_open(&bench);
  memory_settings(bench.pipe)->write_error = UV_EIO;
  CHECK_NUMBER(write_now(&bench, "x"), UV_EIO);
  memory_settings(bench.pipe)->finish_error = UV_ENOTCONN;
  CHECK_NUMBER(transport_under_finish(&bench.top.transport), UV_ENOTCONN);
  CHECK(!memory_seen(bench.pipe).finished);
  end(&bench);
}

static void tells_nothing_but_closed_once_it_is_closed(void) {
  struct bench bench;
  begin_open(&bench);
  memory_settings(bench.pipe)->window_bytes = 8;
  CHECK_NUMBER(write_all(&bench, "waits for room"), 0);
  peer_sends(bench.pipe, "unread");
  CHECK(memory_finish(bench.pipe));
  transport_under_close(&bench.top.transport);
  CHECK_NUMBER(memory_send(bench.pipe, "into nothing", 12), 8);
  check_log(&bench, "closed");
  check_taken(bench.pipe, "waits fo");
  CHECK(memory_seen(bench.pipe).reset); /* for what was not read */
  end(&bench);

  begin_open(&bench);
  transport_under_close(&bench.top.transport);
  check_log(&bench, "closed");
  CHECK(memory_seen(bench.pipe).finished);
  CHECK(!memory_seen(bench.pipe).reset);
  end(&bench);
}

/* --- Faults ---------------------------------------------------------------------------------- */

static void put_fault(struct bench *bench, size_t split_bytes, uint64_t delay_ms) {
  struct conn_fault fault = {.split_bytes = split_bytes, .delay_ms = delay_ms};
  struct transport_layer *layer = fault_new(bench->loop, &fault);
  transport_under_read_stop(&bench->top.transport);
  transport_put(layer, &bench->top);
  CHECK_NUMBER(fault_of(bench->top.under)->split_bytes, split_bytes);
  CHECK_NUMBER(transport_under_read_start(&bench->top.transport, TRANSPORT_ROOM_ALL), 0);
}

static void splits(void) {
  struct bench bench;
  begin_open(&bench);
  CHECK(fault_of(bench.lowest) == NULL);
  put_fault(&bench, 2, 0);
  peer_sends(bench.pipe, "abcde");
  peer_sends(bench.pipe, "f");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "2, 2, 1, 1, ended");
  CHECK_TEXT(bench.got, "abcdef");
  end(&bench);
}

static void delays_each_piece_and_keeps_none(void) {
  struct bench bench;
  begin_open(&bench);
  put_fault(&bench, 2, 20);
  uint64_t start_ms = net_loop_now_ms(bench.loop);
  peer_sends(bench.pipe, "abcd");
  CHECK_NUMBER(transport_under_unread(&bench.top.transport), 4);
  while (!*bench.log) net_loop_turn(bench.loop, true);
  CHECK_TEXT(bench.log, "2");
  CHECK_NUMBER(transport_under_unread(&bench.top.transport), 2);
  check_log(&bench, "2, 2");
  CHECK(net_loop_now_ms(bench.loop) >= start_ms + 40);
  end(&bench);
}

static void waits_on_while_it_is_not_read(void) {
  struct bench bench;
  begin_open(&bench);
  put_fault(&bench, 0, 10);
  peer_sends(bench.pipe, "abc");
  net_loop_turn(bench.loop, false);
  transport_under_read_stop(&bench.top.transport);
  check_log(&bench, "");
  transport_under_read_start(&bench.top.transport, 2);
  check_log(&bench, "2, 1");
  end(&bench);
}

static void lies_above_any_other(void) {
  struct bench bench;
  begin_open(&bench);
  put_fault(&bench, 3, 5);
  put_fault(&bench, 2, 5);
  peer_sends(bench.pipe, "abcdef");
  CHECK(memory_finish(bench.pipe));
  check_log(&bench, "2, 2, 2, ended");
  CHECK_TEXT(bench.got, "abcdef");
  memory_settings(bench.pipe)->window_bytes = 2;
  CHECK_NUMBER(write_now(&bench, "ABCD"), 2);
  CHECK_NUMBER(write_all(&bench, "CD"), 0);
  check_taken(bench.pipe, "AB");
  check_log(&bench, "written");
  CHECK_NUMBER(transport_under_unacknowledged(&bench.top.transport), 2);
  CHECK_NUMBER(transport_under_finish(&bench.top.transport), 0);
  CHECK(memory_seen(bench.pipe).finished);
  end(&bench);
}

static void hands_failures_on(void) {
  struct bench bench;
  begin(&bench);
  put_fault(&bench, 1, 0);
  memory_settings(bench.pipe)->open_error = UV_ETIMEDOUT;
  CHECK_NUMBER(transport_under_open(&bench.top.transport), 0);
  check_log(&bench, "ETIMEDOUT");
  end(&bench);

  begin_open(&bench);
  put_fault(&bench, 1, 0);
  peer_sends(bench.pipe, "ab");
  CHECK(memory_reset(bench.pipe));
  check_log(&bench, "1, 1, ECONNRESET");
  end(&bench);
}

static void can_be_taken_out_at_any_time(void) {
  struct bench bench;
  begin_open(&bench);
  put_fault(&bench, 1, 0);
  bench.takes_out = true; /* while it tells something */
  peer_sends(bench.pipe, "abcd");
  check_log(&bench, "1, 3");
  CHECK_TEXT(bench.got, "abcd");

  put_fault(&bench, 0, 60000);
  peer_sends(bench.pipe, "late");
  net_loop_turn(bench.loop, false);
  transport_under_read_stop(&bench.top.transport);
  transport_take_out(&bench.top); /* while a piece waits */
  transport_under_read_start(&bench.top.transport, TRANSPORT_ROOM_ALL);
  check_log(&bench, "4");
  end(&bench);
}

/* Or its timer would keep the loop for a minute, and then speak to nobody. */
static void waits_for_nothing_once_it_is_closed(void) {
  struct bench bench;
  for (int with_rst = 0; with_rst < 2; with_rst++) {
    begin_open(&bench);
    put_fault(&bench, 0, 60000);
    peer_sends(bench.pipe, "late");
    net_loop_turn(bench.loop, false);
    if (with_rst) {
      transport_under_reset(&bench.top.transport);
    } else {
      transport_under_close(&bench.top.transport);
    }
    check_log(&bench, "closed");
    end(&bench);
  }
}

static const struct check_case cases[] = {
    {"memory brings what was sent, in order", brings_what_was_sent_in_order},
    {"memory cuts what arrives", cuts},
    {"memory delays, and nothing overtakes", delays_and_lets_nothing_overtake},
    {"memory hands over only to who reads, and as much as there is room for",
     reads_only_while_asked_to},
    {"memory tells that there is something without room for it",
     tells_of_bytes_for_which_there_is_no_room},
    {"memory takes as much as its window, in both directions", takes_as_much_as_its_window},
    {"FIN passes in both directions, behind the bytes", passes_fin_both_ways},
    {"RST is told to who reads or writes, and known to who asks", is_broken_by_rst},
    {"what is lost is told to nobody", loses_all_in_silence},
    {"memory fails while it opens, writes, finishes", fails_where_it_is_told_to},
    {"after close nothing but `closed` comes, once", tells_nothing_but_closed_once_it_is_closed},
    {"a fault splits what comes", splits},
    {"a fault delays each piece, and keeps none", delays_each_piece_and_keeps_none},
    {"a fault's time passes while nobody reads", waits_on_while_it_is_not_read},
    {"a fault lies above any other layer, and leaves writing alone", lies_above_any_other},
    {"a fault hands on what fails under it", hands_failures_on},
    {"a fault can be taken out while it tells, and while it waits", can_be_taken_out_at_any_time},
    {"a fault that is closed waits for nothing", waits_for_nothing_once_it_is_closed},
};

CHECK_MAIN(cases)
