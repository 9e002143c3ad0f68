/* base/probe.h — probes of USDT, for bpftrace, perf and SystemTap: where a tracer may look in — knows none.
 *
 * A probe is one nop, and a note in the program that says where it is and where its arguments stand; what they are
 * stays as it is while nobody looks. docs/metrics.md lists them: names and arguments are for others, and stay. */
#pragma once

#ifdef MOONPORT_PROBES
#include <sys/sdt.h>
/* DTRACE_PROBE3() is the same, but for "inline": without it the compiler takes the note for code, and does not
 * inline the function where it stands. */
#define PROBE_ASM(name, count, ...)                                                                \
  __asm__ __volatile__ __inline__(                                                                 \
      STAP_PROBE_ASM(moonport, name,                                                               \
                     STAP_PROBE_ASM_TEMPLATE(count))::STAP_PROBE_ASM_OPERANDS(count, __VA_ARGS__))
#define PROBE2(name, a, b) PROBE_ASM(name, 2, a, b)
#define PROBE3(name, a, b, c) PROBE_ASM(name, 3, a, b, c)
#else
#define PROBE2(name, a, b) ((void)0)
#define PROBE3(name, a, b, c) ((void)0)
#endif
