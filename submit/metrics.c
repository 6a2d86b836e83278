/* metrics.c: the job's metrics at its end, for --metrics_json and the program's report. Committed values where
 * the runner tells them, attempted ones otherwise. */
#include "beam_model/beam_job_api.pb-c.h"
#include "base/wire.h"
#include "program/report.h"
#include "proto/beam_model/unpack.h"
#include "proto/beam_model/urns.h"
#include "submit/submit.h"

static const char *label(const Pipe__MonitoringInfo *info, const char *name) {
    for (size_t i = 0; i < info->n_labels; i++) {
        if (strcmp(info->labels[i]->key, name) == 0) {
            return info->labels[i]->value;
        }
    }
    return "";
}

/* Payloads of metrics.proto: sum_int64 is a varint; distribution_int64 count, sum, min, max. */
static bool decode(const Pipe__MonitoringInfo *info, beamc_report_metric *out) {
    beamc_cursor in = beamc_cursor_of(beamc_slice_of(info->payload.data, info->payload.len));
    uint64_t v[4] = {0};
    if (strcmp(info->urn, BEAMC_URN_METRIC_USER_SUM_INT64) == 0) {
        bool ok = beamc_get_varint(&in, &v[0]);
        out->value = (int64_t)v[0];
        return ok;
    }
    if (strcmp(info->urn, BEAMC_URN_METRIC_USER_DISTRIBUTION_INT64) != 0 ||
        !beamc_get_varint(&in, &v[0])) {
        return false;
    }
    for (size_t i = 1; i < 4 && v[0] > 0; i++) {
        if (!beamc_get_varint(&in, &v[i])) {
            return false;
        }
    }
    out->is_distribution = true;
    out->count = (int64_t)v[0];
    out->sum = (int64_t)v[1];
    out->min = (int64_t)v[2];
    out->max = (int64_t)v[3];
    return true;
}

static void collect(Pipe__MonitoringInfo **infos, size_t count, beamc_run_report *report) {
    for (size_t i = 0; i < count; i++) {
        beamc_report_metric m = {.space = label(infos[i], BEAMC_METRIC_LABEL_NAMESPACE),
                                 .name = label(infos[i], BEAMC_METRIC_LABEL_NAME),
                                 .step = label(infos[i], BEAMC_METRIC_LABEL_TRANSFORM)};
        if (decode(infos[i], &m)) {
            beamc__report_add(report, &m);
        }
    }
}

beamc_status beamc__submit_metrics(beamc_rpc_channel *channel, const char *job_id,
                                   beamc_run_report *report, beamc_error *err) {
    Job__GetJobMetricsRequest request = JOB__GET_JOB_METRICS_REQUEST__INIT;
    request.job_id = (char *)(uintptr_t)job_id;
    beamc_buf buf = {0};
    beamc__proto_put(&buf, &request.base);
    beamc_rpc_msg *reply = NULL;
    ProtobufCMessage *m = NULL;
    beamc_status status = beamc_rpc_unary(channel, BEAMC_JOB_SERVICE "GetJobMetrics",
                                          beamc_buf_slice(&buf), 0, &reply, err);
    beamc_buf_free(&buf);
    if (status == BEAMC_OK) {
        status = beamc__proto_unpack(&job__get_job_metrics_response__descriptor,
                                     beamc_rpc_msg_data(reply), &m, err);
    }
    if (status == BEAMC_OK) {
        const Job__MetricResults *results = ((const Job__GetJobMetricsResponse *)m)->metrics;
        if (results != NULL && results->n_committed > 0) {
            collect(results->committed, results->n_committed, report);
        } else if (results != NULL) {
            collect(results->attempted, results->n_attempted, report);
        }
        beamc__proto_free(m);
    }
    beamc_rpc_msg_unref(reply);
    return status;
}
