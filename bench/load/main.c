/* load/main.c — the load generator's command line and its JSON line. Knows no sockets. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "burst.h"
#include "datagrams.h"
#include "load.h"
#include "pattern.h"

enum { EXIT_LOAD = 1, EXIT_USAGE = 2 };
enum { SPARE_DESCRIPTORS = 16, CONNECTIONS_MAX = 1000000, DEPTH_MAX = 4096 };
enum { MESSAGE_BYTES_MAX = 16 * 1024 * 1024, INTERVAL_MS_MAX = 60 * 60 * 1000 };

static const char usage[] =
    "usage: load MODE ADDRESS [option...]\n"
    "\n"
    "  echo    sends messages over --connections, --depth in flight on each\n"
    "  lines   the same, and each message is a line: LF at its end and nowhere else\n"
    "  udp     the same as datagrams, from as many sockets\n"
    "  broadcast  one of --connections sends, and all of them get each message before the next;\n"
    "          a message is counted for each that got it; the server greets each with a +\n"
    "  churn   connect, one message, its answer, close; --connections at a time\n"
    "  handshake  connect, with --tls the handshake, close; --connections at a time; what is timed "
    "is\n"
    "          from connect to the end of the handshake\n"
    "  burst   --connections send the first message of TLS at once and nothing more, while one "
    "that\n"
    "          was there before sends messages; max_us is the longest that one waited\n"
    "  idle    opens --connections, prints its line, holds them until standard input\n"
    "          has a line or ends\n"
    "\n"
    "  --connections N   50; idle: 10000; burst: 1000\n"
    "  --size BYTES      64\n"
    "  --depth N         1\n"
    "  --messages N      ends after N messages over all connections\n"
    "  --seconds S       ends after S seconds (2, when --messages is not given)\n"
    "  --warm-up S       echo, lines, broadcast: first messages for S seconds, then a line, ready, "
    "and\n"
    "                    waits for a line; and for another one before it closes. What is counted "
    "is\n"
    "                    between the two\n"
    "  --every MS        echo, lines: a message on each connection so often, in turn, rather than\n"
    "                    as soon as it was answered; max_us is then the longest pause\n"
    "  --touch           idle: one message on each connection before holding\n"
    "  --tls KIND        over TLS; full: each connection makes a whole handshake; resume: each but "
    "the\n"
    "                    first goes on with the session of an earlier one\n"
    "  --proxied         echo, lines, churn: each connection begins with a header of the PROXY "
    "protocol\n"
    "  --websocket       echo, broadcast, idle: each message is one of WebSocket\n"
    "\n"
    "ADDRESS is 127.0.0.1:7000, [::1]:7000 or the path of a Unix socket. Every byte is compared.\n"
    "Exit code 1: a byte was wrong or a connection was lost; 2: the command line is wrong.\n";

struct options {
  const char *mode;
  bool hold;
  bool datagrams;
  bool burst;
  bool touch;
  uint64_t warm_up_ns; /* 0: none, and nothing is waited for */
  struct load_plan plan;
};

static void refuse(const char *what, const char *text) {
  fprintf(stderr, "load: %s: %s\n\n%s", what, text, usage);
  exit(EXIT_USAGE);
}

static uint64_t parse_count(const char *name, const char *text, uint64_t min, uint64_t max) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < min || value > max)
    refuse(name, text);
  return value;
}

static uint64_t parse_seconds_ns(const char *text) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds > 0 && seconds <= 3600))
    refuse("seconds must be above 0 and at most 3600", text);
  return (uint64_t)(seconds * 1e9);
}

static enum wire_kind parse_tls(const char *text) {
  if (strcmp(text, "full") != 0 && strcmp(text, "resume") != 0)
    refuse("--tls is full or resume", text);
  return *text == 'f' ? WIRE_TLS : WIRE_TLS_RESUMED;
}

static void parse_options(int argc, char **argv, struct options *out) {
  static const struct option known[] = {{"connections", required_argument, NULL, 'c'},
                                        {"size", required_argument, NULL, 's'},
                                        {"depth", required_argument, NULL, 'd'},
                                        {"messages", required_argument, NULL, 'm'},
                                        {"seconds", required_argument, NULL, 't'},
                                        {"every", required_argument, NULL, 'e'},
                                        {"touch", no_argument, NULL, 'k'},
                                        {"warm-up", required_argument, NULL, 'w'},
                                        {"tls", required_argument, NULL, 'T'},
                                        {"proxied", no_argument, NULL, 'P'},
                                        {"websocket", no_argument, NULL, 'W'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};
  struct load_plan *plan = &out->plan;
  int option;
  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (option) {
      case 'c':
        plan->connections =
            (uint32_t)parse_count("--connections is out of range", optarg, 1, CONNECTIONS_MAX);
        break;
      case 's':
        plan->message_bytes =
            (size_t)parse_count("--size is out of range", optarg, 1, MESSAGE_BYTES_MAX);
        break;
      case 'd':
        plan->depth = (uint32_t)parse_count("--depth is out of range", optarg, 1, DEPTH_MAX);
        break;
      case 'm':
        plan->messages_max = parse_count("--messages is out of range", optarg, 0, UINT64_MAX - 1);
        break;
      case 't': plan->duration_ns = parse_seconds_ns(optarg); break;
      case 'e':
        plan->interval_ns =
            parse_count("--every is out of range", optarg, 1, INTERVAL_MS_MAX) * 1000000;
        break;
      case 'k': out->touch = true; break;
      case 'w': out->warm_up_ns = parse_seconds_ns(optarg); break;
      case 'T': plan->wire = parse_tls(optarg); break;
      case 'P': plan->proxied = true; break;
      case 'W': plan->wire = WIRE_WEBSOCKET; break;
      case 'h': fputs(usage, stdout); exit(EXIT_SUCCESS);
      default: fputs(usage, stderr); exit(EXIT_USAGE);
    }
  }
  if (argc - optind != 2) {
    fprintf(stderr, "load: a mode and an address are needed\n\n%s", usage);
    exit(EXIT_USAGE);
  }
  out->mode = argv[optind];
  if (target_parse(argv[optind + 1], &plan->target) != 0)
    refuse("not an address (127.0.0.1:7000, [::1]:7000, /path.sock)", argv[optind + 1]);
}

static void refuse_larger(const struct options *options, size_t bytes_max) {
  if (options->plan.message_bytes <= bytes_max) return;
  fprintf(stderr, "load: %s: --size is at most %zu\n", options->mode, bytes_max);
  exit(EXIT_USAGE);
}

static void parse_mode(struct options *options) {
  const char *mode = options->mode;
  struct load_plan *plan = &options->plan;
  options->hold = strcmp(mode, "idle") == 0;
  options->datagrams = strcmp(mode, "udp") == 0;
  plan->lines = strcmp(mode, "lines") == 0;
  plan->broadcast = strcmp(mode, "broadcast") == 0;
  plan->handshakes = strcmp(mode, "handshake") == 0;
  options->burst = strcmp(mode, "burst") == 0;
  bool churn = plan->handshakes || strcmp(mode, "churn") == 0;
  if (!options->hold && !options->datagrams && !plan->lines && !plan->broadcast && !churn &&
      !options->burst && strcmp(mode, "echo") != 0)
    refuse("not a mode (echo, lines, broadcast, udp, churn, handshake, burst, idle)", mode);
  if (churn) plan->per_connection_max = plan->handshakes ? 0 : 1;
  if (options->datagrams && plan->wire != WIRE_PLAIN) refuse("--tls is not for datagrams", mode);
  if (options->burst && plan->wire != WIRE_TLS) refuse("needs --tls full", mode);
  if (churn && plan->wire == WIRE_WEBSOCKET) refuse("--websocket is not for churn", mode);
  if (plan->broadcast && plan->depth != 1) refuse("--depth is for echo, lines and udp", mode);
  if (options->datagrams) refuse_larger(options, DATAGRAM_BYTES_MAX);
  if (plan->lines) refuse_larger(options, PATTERN_LINE_MAX);
  if (plan->interval_ns > 0 &&
      (churn || plan->broadcast || options->hold || options->datagrams || options->burst))
    refuse("--every is for echo and lines", mode);
  if (options->warm_up_ns > 0 && (churn || options->hold || options->datagrams || options->burst))
    refuse("--warm-up is for echo, lines and broadcast", mode);
}

/* Fills in what the mode implies and what the command line left open. */
static void apply_mode(struct options *options) {
  struct load_plan *plan = &options->plan;
  parse_mode(options);
  if (plan->connections == 0)
    plan->connections = options->hold ? 10000 : options->burst ? 1000 : 50;
  if (options->hold) {
    plan->messages_max = options->touch ? plan->connections : 0;
    plan->per_connection_max = LOAD_UNLIMITED;
    plan->depth = 1;
  } else if (plan->messages_max == LOAD_UNLIMITED && plan->duration_ns == LOAD_UNLIMITED) {
    plan->duration_ns = 2000000000;
  }
}

static void raise_descriptor_limit(uint32_t connections) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < connections + SPARE_DESCRIPTORS)
    fprintf(stderr,
            "load: %u connections need more than the %" PRIu64 " descriptors allowed: ulimit -n\n",
            connections, (uint64_t)limit.rlim_max);
}

static void print_result(const struct options *options, const struct load_result *result) {
  const struct load_plan *plan = &options->plan;
  printf("{\"mode\":\"%s\",\"connections\":%u,\"size\":%zu,\"depth\":%u,\"connects\":%" PRIu64 ","
         "\"messages\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f,\"errors\":%" PRIu64 ","
         "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
         options->mode, plan->connections, plan->message_bytes, plan->depth, result->connects,
         result->messages, result->bytes, result->seconds, result->errors,
         (double)latency_percentile(&result->latency, 50) / 1e3,
         (double)latency_percentile(&result->latency, 99) / 1e3,
         (double)result->latency.max_ns / 1e3);
  fflush(stdout);
}

/* All drivers return 0, or -1 when something went wrong. */
static int drive_once(const struct options *options) {
  static struct load_result result;
  int rc =
      options->burst ? burst_run(&options->plan, &result) : datagrams_run(&options->plan, &result);
  print_result(options, &result);
  if (rc != 0) fprintf(stderr, "load: %s\n", result.error);
  return rc;
}

static int run_warm(struct load *load, const struct options *options) {
  const struct load_plan *plan = &options->plan;
  load_plan_again(load, LOAD_UNLIMITED, options->warm_up_ns);
  if (load_run(load) != 0) return -1;
  puts("ready");
  fflush(stdout);
  if (load_hold(load, STDIN_FILENO) != 0) return -1;
  load_plan_again(load, plan->messages_max, plan->duration_ns);
  return load_run(load);
}

static int drive_connections(const struct options *options) {
  struct load *load = load_new(&options->plan);
  if (load == NULL) {
    fprintf(stderr, "load: cannot begin: %s\n", strerror(errno));
    return -1;
  }
  bool hold = options->hold || options->warm_up_ns > 0;
  int rc = options->warm_up_ns > 0 ? run_warm(load, options) : load_run(load);
  if (hold) {
    print_result(options, load_result(load));
    if (rc == 0) rc = load_hold(load, STDIN_FILENO);
  }
  if (rc == 0) rc = load_finish(load);
  if (!hold) print_result(options, load_result(load));
  if (rc != 0) fprintf(stderr, "load: %s\n", load_result(load)->error);
  load_free(load);
  return rc;
}

int main(int argc, char **argv) {
  struct options options = {.plan = {.message_bytes = 64,
                                     .depth = 1,
                                     .messages_max = LOAD_UNLIMITED,
                                     .per_connection_max = LOAD_UNLIMITED,
                                     .duration_ns = LOAD_UNLIMITED}};
  parse_options(argc, argv, &options);
  apply_mode(&options);
  raise_descriptor_limit(options.plan.connections);
  signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
  int rc = options.datagrams || options.burst ? drive_once(&options) : drive_connections(&options);
  return rc == 0 ? EXIT_SUCCESS : EXIT_LOAD;
}
