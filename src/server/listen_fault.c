/* server/listen_fault.c — what is said of an address that cannot be listened on: where it is written, who has
 * it, what to do. Opens nothing. */
#include "server/listen_state.h"

#include "api/runtime.h"
#include "base/file.h"
#include "base/holder.h"
#include "server/script.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

/* The line in which the script says `text`; 0: it does not show, or the operator does. */
static unsigned line_of(const struct listen_set *set, const char *text) {
  const struct runtime *runtime = set->runtime;
  if (set->options->listen_count > 0) return 0;
  FILE *file = runtime->text ? fmemopen((void *)(uintptr_t)runtime->text, runtime->text_size, "r")
                             : fopen(set->path, "re");
  unsigned line = file ? listen_find_line(file, text) : 0;
  if (file) fclose(file);
  return line;
}

void listen_fault(struct listen_set *set, const char *text, const char *format, ...) {
  char fault[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fault, sizeof fault, format, arguments);
  va_end(arguments);
  unsigned line = line_of(set, text);
  if (line > 0) {
    runtime_fault(set->runtime, "%s:%u: %s", set->path, line, fault);
  } else {
    runtime_fault(set->runtime, "%s: %s", set->path, fault);
  }
}

/* What to do about a socket that cannot be opened. */
static const char *listen_advice_for(int rc, bool is_unix) {
  switch (rc) {
    case UV_EADDRINUSE:
      return is_unix ? "a live process listens there: stop it, or choose another path"
                     : "another socket listens there: stop it, or choose another port (0 picks a "
                       "free one)";
    case UV_EADDRNOTAVAIL:
      return "no interface of this machine has that address: use 127.0.0.1, or 0.0.0.0 for all";
    case UV_EACCES:
      return is_unix ? "this user may not write in that directory"
                     : "low ports need privileges: use one from 1024 on, or grant "
                       "CAP_NET_BIND_SERVICE";
    case UV_ENOENT: return "the directory does not exist: create it";
    case UV_EEXIST: return "there is a file that is no socket: remove it, or choose another path";
    case UV_ENODEV:
      return "no route says which interface a group is on: name one, such as "
             "udp://239.1.2.3%eth0:5000";
    case UV_ENXIO:
      return "this machine has no interface of that name: ip link "
             "tells which there are";
    case UV_EINVAL:
      return is_unix ? "see the system's message"
                     : "an address of a link needs its interface: [fe80::1%eth0], [ff02::99%eth0]";
    case UV_EAFNOSUPPORT: return "this machine has no IPv6: use an IPv4 address";
    default: return "see the system's message";
  }
}

/* Who has an address that is in use: true after a log line. */
static bool tell_holder(struct listen_set *set, const char *name, const struct target *target) {
  struct holder holder;
  const bool is_unix = target->as_given.kind == ADDRESS_UNIX;
  const char *other = is_unix ? "path" : "port";
  if (!holder_find((const struct sockaddr *)&target->address, target->as_given.kind == ADDRESS_UDP,
                   &holder)) {
    return false;
  }
  if (holder.is_us) {
    listen_fault(
        set, target->given,
        "cannot listen on %s (address already in use): this server itself has %s: leave one "
        "of them out, or give it another %s",
        name, holder.bound, other);
  } else if (holder.pid > 0) {
    listen_fault(
        set, target->given,
        "cannot listen on %s (address already in use): %s (process %ld) has %s: stop it, or "
        "choose another %s%s",
        name, holder.name, holder.pid, holder.bound, other, is_unix ? "" : " (0 picks a free one)");
  }
  return holder.is_us || holder.pid > 0;
}

int listen_fail(struct listen_set *set, const char *name, int rc, const struct target *target) {
  bool is_unix = target->as_given.kind == ADDRESS_UNIX;
  const struct script_options *options = set->options;
  if (file_error_is_passing(-rc)) set->runtime->shortage = -rc;
  if (target->option) {
    listen_fault(set, target->given, "cannot listen on %s: option '%s' cannot be set (%s)", name,
                 target->option, uv_strerror(rc));
    return rc;
  }
  const char *its = NULL;
  const char *other =
      rc == UV_EADDRINUSE ? options->who_listens(options->context, set->runtime, name, &its) : NULL;
  if (!other && target->holder[0]) {
    other = target->holder;
    its = name;
  }
  if (other) {
    bool is_same = strcmp(its, name) == 0;
    listen_fault(set, target->given,
                 "cannot listen on %s (%s): %s already %s%s; give one of them another %s", name,
                 uv_strerror(rc), other, is_same ? "does" : "listens on ", is_same ? "" : its,
                 is_unix ? "path" : "port");
    return rc;
  }
  if (rc == UV_EADDRINUSE && tell_holder(set, name, target)) return rc;
  listen_fault(set, target->given, "cannot listen on %s (%s): %s", name, uv_strerror(rc),
               listen_advice_for(rc, is_unix));
  return rc;
}
