/* server/control/client.h — how a command answers who asked. Knows no command.
 *
 * An answer is any number of lines, and then exactly one that says whether it went well. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct control_client; /* opaque; gone with its connection, when its job has ended */

/* False: its connection has ended, and what is put goes nowhere. */
bool control_is_open(const struct control_client *client);

/* One line of the answer. Takes over `object`; NULL means that memory is out, and costs the client
 * its connection, as it cannot be answered. */
void control_put(struct control_client *client, json_t *object);
/* The last line: {"ok":true}, and with more fields those of `object`, as above. */
void control_ok(struct control_client *client);
void control_ok_with(struct control_client *client, json_t *object);
/* The last line: {"ok":false,"error":"what was wrong; what to do"}; at most 1 KiB of text. */
void control_fail(struct control_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line that is JSON already, without its newline: for what is sent often. */
void control_put_text(struct control_client *client, const char *text, size_t size);

/* Text as a JSON string: what is no UTF-8 in it shows as \xNN. NULL: no memory. */
json_t *control_text(const char *text);
json_t *control_text_bytes(const char *text, size_t size);

/* How much is queued for the client because it does not read. What is sent beyond
 * CONTROL_QUEUE_BYTES_MAX costs it its connection. */
size_t control_queue_bytes(const struct control_client *client);
/* Whether that is little, when the kernel has taken what it takes. */
bool control_has_room(struct control_client *client);
enum { CONTROL_QUEUE_BYTES_HIGH = 256 * 1024, CONTROL_QUEUE_BYTES_MAX = 4 * 1024 * 1024 };

/* What a command goes on with when its function has returned; further commands of the client wait
 * until it ends. */
struct control_job {
  /* Some more of the answer; called once a turn of the loop while less than
   * CONTROL_QUEUE_BYTES_HIGH is queued. False: the answer is complete.
   * NULL: a stream, which sends when it has something to say, and ends when the client goes; or,
   * with `answers_later`, an answer that control_end() says is complete. */
  bool (*step)(struct control_client *client, void *state);
  /* Less than CONTROL_QUEUE_BYTES_HIGH is queued again. NULL: it does not care. */
  void (*on_room)(void *state);
  void (*end)(void *state); /* always, and last: frees the state */
  void *state;
  bool answers_later;
};
void control_begin(struct control_client *client, const struct control_job *job);
/* Whether it may begin a stream; otherwise it has been told why not. To be asked before. */
bool control_admit_stream(struct control_client *client);
/* What answers later has said that it goes well, and is a stream from here on. */
void control_become_stream(struct control_client *client);
/* The last line of an answer that came later was put: goes on with what the client sent since. */
void control_end(struct control_client *client);
