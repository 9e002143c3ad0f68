/* api/tls_context.h — the `tls` table of a service, made to what its connections begin with. */
#ifndef MOONPORT_API_TLS_CONTEXT_H
#define MOONPORT_API_TLS_CONTEXT_H

#include <lua.h>

struct runtime;
struct tls_context;

/* Of the checked table at `index`, in the script's own load: its files become sources of the script,
 * as those it requires, and are read within what it is granted. The ticket keys are those of the
 * version in force. Raises a sentence with the script's file and line. */
struct tls_context *api_make_tls(lua_State *L, int index);
/* Tells in the log what clients will have against what is shown, and who may read what they say;
 * NULL: nothing is shown. */
void api_judge_tls(struct runtime *runtime, const struct tls_context *context);

#endif
