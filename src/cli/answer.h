/* cli/answer.h — one command to a running server, and its whole answer. Knows no command. */
#ifndef MOONPORT_CLI_ANSWER_H
#define MOONPORT_CLI_ANSWER_H

#include "cli/command.h"

#include <jansson.h>

struct answer {
  json_t *lines; /* an array of the objects before the last line */
  json_t *last;  /* the one with "ok" */
  long server_pid;
};

/* Asks, and waits for all of the answer; with --json it is printed as it comes. EXIT_DONE,
 * and answer_end() is due; or another exit code, after saying on stderr why there is no answer. */
int answer_ask(const struct command_call *call, const char *const *words, size_t count,
               struct answer *out);
/* The same for a command that is a line of the protocol already, without its newline; `as_it_is`
 * says whether it is printed as it comes. */
int answer_ask_line(const struct command_call *call, const char *line, bool as_it_is,
                    struct answer *out);
/* Frees an answer that answer_end() is not called for. */
void answer_free(struct answer *answer);
/* Whether the answer is still to be printed, in words: not with --json. */
bool answer_is_for_people(const struct command_call *call);
/* Says the server's error on stderr, if there is one and nobody printed it, and returns the exit
 * code. */
int answer_end(const struct command_call *call, struct answer *answer);

/* Fields of an object; "" and 0 where there is none of that kind. */
const char *answer_text(const json_t *object, const char *name);
json_int_t answer_number(const json_t *object, const char *name);
double answer_seconds(const json_t *object, const char *name);
bool answer_flag(const json_t *object, const char *name);

#endif
