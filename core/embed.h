/* Files inside the program: C11 has no way of its own to take one in, so the assembler's .incbin does (paths from the
 * root of the tree, where make runs). 64-byte aligned, as a mapped file would be; a zero byte follows. The Makefile
 * names the files of each object, for the compiler's dependency files do not know them. */
#ifndef PG_CORE_EMBED_H
#define PG_CORE_EMBED_H

#include <stddef.h>

struct embedded {
    union {
        const char *text;
        const unsigned char *bytes;
    };
    size_t size;
};
_Static_assert(sizeof(struct embedded) == 16 && offsetof(struct embedded, size) == 8, "laid out by hand below");

/* Defines `const struct embedded name`, to be declared extern. */
#define EMBED(name, file) \
    __asm__(".pushsection .rodata\n" \
            ".balign 64\n" #name "_begin:\n" \
            ".incbin \"" file "\"\n" #name "_end:\n" \
            ".byte 0\n" \
            ".popsection\n" \
            ".pushsection .data.rel.ro,\"aw\"\n" \
            ".balign 8\n" \
            ".globl " #name "\n" #name ":\n" \
            ".quad " #name "_begin, " #name "_end - " #name "_begin\n" \
            ".type " #name ", @object\n" \
            ".size " #name ", 16\n" \
            ".popsection\n")

#endif
