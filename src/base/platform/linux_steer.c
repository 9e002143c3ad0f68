/* base/platform/linux_steer.c — which of the sockets that share an address get what comes.
 *
 * A program of the classic BPF, which needs no privilege: it returns the number of a socket, and the kernel
 * asks it for each connection and each datagram (SO_ATTACH_REUSEPORT_CBPF, socket(7)). Its packet begins
 * behind the header of TCP or UDP; that of IP is at SKF_NET_OFF. */
#include "base/platform.h"

#include "base/worker.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

enum {
  INSTRUCTIONS_MAX = 32 + 2 * WORKERS_MAX,
  IP4_SOURCE = 12, /* bytes into the header of IP */
  IP4_PORTS = 20,  /* without options: with some, it is still the same of each peer, mostly */
  IP6_SOURCE_END = 20,
  IP6_PORTS = 40,
};

struct program {
  struct sock_filter code[INSTRUCTIONS_MAX];
  unsigned short size;
};

static void add(struct program *program, unsigned short code, uint32_t value) {
  program->code[program->size++] = (struct sock_filter){.code = code, .k = value};
}

/* Adds what jumps over `distance` instructions unless the accumulator is `value`. */
static void add_unless(struct program *program, uint32_t value, unsigned char distance) {
  program->code[program->size++] =
      (struct sock_filter){.code = BPF_JMP | BPF_JEQ | BPF_K, .k = value, .jf = distance};
}

/* The accumulator becomes the sum of both words of the header. */
static void add_sum(struct program *program, int source, int port) {
  add(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + source));
  add(program, BPF_MISC | BPF_TAX, 0);
  add(program, BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_NET_OFF + port));
  add(program, BPF_ALU | BPF_MUL | BPF_K, 0x9E3779B1U); /* 2^32 by the golden ratio: it spreads */
  add(program, BPF_ALU | BPF_XOR | BPF_X, 0);
}

/* Of the peer's address and port. */
static void add_peer_hash(struct program *program) {
  enum { SUM = 5 };
  add(program, BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF);
  add(program, BPF_ALU | BPF_RSH | BPF_K, 4); /* the version of IP */
  add_unless(program, 4, SUM + 1);
  add_sum(program, IP4_SOURCE, IP4_PORTS);
  add(program, BPF_JMP | BPF_JA, SUM);
  add_sum(program, IP6_SOURCE_END, IP6_PORTS);
  add(program, BPF_MISC | BPF_TAX, 0); /* the high bits into the low ones */
  add(program, BPF_ALU | BPF_RSH | BPF_K, 16);
  add(program, BPF_ALU | BPF_XOR | BPF_X, 0);
}

static void add_return(struct program *program, uint32_t value) {
  add(program, BPF_RET | BPF_K, value);
}

int platform_steer(int fd, int type, unsigned count, uint64_t among) {
  struct program program = {.size = 0};
  uint32_t targets[WORKERS_MAX];
  unsigned number = 0;
  for (unsigned i = 0; i < count; i++)
    if (among >> i & 1) targets[number++] = i;
  if (number == 0) return EINVAL;
  if (type == SOCK_DGRAM) {
    add_peer_hash(&program);
    add(&program, BPF_ALU | BPF_MOD | BPF_K, count);
    for (unsigned i = 0; i < count; i++) {
      add_unless(&program, i, 1);
      add_return(&program, among >> i & 1 ? i : targets[i % number]);
    }
  } else {
    add(&program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM));
    add(&program, BPF_ALU | BPF_MOD | BPF_K, number);
    for (unsigned i = 0; i < number; i++) {
      add_unless(&program, i, 1);
      add_return(&program, targets[i]);
    }
  }
  add_return(&program, targets[0]);
  const struct sock_fprog attached = {.len = program.size, .filter = program.code};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached) < 0
             ? errno
             : 0;
}
