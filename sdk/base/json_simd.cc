// json_simd.cc: the quick event reader, on simdjson's DOM parser. The only C++ of the project.
//
// The DOM parser validates the whole text, which on-demand does not for what it skips. What it
// refuses goes to the strict reader, which decides and finds the words; so nothing here has to
// tell a fault from a limit of simdjson (integers beyond 64 bits). Threads: one at a time.
#include <cstring>
#include <new>

#include <simdjson.h>

#include "base/json_parts.h"

static_assert(BEAMC_JSON_PADDING >= simdjson::SIMDJSON_PADDING, "padding of the public header");

struct beamc_json_simd {
    simdjson::dom::parser parser;
};

// The first eight bytes, zeros behind a shorter text. Eight bytes must be readable: simdjson's
// string buffer has its padding behind the last string, and wanted names are stored padded.
static inline uint64_t head_of(const char *text, size_t len) {
    uint64_t head;
    std::memcpy(&head, text, sizeof head);
    return len >= sizeof head ? head : head & ((UINT64_C(1) << (8 * len)) - 1);
}

static inline bool same_name(std::string_view key, uint64_t head, const beamc_json_name &wanted) {
    const beamc_slice &name = wanted.text;
    if (key.size() != name.len || head != wanted.head) {
        return false;
    }
    return name.len <= 8 || std::memcmp(key.data() + 8, name.ptr + 8, name.len - 8) == 0;
}

extern "C" beamc_json_simd *beamc__json_simd_new(void) {
    return new (std::nothrow) beamc_json_simd;
}

extern "C" void beamc__json_simd_free(beamc_json_simd *simd) {
    delete simd;
}

static bool field_of(simdjson::dom::element value, beamc_json_field *out) {
    using simdjson::dom::element_type;
    switch (value.type()) {
    case element_type::STRING: {
        std::string_view text = value.get_string().value_unsafe();
        out->kind = BEAMC_JSON_STRING;
        out->text = beamc_slice_of(text.data(), text.size());
        return true;
    }
    case element_type::INT64:
        out->kind = BEAMC_JSON_INT;
        out->i64 = value.get_int64().value_unsafe();
        return true;
    case element_type::UINT64: // simdjson gives it only beyond INT64_MAX
        out->kind = BEAMC_JSON_BIG_INT;
        return true;
    case element_type::DOUBLE:
        out->kind = BEAMC_JSON_REAL;
        out->f64 = value.get_double().value_unsafe();
        return true;
    case element_type::BOOL:
        out->kind = BEAMC_JSON_BOOL;
        out->i64 = value.get_bool().value_unsafe() ? 1 : 0;
        return true;
    case element_type::NULL_VALUE:
        out->kind = BEAMC_JSON_NULL;
        return true;
    case element_type::ARRAY:
        out->kind = BEAMC_JSON_ARRAY;
        return true;
    case element_type::OBJECT:
        out->kind = BEAMC_JSON_OBJECT;
        return true;
    }
    return false;
}

extern "C" bool beamc__json_simd_read(beamc_json_simd *simd, beamc_slice text,
                                      const beamc_json_names *wanted, beamc_json_field *fields) {
    simdjson::dom::element root;
    if (simd->parser.parse(text.ptr, text.len, false).get(root) != simdjson::SUCCESS) {
        return false;
    }
    simdjson::dom::object object;
    if (root.get_object().get(object) != simdjson::SUCCESS) {
        return false;
    }
    for (size_t i = 0; i < wanted->count; i++) {
        fields[i].kind = BEAMC_JSON_ABSENT;
    }
    for (auto member = object.begin(); member != object.end(); ++member) {
        std::string_view key = member.key();
        uint64_t head = head_of(key.data(), key.size());
        for (size_t i = 0; i < wanted->count; i++) {
            if (same_name(key, head, wanted->names[i])) {
                if (!field_of(member.value(), &fields[i])) {
                    return false;
                }
                break;
            }
        }
    }
    return true;
}
