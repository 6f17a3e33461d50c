/* Why a running cell ends before it is done: a signal, or its time limit. Whoever works for long asks between its steps
 * or passes, where nothing is half done, and hands ST_INTERRUPTED up; the training loop then keeps the cell's state. */
#ifndef PG_BENCH_STOP_H
#define PG_BENCH_STOP_H

#include "core/status.h"

void stop_on_signal(int number); /* from now on this signal asks for a stop instead of ending the process */
void stop_ask(int number);       /* what the signal does; 0: nothing is asked any more */
void stop_after(double minutes); /* a time limit from now; 0: none */

/* ST_INTERRUPTED with the reason when a stop is asked for or the time is over. Asked behind a piece of work that is
 * kept, never in front of it: so each process gets on, however short its time. */
status stop_check(void);
/* For work that would have to be done again: only a signal stops it. */
status stop_check_signal(void);

#endif
