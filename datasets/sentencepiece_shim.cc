#include "datasets/sentencepiece_shim.h"

#include <cstdio>
#include <exception>
#include <new>
#include <sentencepiece_processor.h>
#include <string>
#include <vector>

struct spm {
    sentencepiece::SentencePieceProcessor processor;
    std::vector<int> ids;
    std::string text;
};

/* Runs f; false, with the reason in why, when it throws or f itself says so by a non-empty text. */
template <typename F> static bool guarded(F f, char *why, size_t size)
{
    try {
        std::string fault = f();
        if (fault.empty()) return true;
        std::snprintf(why, size, "%s", fault.c_str());
    } catch (const std::exception &e) {
        std::snprintf(why, size, "%s", e.what());
    } catch (...) {
        std::snprintf(why, size, "unknown C++ exception");
    }
    return false;
}

static std::string fault_of(const sentencepiece::util::Status &status)
{
    return status.ok() ? std::string() : status.ToString();
}

spm *spm_open(const void *model, size_t n, char *why, size_t size)
{
    spm *s = nullptr;
    bool ok = guarded(
        [&] {
            s = new spm;
            return fault_of(s->processor.LoadFromSerializedProto({static_cast<const char *>(model), n}));
        },
        why, size);
    if (ok) return s;
    delete s;
    return nullptr;
}

void spm_close(spm *s)
{
    delete s;
}

int spm_size(const spm *s)
{
    return s->processor.GetPieceSize();
}

int spm_find(const spm *s, const char *piece)
{
    int id = -1;
    char why[64];
    guarded(
        [&] {
            /* The library answers with the unknown piece's id for what it does not know. */
            int found = s->processor.PieceToId(piece);
            if (found >= 0 && s->processor.IdToPiece(found) == piece) id = found;
            return std::string();
        },
        why, sizeof why);
    return id;
}

int spm_unk(const spm *s)
{
    return s->processor.unk_id();
}

int spm_bos(const spm *s)
{
    return s->processor.bos_id();
}

int spm_eos(const spm *s)
{
    return s->processor.eos_id();
}

int spm_pad(const spm *s)
{
    return s->processor.pad_id();
}

int spm_encode(spm *s, const char *text, size_t n, const int **ids, size_t *count, char *why, size_t size)
{
    s->ids.clear();
    bool ok = guarded([&] { return fault_of(s->processor.Encode({text, n}, &s->ids)); }, why, size);
    *ids = s->ids.data();
    *count = ok ? s->ids.size() : 0;
    return ok ? 0 : -1;
}

int spm_decode(spm *s, const int *ids, size_t n, const char **text, size_t *size, char *why, size_t why_size)
{
    s->text.clear();
    bool ok = guarded([&] { return fault_of(s->processor.Decode(std::vector<int>(ids, ids + n), &s->text)); }, why,
                      why_size);
    *text = s->text.data();
    *size = ok ? s->text.size() : 0;
    return ok ? 0 : -1;
}
