/* Commands as a user calls them: words in, text out. */
#ifndef PG_TESTS_CAPTURED_COMMAND_H
#define PG_TESTS_CAPTURED_COMMAND_H

#include <string.h>
#include "core/status.h"

extern char captured[1 << 16]; /* what the last command printed */

/* Runs a command line: the words, ended by NULL. */
status captured_command(char **word);
#define PEFTGRID(...) captured_command((char *[]){__VA_ARGS__, NULL})
#define ck_prints(part) ck_assert_msg(strstr(captured, (part)) != NULL, "lacks '%s':\n%s", (part), captured)

/* A path in the test's own folder; the last sixteen stay valid. */
char *in_temp(const char *name);

#endif
