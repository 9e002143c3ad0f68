/* server/testing/testing.h — scripts under test: they run in the Lua state of the program that tests them. */
#pragma once

struct program_options;
struct runtime;
struct testing; /* opaque */

/* Gives the program whose runtime it is the module moonport.test.host, on which moonport/test/ stands.
 * NULL when memory is out. */
struct testing *testing_new(struct runtime *runtime, const struct program_options *options);
/* Ends the scripts that are left. Before the program's state is freed. */
void testing_free(struct testing *testing);
