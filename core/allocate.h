/* Which of several configurations each of several things gets when all together may cost so much: the integer program
 * of LQ-LoRA (METHODS 7.1), a multiple-choice knapsack,
 *
 *     minimise sum of loss[i][j(i)]   with   sum of size[i][j(i)] <= budget,
 *
 * solved exactly: things are taken one after another, of all partial choices those are kept that no other beats in size
 * and loss and that could still lead to something better than the best known. What could be is bounded by the linear
 * relaxation of the rest (its convex hulls in order of efficiency, Dyer 1984 and Zemel 1984), whose whole steps give a
 * solution too. Of equal losses the smaller size wins, then the earlier configuration of the earlier thing. */
#ifndef PG_CORE_ALLOCATE_H
#define PG_CORE_ALLOCATE_H

#include "core/arena.h"
#include "core/status.h"

struct allocation {
    double loss, size; /* sums */
};

/* size and loss [things, choices], size >= 0, all finite; choice [things] receives the result. A budget below the
 * smallest possible size fails with ST_USAGE and names that. */
status allocate(int things, int choices, const double *size, const double *loss, double budget, struct arena *scratch,
                int *choice, struct allocation *);

#endif
