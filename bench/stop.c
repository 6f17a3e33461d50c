#include "bench/stop.h"

#include <signal.h>
#include "core/lap.h"

static volatile sig_atomic_t asked; /* the signal */
static double limit, deadline;      /* minutes; clock_seconds() */

void stop_ask(int number)
{
    asked = number;
}

void stop_on_signal(int number)
{
    struct sigaction act = {.sa_handler = stop_ask};
    sigaction(number, &act, NULL);
}

void stop_after(double minutes)
{
    limit = minutes;
    deadline = clock_seconds() + 60 * minutes;
}

status stop_check_signal(void)
{
    FAIL_IF(asked, ST_INTERRUPTED, "stopped by signal %d", (int)asked);
    return ST_OK;
}

status stop_check(void)
{
    TRY(stop_check_signal());
    FAIL_IF(limit > 0 && clock_seconds() >= deadline, ST_INTERRUPTED, "time_limit = %g minutes is reached", limit);
    return ST_OK;
}
