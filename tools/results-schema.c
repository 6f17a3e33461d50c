/* Prints docs/RESULTS_SCHEMA.md: build/release/tools/results-schema > docs/RESULTS_SCHEMA.md */
#include "results/record.h"

int main(void)
{
    schema_document(stdout);
    return ferror(stdout) != 0;
}
