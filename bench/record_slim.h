/* Slim records for merged files that are committed and passed on: what tables and figures read, without the bulk
 * (curves of every step, predictions, labels) and without what tells of the machine's owner (host, command line). */
#ifndef PG_BENCH_RECORD_SLIM_H
#define PG_BENCH_RECORD_SLIM_H

#include "results/record.h"

/* slim passes record_check, keeps the whole record's content hash, and gives the same tables. A slim record is copied
 * as it is. The copy shares memory with the whole. */
status record_slim(const struct record *whole, struct arena *, struct record *slim);

#endif
