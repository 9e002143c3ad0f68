/* cli/trace_view.h — the ways in which a trace is shown. Knows no server. */
#ifndef MOONPORT_CLI_TRACE_VIEW_H
#define MOONPORT_CLI_TRACE_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line an event; zeroed but for its options. */
struct trace_lines {
  bool color;
  size_t hex_bytes_max; /* of an event's bytes, below it */
  uint64_t last_ns;
};
void trace_lines_show(struct trace_lines *lines, const json_t *event);

/* One connection as arrows between its peer, the kernel and the script; zeroed but for the first. */
struct trace_diagram {
  json_int_t conn; /* 0: the one that begins next */
  bool begun;
  bool closed;
  uint64_t last_ns;
};
/* False: the event is of another connection, or of none. */
bool trace_diagram_show(struct trace_diagram *diagram, const json_t *event);

/* The bytes of an event as offsets, hexadecimal and text. */
void trace_hex_print(const json_t *event, size_t bytes_max);

#endif
