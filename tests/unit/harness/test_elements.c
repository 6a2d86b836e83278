/* test_elements.c: the hand-written codec of Elements against protobuf-c. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "beam_model/beam_fn_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "worker/harness/elements.h"

static beamc_slice slice(const char *text) {
    return beamc_str(text);
}

static void check_part(const beamc_elements_part *p, const char *instruction, const char *transform,
                       const char *family, const char *data, bool is_last) {
    cr_assert(beamc_slice_eq(p->instruction_id, slice(instruction)));
    cr_assert(beamc_slice_eq(p->transform_id, slice(transform)));
    cr_assert(beamc_slice_eq(p->family, slice(family != NULL ? family : "")));
    cr_assert(beamc_slice_eq(p->data, slice(data)));
    cr_assert_eq(p->is_timers, family != NULL);
    cr_assert_eq(p->is_last, is_last);
}

static beamc_elements_part next(beamc_cursor *in) {
    beamc_elements_part part;
    bool more;
    cr_assert_eq(beamc__elements_next(in, &part, &more, NULL), BEAMC_OK);
    cr_assert(more);
    return part;
}

static void check_end(beamc_cursor *in) {
    beamc_elements_part part;
    bool more = true;
    cr_assert_eq(beamc__elements_next(in, &part, &more, NULL), BEAMC_OK);
    cr_assert_not(more);
}

/* What protobuf-c packs, with both kinds of parts. */
static void pack(beamc_buf *out) {
    Fn__Elements__Data data[2] = {FN__ELEMENTS__DATA__INIT, FN__ELEMENTS__DATA__INIT};
    data[0].instruction_id = "i-1";
    data[0].transform_id = "source";
    data[0].data = (ProtobufCBinaryData){5, (uint8_t *)"bytes"};
    data[1].instruction_id = "i-2";
    data[1].transform_id = "other";
    data[1].is_last = true;
    Fn__Elements__Timers timers = FN__ELEMENTS__TIMERS__INIT;
    timers.instruction_id = "i-1";
    timers.transform_id = "pardo";
    timers.timer_family_id = "ts-alarm";
    timers.timers = (ProtobufCBinaryData){4, (uint8_t *)"tick"};
    timers.is_last = true;
    Fn__Elements message = FN__ELEMENTS__INIT;
    message.n_data = 2;
    message.data = (Fn__Elements__Data *[]){&data[0], &data[1]};
    message.n_timers = 1;
    message.timers = (Fn__Elements__Timers *[]){&timers};
    beamc__proto_put(out, &message.base);
}

Test(harness_elements, reads_what_protobuf_packs) {
    beamc_buf bytes = {0};
    pack(&bytes);
    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&bytes));
    beamc_elements_part p = next(&in);
    check_part(&p, "i-1", "source", NULL, "bytes", false);
    p = next(&in);
    check_part(&p, "i-2", "other", NULL, "", true);
    p = next(&in);
    check_part(&p, "i-1", "pardo", "ts-alarm", "tick", true);
    check_end(&in);
    beamc_buf_free(&bytes);
}

Test(harness_elements, the_empty_message_has_no_parts) {
    beamc_cursor in = beamc_cursor_of(slice(""));
    check_end(&in);
}

Test(harness_elements, a_cut_message_is_an_error_or_shorter_but_never_read_beyond) {
    beamc_buf bytes = {0};
    pack(&bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        char *copy = malloc(len + (len == 0)); /* AddressSanitizer guards its end */
        memcpy(copy, bytes.ptr, len);
        beamc_cursor in = beamc_cursor_of(beamc_slice_of(copy, len));
        beamc_elements_part part;
        bool more = true;
        size_t parts = 0;
        beamc_status status = BEAMC_OK;
        while (status == BEAMC_OK && more) {
            status = beamc__elements_next(&in, &part, &more, NULL);
            parts += status == BEAMC_OK && more;
        }
        cr_assert_lt(parts, 3);
        free(copy);
    }
    beamc_buf_free(&bytes);
}

Test(harness_elements, unknown_fields_are_skipped_and_the_last_of_two_counts) {
    static const char bytes[] = "\x18\x05"  /* Elements: field 3, varint */
                                "\x0a\x1a"  /* data, 26 bytes */
                                "\x0a\x01x" /* instruction_id "x" ... */
                                "\x0a\x01i" /* ... no, "i" */
                                "\x12\x01t" /* transform_id */
                                "\x59"
                                "12345678" /* field 11, fixed64 */
                                "\x20\x01" /* is_last ... */
                                "\x20\x00" /* ... no */
                                "\x1a\x02"
                                "ab" /* data */
                                "\x65"
                                "1234"; /* Elements: field 12, fixed32 */
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(bytes, sizeof bytes - 1));
    beamc_elements_part p = next(&in);
    check_part(&p, "i", "t", NULL, "ab", false);
    check_end(&in);
}

Test(harness_elements, malformed_bytes) {
    static const beamc_slice bad[] = {
        BEAMC_STR("\x0a"), /* no length */
        BEAMC_STR("\x0a\x05"
                  "abc"),                      /* cut */
        BEAMC_STR("\x0a\xff\xff\xff\xff\x0f"), /* 4 GiB */
        BEAMC_STR("\x0a\x02\x0a\x40"),         /* cut inside */
        BEAMC_STR("\x0b\x0b"),                 /* a group */
        BEAMC_STR("\x0a\x02\x0b\x0c"),         /* a group inside */
        BEAMC_STR("\x02\x00"),                 /* field 0 */
        BEAMC_STR("\x0a\x02\x02\x00"),         /* field 0 inside */
        BEAMC_STR("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        BEAMC_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        beamc_cursor in = beamc_cursor_of(bad[i]);
        beamc_elements_part part;
        bool more;
        beamc_error err = {0};
        cr_assert_eq(beamc__elements_next(&in, &part, &more, &err), BEAMC_INVALID_ARGUMENT,
                     "case %zu", i);
        cr_assert(strstr(err.message, "Elements") != NULL);
    }
}

/* Elements in several pieces of any length, as protobuf-c and as we read them. */
static void check_written(size_t data_len, const char *family) {
    beamc_buf out = {0};
    beamc_buf_put_str(&out, ""); /* a message may begin behind others */
    beamc__elements_put_last(&out, "i", "first", NULL);
    size_t start = out.len;
    size_t header = beamc__elements_begin(&out, "instruction", "transform", family);
    memset(beamc_buf_room(&out, data_len), 'e', data_len);
    out.len += data_len;
    beamc__elements_end(&out, start, header);
    beamc__elements_put_last(&out, "instruction", "transform", family);

    ProtobufCMessage *m;
    cr_assert_eq(beamc__proto_unpack(&fn__elements__descriptor, beamc_buf_slice(&out), &m, NULL),
                 BEAMC_OK);
    const Fn__Elements *e = (const Fn__Elements *)m;
    cr_assert_eq(e->n_data, family != NULL ? 1 : 3);
    cr_assert_eq(e->n_timers, family != NULL ? 2 : 0);
    if (family != NULL) {
        cr_assert_str_eq(e->timers[0]->timer_family_id, family);
        cr_assert_eq(e->timers[0]->timers.len, data_len);
        cr_assert(e->timers[1]->is_last && !e->timers[0]->is_last);
    } else {
        cr_assert_str_eq(e->data[1]->transform_id, "transform");
        cr_assert_eq(e->data[1]->data.len, data_len);
        cr_assert(e->data[2]->is_last && !e->data[1]->is_last);
    }
    beamc__proto_free(m);

    beamc_cursor in = beamc_cursor_of(beamc_buf_slice(&out));
    beamc_elements_part p = next(&in);
    check_part(&p, "i", "first", NULL, "", true);
    p = next(&in);
    cr_assert_eq(p.data.len, data_len);
    p = next(&in);
    check_part(&p, "instruction", "transform", family, "", true);
    check_end(&in);
    beamc_buf_free(&out);
}

Test(harness_elements, what_is_written_is_valid_protobuf) {
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        check_written(lengths[i], NULL);
        check_written(lengths[i], "ts-family");
    }
}
