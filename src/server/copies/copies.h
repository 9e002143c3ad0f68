/* server/copies/copies.h — scripts that run in several workers: one of those leads, the others follow.
 *
 * Where a script has its copies is a function of its home, its `workers` and the number of all workers: the
 * home and those after it, in a circle. So whoever starts again needs to ask nobody where they are: it
 * greets, and each home sends it what it is to have.
 *
 * A change comes to all copies or to none. The home loads it, and asks the others to: each loads it and opens
 * its sockets, and says yes, or why not. When all have said yes it is put in force at home, then in the
 * others. Who says no, ends, or does not answer in time keeps it from all. A question has a number, and an
 * answer to another one means nothing.
 *
 * What holds when processes end meanwhile: a worker that starts again loads the file that there is; when that
 * is not what is in force at home (a change that was refused, say) it serves no copy until the next
 * change, and that is told. When the home starts again it asks all, and who has the very same goes on. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct copies; /* opaque; NULL in a server of one process, which is fine for each of these */
struct incoming;
struct listen_entry;
struct server;
struct sockaddr;

/* What they have the server do. */
struct copies_hooks {
  struct script *(*script_at)(const struct server *server,
                              const char *path); /* that is not leaving */
  /* Lets go what was removed; with `serves` the welcome page. */
  void (*make_room)(struct server *server, bool serves);
  void (*on_news)(struct server *server);    /* another worker gave up an address, or the like */
  void (*on_answers)(struct server *server); /* all who were asked have answered, or have done it */
  void (*reload_due)(struct server *server, bool rescans);
  void (*on_sources)(struct server *server); /* scripts are made of other files now */
  void (*free_left)(struct server *server);
  void (*check_drain)(struct server *server);
};

/* NULL when memory is out. */
struct copies *copies_new(struct server *server, const struct copies_hooks *hooks);
/* Nobody is asked or answered any more. The memory goes when the loop has closed its handles. */
void copies_free(struct copies *copies);

/* --- At the start: server/copies/facts.c */
/* What this worker has loaded is there for others to see. */
void copies_publish(struct server *server);
/* Waits until all others have loaded, too; a signal ends it. */
void copies_await_loaded(struct server *server);
/* How many scripts, other than the welcome page, have their home in another worker, and are valid. */
size_t copies_count_elsewhere(const struct server *server);
/* A script of another worker has read that file. */
bool copies_read_elsewhere(const struct server *server, const char *path);

/* --- Of the home: server/copies/lead.c */
/* The script is loaded, and not in force: asks the others that are to have it. */
void copies_ask(struct server *server, struct script *script);
/* Before a script comes into force where none was: others let go what was removed, and, when it `serves`, the
 * welcome page. */
void copies_ask_for_room(struct server *server, bool serves);
/* Some have not answered; on_answers() comes when all have. */
bool copies_are_asked(const struct server *server);
/* The same at the start, where it is awaited; a signal ends it. */
void copies_await_answers(struct server *server);
/* At the start of a home whose other workers go on: loads what they have in force of the script, which is not
 * valid. Whether it is now. */
bool copies_restore(struct server *server, struct script *script);
void copies_forget_given(struct server *server);
/* Why the loaded script is not to be put in force, as what follows its path; NULL: it may be. */
const char *copies_refusal(const struct server *server, const char *path);
/* It is in force here: so it is to be in those that said yes, and not in those that are not to have it
 * any more. */
void copies_take_on(struct server *server, struct script *script);
/* It will not be. */
void copies_give_up(struct server *server, const char *path);
/* It leaves this worker; from its home, the others, too. */
void copies_let_go(struct server *server, struct script *script);
/* Something that listened here may not any more, or serves since now: others may want to know. */
void copies_tell_changed(struct server *server);
/* Others put in force what they were told to; on_answers() comes when they have. */
bool copies_are_taking_on(const struct server *server);

/* --- Of the others: server/copies/follow.c */
/* A file of the copy changed: its home hears of it. */
void copies_tell_source(struct server *server, const struct script *script, const char *file);
/* Hosts have been looked up. */
void copies_on_names(struct server *server);

/* --- Connections: server/copies/hand_over.c */
/* Gives a connection that was accepted to the worker that has least, when that is by far less. False: it is
 * to be served here. */
bool copies_hand_over(struct server *server, const struct listen_entry *entry,
                      struct incoming *incoming, const struct sockaddr *peer);
/* Some may still be on the way to this worker, which drains; the hook check_drain comes when not. */
bool copies_may_come(struct server *server);
