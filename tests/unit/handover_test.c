/* handover_test.c — the messages by which sockets are handed over, as another version may write them. */
#include "base/handover.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void is_read_by_whoever_knows_less(void) {
  static const char message[] = "socket\nnew=1\nname=tcp://127.0.0.1:7\nscript=/a b/=c.lua\nempty=";
  char value[64];
  CHECK(handover_is(message, "socket"));
  CHECK(!handover_is(message, "sock"));
  CHECK(!handover_is("socket", "sockets"));
  CHECK(handover_is("error x.lua:3: no", "error"));
  CHECK(handover_field(message, "name", value, sizeof value));
  CHECK_TEXT(value, "tcp://127.0.0.1:7");
  CHECK(handover_field(message, "script", value, sizeof value));
  CHECK_TEXT(value, "/a b/=c.lua");
  CHECK(handover_field(message, "empty", value, sizeof value));
  CHECK_TEXT(value, "");
  CHECK(!handover_field(message, "ame", value, sizeof value));
  CHECK(handover_field(message, "name", value, 4));
  CHECK_TEXT(value, "tcp");
}

static void has_no_field_that_cannot_stand_in_a_line(void) {
  char message[HANDOVER_BYTES_MAX] = "socket";
  static char longest[HANDOVER_BYTES_MAX];
  memset(longest, 'x', sizeof longest - 1);
  handover_add(message, "name", "a\nfile=own");
  handover_add(message, "groups", NULL);
  handover_add(message, "given", longest);
  handover_add(message, "for", "listen");
  CHECK_TEXT(message, "socket\nfor=listen");
}

static void carries_one_descriptor(void) {
  int ends[2], pipe_ends[2], got = -1;
  char message[HANDOVER_BYTES_MAX];
  CHECK_NUMBER(handover_pair(ends), 0);
  CHECK_NUMBER(pipe(pipe_ends), 0);
  CHECK(handover_receive(ends[0], false, message, &got) < 0);
  CHECK_NUMBER(handover_send(ends[1], "place", pipe_ends[1]), 0);
  CHECK_NUMBER(handover_receive(ends[0], true, message, &got), 5);
  CHECK_NUMBER(write(got, "x", 1), 1);
  CHECK_NUMBER(read(pipe_ends[0], message, 1), 1);
  close(ends[1]);
  CHECK_NUMBER(handover_receive(ends[0], true, message, &got), 0);
  CHECK_NUMBER(got, -1);
  CHECK(handover_send(ends[0], "next", -1) != 0);
  close(ends[0]);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

/* What a script starts has that variable's value too, if it was set again, and is none's heir. */
static void is_meant_for_a_child_of_the_one_that_it_names(void) {
  static const char *const values[] = {"", "x", "1", "1:3", "99999999:3:4"};
  struct handover handover;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    setenv(HANDOVER_VARIABLE, values[i], 1);
    CHECK(!handover_inherit(&handover));
    CHECK(getenv(HANDOVER_VARIABLE) == NULL);
  }
  char closed[64];
  snprintf(closed, sizeof closed, "%ld:1000:1001", (long)getppid());
  setenv(HANDOVER_VARIABLE, closed, 1);
  CHECK(!handover_inherit(&handover));
}

static const struct check_case cases[] = {
    {"a message is read by whoever knows less", is_read_by_whoever_knows_less},
    {"a message has no field that cannot stand in a line",
     has_no_field_that_cannot_stand_in_a_line},
    {"a message carries one descriptor", carries_one_descriptor},
    {"the variable is meant for a child of the process that it names",
     is_meant_for_a_child_of_the_one_that_it_names},
};
CHECK_MAIN(cases)
