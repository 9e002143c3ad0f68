/* base/grants.h — what the operator lets scripts have: read from text, and asked — opens nothing.
 *
 * Without grants (NULL) a script may have everything; with them, only what is named. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum grant {
  GRANT_OS,       /* os: the environment, and any file's removal */
  GRANT_RUN,      /* run: other programs */
  GRANT_CMODULES, /* cmodules: machine code */
};

struct grants; /* opaque */

/* Reads "os,io=/var/lib/app,net=db:5432,net=*.example.org:443", or "none". NULL with a sentence in
 * `error`: the word, what is wrong with it, what to write instead. */
struct grants *grants_read(const char *text, char *error, size_t error_size);
void grants_free(struct grants *grants);
/* As it was read. */
const char *grants_text(const struct grants *grants);

/* Of NULL, each of these is true. */
bool grants_have(const struct grants *grants, enum grant grant);
/* A file by its real path: absolute, without links or dots. */
bool grants_path(const struct grants *grants, const char *real_path);
/* `port` -1: for any of its ports. An address in numbers is as inet_ntop(3) writes it. */
bool grants_net(const struct grants *grants, const char *host, int port);
/* A Unix socket by its real path. */
bool grants_unix(const struct grants *grants, const char *real_path);
