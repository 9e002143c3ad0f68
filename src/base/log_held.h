/* base/log_held.h — log records that are kept until it is known whether they are to be told. */
#pragma once

#include <stdbool.h>

struct log_held; /* opaque */

struct log_held *log_held_new(void); /* NULL: out of memory */
void log_held_free(struct log_held *held);
/* What is logged there is kept: the first LOG_HELD_MAX records of it. */
struct log *log_held_log(struct log_held *held);
enum { LOG_HELD_MAX = 64 };
bool log_held_is_empty(const struct log_held *held);
/* Logs all of it to `log`, or to nobody when that is NULL; then there is none. */
void log_held_tell(struct log_held *held, struct log *log);
