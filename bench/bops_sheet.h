/* Tables of bit operations: by product, by setting, and where the published percentages come from. */
#ifndef PG_BENCH_BOPS_SHEET_H
#define PG_BENCH_BOPS_SHEET_H

#include "bench/bops_subject.h"
#include "bench/sheet.h"

/* One line a product and adapter part: its MACs as a polynomial of the length l and the table rows e, the bits of its
 * operands, its operations in the setting. layers: a line a layer instead of their sum. */
status bops_products_sheet(const struct bops_subject *, const struct bops_setting *, bool layers, struct sheet **);
/* One line a setting: operations, and how they stand to LoRA of rank 16, the own network at 32 bits, the plain one. */
status bops_settings_sheet(const struct bops_subject *, struct sheet **);
/* How 97.04 % and 98.31 % follow from DeBERTaV3-base at 20 tokens and 512 table rows, and what else would give them. */
status bops_derivation_sheets(struct arena *, struct sheet **sheet, int *sheets);
enum { BOPS_DERIVATION_SHEETS = 3 };

#endif
