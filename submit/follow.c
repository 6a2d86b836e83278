/* follow.c: the job's messages to the terminal, and its states to the end.
 *
 * Some runners send the FAILED state before the text that says why, others behind it: so the stream is
 * read to its end, not to the first terminal state. */
#include <stdio.h>

#include <beamc/log.h>

#include "beam_model/beam_job_api.pb-c.h"
#include "proto/beam_model/unpack.h"
#include "submit/submit.h"

typedef struct follower {
    Job__JobState__Enum state;
    bool terminal;
    char error_text[BEAMC_ERROR_TEXT_MAX];
} follower;

static const char *state_name(Job__JobState__Enum state) {
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(&job__job_state__enum__descriptor, (int)state);
    return v != NULL ? v->name : "UNKNOWN";
}

static bool is_terminal(Job__JobState__Enum state) {
    return state == JOB__JOB_STATE__ENUM__DONE || state == JOB__JOB_STATE__ENUM__FAILED ||
           state == JOB__JOB_STATE__ENUM__CANCELLED || state == JOB__JOB_STATE__ENUM__UPDATED ||
           state == JOB__JOB_STATE__ENUM__DRAINED;
}

/* A stack trace is for the terminal, its last line for the verdict: there Python says what was wrong. */
static void take_error(follower *f, const char *text) {
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '\n') {
        len--;
    }
    const char *last = text + len;
    while (last > text && last[-1] != '\n') {
        last--;
    }
    if (last > text) {
        fprintf(stderr, "job: %.*s\n", (int)(len < 1 << 20 ? len : 1 << 20), text);
    }
    snprintf(f->error_text, sizeof f->error_text, "%.*s", (int)(text + len - last), last);
}

static void take_message(follower *f, const Job__JobMessage *message) {
    if (message->importance >= JOB__JOB_MESSAGE__MESSAGE_IMPORTANCE__JOB_MESSAGE_ERROR) {
        take_error(f, message->message_text);
    } else if (message->importance >= JOB__JOB_MESSAGE__MESSAGE_IMPORTANCE__JOB_MESSAGE_BASIC) {
        fprintf(stderr, "job: %s\n", message->message_text);
    } else {
        BEAMC_LOG_DEBUG(NULL, "job: %s", message->message_text);
    }
}

static beamc_status take(follower *f, beamc_slice bytes, beamc_error *err) {
    ProtobufCMessage *m;
    BEAMC_TRY(beamc__proto_unpack(&job__job_messages_response__descriptor, bytes, &m, err));
    const Job__JobMessagesResponse *response = (const Job__JobMessagesResponse *)m;
    if (response->response_case == JOB__JOB_MESSAGES_RESPONSE__RESPONSE_MESSAGE_RESPONSE) {
        take_message(f, response->message_response);
    } else if (response->response_case == JOB__JOB_MESSAGES_RESPONSE__RESPONSE_STATE_RESPONSE) {
        f->state = response->state_response->state;
        f->terminal = is_terminal(f->state);
        BEAMC_LOG_INFO(NULL, "job state: %s", state_name(f->state));
    }
    beamc__proto_free(m);
    return BEAMC_OK;
}

/* The present state by a call of its own: a message stream may end without having told. */
static beamc_status ask_state(beamc_rpc_channel *channel, const char *job_id, follower *f,
                              beamc_error *err) {
    Job__GetJobStateRequest request = JOB__GET_JOB_STATE_REQUEST__INIT;
    request.job_id = (char *)(uintptr_t)job_id;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &request.base);
    beamc_rpc_msg *reply = NULL;
    beamc_status status = beamc_rpc_unary(channel, BEAMC_JOB_SERVICE "GetState",
                                          beamc_buf_slice(&buf), 0, &reply, err);
    beamc_buf_free(&buf);
    ProtobufCMessage *m = NULL;
    if (status == BEAMC_OK) {
        status = beamc__proto_unpack(&job__job_state_event__descriptor, beamc_rpc_msg_data(reply),
                                     &m, err);
    }
    if (status == BEAMC_OK) {
        f->state = ((const Job__JobStateEvent *)m)->state;
        f->terminal = is_terminal(f->state);
        beamc__proto_free(m);
    }
    beamc_rpc_msg_unref(reply);
    return status;
}

static beamc_status verdict(const follower *f, const char *job_id, beamc_error *err) {
    switch (f->state) {
    case JOB__JOB_STATE__ENUM__DONE:
    case JOB__JOB_STATE__ENUM__DRAINED:
    case JOB__JOB_STATE__ENUM__UPDATED:
        return BEAMC_OK;
    case JOB__JOB_STATE__ENUM__CANCELLED:
        return BEAMC_FAIL(err, CANCELLED, "job %s was cancelled", job_id);
    default:
        return BEAMC_FAIL(err, ABORTED, "job %s ended as %s: %s", job_id, state_name(f->state),
                          f->error_text[0] != '\0' ? f->error_text : "the runner gave no reason");
    }
}

beamc_status beamc__submit_follow(beamc_rpc_channel *channel, const char *job_id,
                                  beamc_error *err) {
    Job__JobMessagesRequest request = JOB__JOB_MESSAGES_REQUEST__INIT;
    request.job_id = (char *)(uintptr_t)job_id;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &request.base);
    beamc_rpc_stream *stream = NULL;
    beamc_status status = beamc_rpc_stream_open_server(
        channel, BEAMC_JOB_SERVICE "GetMessageStream", beamc_buf_slice(&buf), NULL, &stream, err);
    beamc_buf_free(&buf);
    BEAMC_TRY(status);
    follower f = {0};
    for (;;) {
        beamc_rpc_msg *msg;
        status = beamc_rpc_stream_read(stream, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            break;
        }
        status = take(&f, beamc_rpc_msg_data(msg), err);
        beamc_rpc_msg_unref(msg);
        if (status != BEAMC_OK) {
            break;
        }
    }
    beamc_rpc_stream_unref(stream);
    if (f.terminal) {
        return verdict(&f, job_id, err); /* how the stream itself ended does not matter then */
    }
    BEAMC_TRY_CTX(err, status, "message stream of job %s", job_id);
    BEAMC_TRY(ask_state(channel, job_id, &f, err));
    return f.terminal ? verdict(&f, job_id, err)
                      : BEAMC_FAIL(err, UNAVAILABLE,
                                   "the runner ended the message stream of job %s in state %s",
                                   job_id, state_name(f.state));
}
