/* cli/console_tcp.c — what the kernel knows of a TCP connection, in words. Asks nothing. */
#include "cli/console_tcp.h"

#include "base/text.h"
#include "cli/answer.h"
#include "cli/shown.h"

#include <stdio.h>
#include <string.h>

/* The states of RFC 9293, by the names of ss(8), and what each means to us. */
static const struct {
  const char *name;
  const char *meaning;
} states[] = {
    {"established", "both sides may send"},
    {"syn-sent", "we asked for a connection, and no answer has come"},
    {"syn-recv", "the peer asked for a connection, and has not confirmed it"},
    {"fin-wait-1", "we have sent FIN, and the peer has not acknowledged it"},
    {"fin-wait-2", "we have sent FIN; the peer may still send"},
    {"close-wait", "the peer has sent FIN; we may still send"},
    {"closing", "both sides have sent FIN, ours is not acknowledged yet"},
    {"last-ack", "both sides have sent FIN, ours is not acknowledged yet"},
    {"time-wait", "it is over; its addresses rest for a while"},
    {"closed", "it is over"},
};

static void print_state(const json_t *tcp) {
  const char *state = answer_text(tcp, "state");
  const char *meaning = "";
  for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
    if (strcmp(states[i].name, state) == 0) {
      meaning = states[i].meaning;
    }
  }
  (void)printf("#%lld is ", (long long)answer_number(tcp, "id"));
  shown_print(stdout, state);
  (void)printf("%s%s\n", *meaning != '\0' ? ": " : "", meaning);
}

/* "  label              1.5 KiB what" */
static void print_bytes(const json_t *tcp, const char *label, const char *name, const char *what) {
  char text[TEXT_UNITS_SIZE_MAX];
  long long bytes = (long long)answer_number(tcp, name);
  text_format_bytes((uint64_t)bytes, text);
  (void)printf("  %-18s %s%s%s\n", label, text, bytes < 1024 ? " bytes" : "", what);
}

static void print_count(const json_t *tcp, const char *label, const char *name, const char *what) {
  (void)printf("  %-18s %lld%s\n", label, (long long)answer_number(tcp, name), what);
}

static void print_round_trip(const json_t *tcp) {
  (void)printf("  %-18s %.3g ms, varying by %.3g ms\n", "round trip",
               (double)answer_number(tcp, "rtt_us") / 1000,
               (double)answer_number(tcp, "rtt_variation_us") / 1000);
}

static void print_congestion(const json_t *tcp) {
  char text[TEXT_UNITS_SIZE_MAX];
  long long segments = (long long)answer_number(tcp, "congestion_window");
  long long segment_bytes = (long long)answer_number(tcp, "send_mss");
  text_format_bytes((uint64_t)segment_bytes, text);
  (void)printf("  %-18s %lld segments, of at most %s each, may be under way\n", "congestion window",
               segments, text);
}

void console_print_tcp(const struct answer *answer) {
  const json_t *tcp = answer->last;
  print_state(tcp);
  print_bytes(tcp, "unread", "unread", " arrived, and nobody has read them yet");
  print_bytes(tcp, "unsent", "unsent", " were sent, and the peer has not acknowledged them yet");
  print_bytes(tcp, "receive space", "receive_space", " are about what the peer may send at once");
  print_round_trip(tcp);
  print_congestion(tcp);
  print_count(tcp, "unacknowledged", "unacked", " segments");
  print_count(tcp, "sent again", "retransmits", " segments since it began");
  print_count(tcp, "lost", "lost", " segments, as far as can be told");
}
