/* Takes the two files in with the assembler's .incbin (paths from the root of the tree, where make runs); C11 has no
 * way of its own to do it. 64-byte aligned, as a mapped file would be. */
#include "models/mini_embed.h"

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

_Static_assert(sizeof(struct embedded) == 16 && offsetof(struct embedded, size) == 8, "laid out by hand above");

EMBED(mini_config, "models/mini/config.json");
EMBED(mini_weights, "models/mini/model.safetensors");
