/* A mapped file can be cut by somebody else, or its disk can fail, while it is read. The next look at it is then no
 * error that a call returns, but a SIGBUS. */
#ifndef PG_CORE_CUT_FILE_H
#define PG_CORE_CUT_FILE_H

/* From now on such a SIGBUS ends the process with one sentence on standard error that names the file, and the exit
 * code ST_IO; any other SIGBUS kills as ever. Nothing is written half by that: files get their names when they are
 * whole. Children inherit it. */
void cut_file_watch(void);

#endif
