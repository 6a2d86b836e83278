/* urns.h: every URN and named constant of the Beam model, as string literals.
 *
 * They are the beam_urn, beam_constant, label_props and monitoring_info_spec options of the enum
 * values in these .proto files; protobuf-c keeps no trace of options, hence this table. A name is
 * BEAMC_URN_, a prefix for the enum, and the enum value. tests/proto/compare_descriptors.py holds
 * the header against the official descriptors, so nothing here can be mistyped or forgotten.
 * Plain C: no protobuf types. */
#ifndef BEAMC_BEAM_MODEL_URNS_H
#define BEAMC_BEAM_MODEL_URNS_H

/* Transforms: primitives. */
#define BEAMC_URN_PRIMITIVE_PAR_DO "beam:transform:pardo:v1"
#define BEAMC_URN_PRIMITIVE_FLATTEN "beam:transform:flatten:v1"
#define BEAMC_URN_PRIMITIVE_GROUP_BY_KEY "beam:transform:group_by_key:v1"
#define BEAMC_URN_PRIMITIVE_IMPULSE "beam:transform:impulse:v1"
#define BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS "beam:transform:window_into:v1"
#define BEAMC_URN_PRIMITIVE_TEST_STREAM "beam:transform:teststream:v1"
#define BEAMC_URN_PRIMITIVE_MAP_WINDOWS "beam:transform:map_windows:v1"
#define BEAMC_URN_PRIMITIVE_MERGE_WINDOWS "beam:transform:merge_windows:v1"
#define BEAMC_URN_PRIMITIVE_TO_STRING "beam:transform:to_string:v1"

/* Transforms: deprecated primitives. */
#define BEAMC_URN_DEPRECATED_READ "beam:transform:read:v1"
#define BEAMC_URN_DEPRECATED_CREATE_VIEW "beam:transform:create_view:v1"

/* Transforms: composites that runners know. */
#define BEAMC_URN_COMPOSITE_COMBINE_PER_KEY "beam:transform:combine_per_key:v1"
#define BEAMC_URN_COMPOSITE_COMBINE_GLOBALLY "beam:transform:combine_globally:v1"
#define BEAMC_URN_COMPOSITE_RESHUFFLE "beam:transform:reshuffle:v1"
#define BEAMC_URN_COMPOSITE_WRITE_FILES "beam:transform:write_files:v1"
#define BEAMC_URN_COMPOSITE_PUBSUB_READ "beam:transform:pubsub_read:v1"
#define BEAMC_URN_COMPOSITE_PUBSUB_WRITE "beam:transform:pubsub_write:v1"
#define BEAMC_URN_COMPOSITE_PUBSUB_WRITE_V2 "beam:transform:pubsub_write:v2"
#define BEAMC_URN_COMPOSITE_GROUP_INTO_BATCHES_WITH_SHARDED_KEY                                    \
    "beam:transform:group_into_batches_with_sharded_key:v1"
#define BEAMC_URN_COMPOSITE_REDISTRIBUTE_BY_KEY "beam:transform:redistribute_by_key:v1"
#define BEAMC_URN_COMPOSITE_REDISTRIBUTE_ARBITRARILY "beam:transform:redistribute_arbitrarily:v1"

/* Transforms: the pieces of a lifted combine. */
#define BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE                                     \
    "beam:transform:combine_per_key_precombine:v1"
#define BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS                             \
    "beam:transform:combine_per_key_merge_accumulators:v1"
#define BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS                                \
    "beam:transform:combine_per_key_extract_outputs:v1"
#define BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES                                         \
    "beam:transform:combine_grouped_values:v1"
#define BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS                        \
    "beam:transform:combine_per_key_convert_to_accumulators:v1"

/* Transforms: the pieces of a splittable DoFn. */
#define BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION "beam:transform:sdf_pair_with_restriction:v1"
#define BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS                                        \
    "beam:transform:sdf_split_and_size_restrictions:v1"
#define BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS                            \
    "beam:transform:sdf_process_sized_element_and_restrictions:v1"
#define BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION                                         \
    "beam:transform:sdf_truncate_sized_restrictions:v1"

/* Transforms: the piece of GroupIntoBatches. */
#define BEAMC_URN_GROUP_INTO_BATCHES_COMPONENT_GROUP_INTO_BATCHES                                  \
    "beam:transform:group_into_batches:v1"

/* Transforms: the ends of a bundle descriptor. */
#define BEAMC_URN_RUNNER_DATA_SOURCE "beam:runner:source:v1"
#define BEAMC_URN_RUNNER_DATA_SINK "beam:runner:sink:v1"

/* Coders. */
#define BEAMC_URN_CODER_BYTES "beam:coder:bytes:v1"
#define BEAMC_URN_CODER_STRING_UTF8 "beam:coder:string_utf8:v1"
#define BEAMC_URN_CODER_KV "beam:coder:kv:v1"
#define BEAMC_URN_CODER_BOOL "beam:coder:bool:v1"
#define BEAMC_URN_CODER_VARINT "beam:coder:varint:v1"
#define BEAMC_URN_CODER_DOUBLE "beam:coder:double:v1"
#define BEAMC_URN_CODER_ITERABLE "beam:coder:iterable:v1"
#define BEAMC_URN_CODER_TIMER "beam:coder:timer:v1"
#define BEAMC_URN_CODER_INTERVAL_WINDOW "beam:coder:interval_window:v1"
#define BEAMC_URN_CODER_LENGTH_PREFIX "beam:coder:length_prefix:v1"
#define BEAMC_URN_CODER_GLOBAL_WINDOW "beam:coder:global_window:v1"
#define BEAMC_URN_CODER_WINDOWED_VALUE "beam:coder:windowed_value:v1"
#define BEAMC_URN_CODER_PARAM_WINDOWED_VALUE "beam:coder:param_windowed_value:v1"
#define BEAMC_URN_CODER_STATE_BACKED_ITERABLE "beam:coder:state_backed_iterable:v1"
#define BEAMC_URN_CODER_CUSTOM_WINDOW "beam:coder:custom_window:v1"
#define BEAMC_URN_CODER_ROW "beam:coder:row:v1"
#define BEAMC_URN_CODER_SCHEMA "beam:coder:schema:v1"
#define BEAMC_URN_CODER_SHARDED_KEY "beam:coder:sharded_key:v1"
#define BEAMC_URN_CODER_NULLABLE "beam:coder:nullable:v1"

/* Side inputs: access patterns. */
#define BEAMC_URN_SIDE_INPUT_ITERABLE "beam:side_input:iterable:v1"
#define BEAMC_URN_SIDE_INPUT_MULTIMAP "beam:side_input:multimap:v1"

/* User state: StateSpec.protocol. */
#define BEAMC_URN_USER_STATE_BAG "beam:user_state:bag:v1"
#define BEAMC_URN_USER_STATE_MULTIMAP "beam:user_state:multimap:v1"
#define BEAMC_URN_USER_STATE_ORDERED_LIST "beam:user_state:ordered_list:v1"

/* Window functions. */
#define BEAMC_URN_GLOBAL_WINDOWS "beam:window_fn:global_windows:v1"
#define BEAMC_URN_FIXED_WINDOWS "beam:window_fn:fixed_windows:v1"
#define BEAMC_URN_SLIDING_WINDOWS "beam:window_fn:sliding_windows:v1"
#define BEAMC_URN_SESSION_WINDOWS "beam:window_fn:session_windows:v1"

/* Environments. */
#define BEAMC_URN_ENVIRONMENT_DOCKER "beam:env:docker:v1"
#define BEAMC_URN_ENVIRONMENT_PROCESS "beam:env:process:v1"
#define BEAMC_URN_ENVIRONMENT_EXTERNAL "beam:env:external:v1"
#define BEAMC_URN_ENVIRONMENT_DEFAULT "beam:env:default:v1"
#define BEAMC_URN_ENVIRONMENT_ANYOF "beam:env:anyof:v1"

/* Artifacts. */
#define BEAMC_URN_ARTIFACT_TYPE_FILE "beam:artifact:type:file:v1"
#define BEAMC_URN_ARTIFACT_TYPE_URL "beam:artifact:type:url:v1"
#define BEAMC_URN_ARTIFACT_TYPE_EMBEDDED "beam:artifact:type:embedded:v1"
#define BEAMC_URN_ARTIFACT_TYPE_PYPI "beam:artifact:type:pypi:v1"
#define BEAMC_URN_ARTIFACT_TYPE_MAVEN "beam:artifact:type:maven:v1"
#define BEAMC_URN_ARTIFACT_TYPE_DEFERRED "beam:artifact:type:deferred:v1"
#define BEAMC_URN_ARTIFACT_ROLE_STAGING_TO "beam:artifact:role:staging_to:v1"
#define BEAMC_URN_ARTIFACT_ROLE_PIP_REQUIREMENTS_FILE "beam:artifact:role:pip_requirements_file:v1"
#define BEAMC_URN_ARTIFACT_ROLE_GO_WORKER_BINARY "beam:artifact:role:go_worker_binary:v1"

/* Capabilities of an SDK. */
#define BEAMC_URN_PROTOCOL_LEGACY_PROGRESS_REPORTING "beam:protocol:progress_reporting:v0"
#define BEAMC_URN_PROTOCOL_PROGRESS_REPORTING "beam:protocol:progress_reporting:v1"
#define BEAMC_URN_PROTOCOL_WORKER_STATUS "beam:protocol:worker_status:v1"
#define BEAMC_URN_PROTOCOL_MULTI_CORE_BUNDLE_PROCESSING                                            \
    "beam:protocol:multi_core_bundle_processing:v1"
#define BEAMC_URN_PROTOCOL_SIBLING_WORKERS "beam:protocol:sibling_workers:v1"
#define BEAMC_URN_PROTOCOL_HARNESS_MONITORING_INFOS "beam:protocol:harness_monitoring_infos:v1"
#define BEAMC_URN_PROTOCOL_CONTROL_REQUEST_ELEMENTS_EMBEDDING                                      \
    "beam:protocol:control_request_elements_embedding:v1"
#define BEAMC_URN_PROTOCOL_STATE_CACHING "beam:protocol:state_caching:v1"
#define BEAMC_URN_PROTOCOL_DATA_SAMPLING "beam:protocol:data_sampling:v1"
#define BEAMC_URN_PROTOCOL_SDK_CONSUMING_RECEIVED_DATA                                             \
    "beam:protocol:sdk_consuming_received_data:v1"
#define BEAMC_URN_PROTOCOL_ORDERED_LIST_STATE "beam:protocol:ordered_list_state:v1"
#define BEAMC_URN_PROTOCOL_ELEMENT_METADATA "beam:protocol:element_metadata:v1"
#define BEAMC_URN_PROTOCOL_MULTIMAP_STATE "beam:protocol:multimap_state:v1"
#define BEAMC_URN_PROTOCOL_NAMED_DATA_STREAMS "beam:protocol:named_data_streams:v1"

/* Capabilities of a runner. */
#define BEAMC_URN_RUNNER_PROTOCOL_MONITORING_INFO_SHORT_IDS                                        \
    "beam:protocol:monitoring_info_short_ids:v1"
#define BEAMC_URN_RUNNER_PROTOCOL_CONTROL_RESPONSE_ELEMENTS_EMBEDDING                              \
    "beam:protocol:control_response_elements_embedding:v1"
#define BEAMC_URN_RUNNER_PROTOCOL_MULTIMAP_KEYS_VALUES_SIDE_INPUT                                  \
    "beam:protocol:multimap_keys_values_side_input:v1"

/* What a pipeline requires. */
#define BEAMC_URN_REQUIREMENT_REQUIRES_STATEFUL_PROCESSING "beam:requirement:pardo:stateful:v1"
#define BEAMC_URN_REQUIREMENT_REQUIRES_BUNDLE_FINALIZATION "beam:requirement:pardo:finalization:v1"
#define BEAMC_URN_REQUIREMENT_REQUIRES_STABLE_INPUT "beam:requirement:pardo:stable_input:v1"
#define BEAMC_URN_REQUIREMENT_REQUIRES_TIME_SORTED_INPUT                                           \
    "beam:requirement:pardo:time_sorted_input:v1"
#define BEAMC_URN_REQUIREMENT_REQUIRES_SPLITTABLE_DOFN "beam:requirement:pardo:splittable_dofn:v1"
#define BEAMC_URN_REQUIREMENT_REQUIRES_ON_WINDOW_EXPIRATION                                        \
    "beam:requirement:pardo:on_window_expiration:v1"

/* Resource hints. */
#define BEAMC_URN_RESOURCE_HINT_ACCELERATOR "beam:resources:accelerator:v1"
#define BEAMC_URN_RESOURCE_HINT_MIN_RAM_BYTES "beam:resources:min_ram_bytes:v1"
#define BEAMC_URN_RESOURCE_HINT_CPU_COUNT "beam:resources:cpu_count:v1"
#define BEAMC_URN_RESOURCE_HINT_MAX_ACTIVE_BUNDLES_PER_WORKER                                      \
    "beam:resources:max_active_bundles_per_worker:v1"

/* Display data. */
#define BEAMC_URN_DISPLAY_DATA_LABELLED "beam:display_data:labelled:v1"

/* Logical types of schemas. */
#define BEAMC_URN_LOGICAL_TYPE_PYTHON_CALLABLE "beam:logical_type:python_callable:v1"
#define BEAMC_URN_LOGICAL_TYPE_MICROS_INSTANT "beam:logical_type:micros_instant:v1"
#define BEAMC_URN_LOGICAL_TYPE_MILLIS_INSTANT "beam:logical_type:millis_instant:v1"
#define BEAMC_URN_LOGICAL_TYPE_DECIMAL "beam:logical_type:decimal:v1"
#define BEAMC_URN_LOGICAL_TYPE_FIXED_BYTES "beam:logical_type:fixed_bytes:v1"
#define BEAMC_URN_LOGICAL_TYPE_VAR_BYTES "beam:logical_type:var_bytes:v1"
#define BEAMC_URN_LOGICAL_TYPE_FIXED_CHAR "beam:logical_type:fixed_char:v1"
#define BEAMC_URN_LOGICAL_TYPE_VAR_CHAR "beam:logical_type:var_char:v1"
#define BEAMC_URN_LOGICAL_TYPE_DATE "beam:logical_type:date:v1"
#define BEAMC_URN_LOGICAL_TYPE_TIMESTAMP "beam:logical_type:timestamp:v1"

/* Metrics: encodings of MonitoringInfo.payload. */
#define BEAMC_URN_METRIC_TYPE_SUM_INT64 "beam:metrics:sum_int64:v1"
#define BEAMC_URN_METRIC_TYPE_SUM_DOUBLE "beam:metrics:sum_double:v1"
#define BEAMC_URN_METRIC_TYPE_DISTRIBUTION_INT64 "beam:metrics:distribution_int64:v1"
#define BEAMC_URN_METRIC_TYPE_DISTRIBUTION_DOUBLE "beam:metrics:distribution_double:v1"
#define BEAMC_URN_METRIC_TYPE_LATEST_INT64 "beam:metrics:latest_int64:v1"
#define BEAMC_URN_METRIC_TYPE_LATEST_DOUBLE "beam:metrics:latest_double:v1"
#define BEAMC_URN_METRIC_TYPE_TOP_N_INT64 "beam:metrics:top_n_int64:v1"
#define BEAMC_URN_METRIC_TYPE_TOP_N_DOUBLE "beam:metrics:top_n_double:v1"
#define BEAMC_URN_METRIC_TYPE_BOTTOM_N_INT64 "beam:metrics:bottom_n_int64:v1"
#define BEAMC_URN_METRIC_TYPE_BOTTOM_N_DOUBLE "beam:metrics:bottom_n_double:v1"
#define BEAMC_URN_METRIC_TYPE_PROGRESS "beam:metrics:progress:v1"
#define BEAMC_URN_METRIC_TYPE_SET_STRING "beam:metrics:set_string:v1"
#define BEAMC_URN_METRIC_TYPE_BOUNDED_TRIE "beam:metrics:bounded_trie:v1"
#define BEAMC_URN_METRIC_TYPE_HISTOGRAM "beam:metrics:histogram_int64:v1"

/* Metrics: what is measured. */
#define BEAMC_URN_METRIC_USER_SUM_INT64 "beam:metric:user:sum_int64:v1"
#define BEAMC_URN_METRIC_USER_SUM_DOUBLE "beam:metric:user:sum_double:v1"
#define BEAMC_URN_METRIC_USER_DISTRIBUTION_INT64 "beam:metric:user:distribution_int64:v1"
#define BEAMC_URN_METRIC_USER_DISTRIBUTION_DOUBLE "beam:metric:user:distribution_double:v1"
#define BEAMC_URN_METRIC_USER_LATEST_INT64 "beam:metric:user:latest_int64:v1"
#define BEAMC_URN_METRIC_USER_LATEST_DOUBLE "beam:metric:user:latest_double:v1"
#define BEAMC_URN_METRIC_USER_TOP_N_INT64 "beam:metric:user:top_n_int64:v1"
#define BEAMC_URN_METRIC_USER_TOP_N_DOUBLE "beam:metric:user:top_n_double:v1"
#define BEAMC_URN_METRIC_USER_BOTTOM_N_INT64 "beam:metric:user:bottom_n_int64:v1"
#define BEAMC_URN_METRIC_USER_BOTTOM_N_DOUBLE "beam:metric:user:bottom_n_double:v1"
#define BEAMC_URN_METRIC_USER_SET_STRING "beam:metric:user:set_string:v1"
#define BEAMC_URN_METRIC_USER_BOUNDED_TRIE "beam:metric:user:bounded_trie:v1"
#define BEAMC_URN_METRIC_ELEMENT_COUNT "beam:metric:element_count:v1"
#define BEAMC_URN_METRIC_SAMPLED_BYTE_SIZE "beam:metric:sampled_byte_size:v1"
#define BEAMC_URN_METRIC_START_BUNDLE_MSECS "beam:metric:pardo_execution_time:start_bundle_msecs:v1"
#define BEAMC_URN_METRIC_PROCESS_BUNDLE_MSECS                                                      \
    "beam:metric:pardo_execution_time:process_bundle_msecs:v1"
#define BEAMC_URN_METRIC_FINISH_BUNDLE_MSECS                                                       \
    "beam:metric:pardo_execution_time:finish_bundle_msecs:v1"
#define BEAMC_URN_METRIC_TOTAL_MSECS "beam:metric:ptransform_execution_time:total_msecs:v1"
#define BEAMC_URN_METRIC_WORK_REMAINING "beam:metric:ptransform_progress:remaining:v1"
#define BEAMC_URN_METRIC_WORK_COMPLETED "beam:metric:ptransform_progress:completed:v1"
#define BEAMC_URN_METRIC_DATA_CHANNEL_READ_INDEX "beam:metric:data_channel:read_index:v1"
#define BEAMC_URN_METRIC_API_REQUEST_COUNT "beam:metric:io:api_request_count:v1"
#define BEAMC_URN_METRIC_API_REQUEST_LATENCIES "beam:metric:io:api_request_latencies:v1"
#define BEAMC_URN_METRIC_USER_HISTOGRAM "beam:metric:user:histogram_int64:v1"

/* Metrics: keys of MonitoringInfo.labels. */
#define BEAMC_METRIC_LABEL_TRANSFORM "PTRANSFORM"
#define BEAMC_METRIC_LABEL_PCOLLECTION "PCOLLECTION"
#define BEAMC_METRIC_LABEL_WINDOWING_STRATEGY "WINDOWING_STRATEGY"
#define BEAMC_METRIC_LABEL_CODER "CODER"
#define BEAMC_METRIC_LABEL_ENVIRONMENT "ENVIRONMENT"
#define BEAMC_METRIC_LABEL_NAMESPACE "NAMESPACE"
#define BEAMC_METRIC_LABEL_NAME "NAME"
#define BEAMC_METRIC_LABEL_SERVICE "SERVICE"
#define BEAMC_METRIC_LABEL_METHOD "METHOD"
#define BEAMC_METRIC_LABEL_RESOURCE "RESOURCE"
#define BEAMC_METRIC_LABEL_STATUS "STATUS"
#define BEAMC_METRIC_LABEL_BIGQUERY_PROJECT_ID "BIGQUERY_PROJECT_ID"
#define BEAMC_METRIC_LABEL_BIGQUERY_DATASET "BIGQUERY_DATASET"
#define BEAMC_METRIC_LABEL_BIGQUERY_TABLE "BIGQUERY_TABLE"
#define BEAMC_METRIC_LABEL_BIGQUERY_VIEW "BIGQUERY_VIEW"
#define BEAMC_METRIC_LABEL_BIGQUERY_QUERY_NAME "BIGQUERY_QUERY_NAME"
#define BEAMC_METRIC_LABEL_GCS_BUCKET "GCS_BUCKET"
#define BEAMC_METRIC_LABEL_GCS_PROJECT_ID "GCS_PROJECT_ID"
#define BEAMC_METRIC_LABEL_DATASTORE_PROJECT "DATASTORE_PROJECT"
#define BEAMC_METRIC_LABEL_DATASTORE_NAMESPACE "DATASTORE_NAMESPACE"
#define BEAMC_METRIC_LABEL_BIGTABLE_PROJECT_ID "BIGTABLE_PROJECT_ID"
#define BEAMC_METRIC_LABEL_INSTANCE_ID "INSTANCE_ID"
#define BEAMC_METRIC_LABEL_TABLE_ID "TABLE_ID"
#define BEAMC_METRIC_LABEL_SPANNER_PROJECT_ID "SPANNER_PROJECT_ID"
#define BEAMC_METRIC_LABEL_SPANNER_DATABASE_ID "SPANNER_DATABASE_ID"
#define BEAMC_METRIC_LABEL_SPANNER_TABLE_ID "SPANNER_TABLE_ID"
#define BEAMC_METRIC_LABEL_SPANNER_INSTANCE_ID "SPANNER_INSTANCE_ID"
#define BEAMC_METRIC_LABEL_SPANNER_QUERY_NAME "SPANNER_QUERY_NAME"
#define BEAMC_METRIC_LABEL_PER_WORKER_METRIC "PER_WORKER_METRIC"

/* Cross-language expansion. */
#define BEAMC_URN_EXPANSION_METHOD_JAVA_CLASS_LOOKUP "beam:expansion:payload:java_class_lookup:v1"
#define BEAMC_URN_EXPANSION_METHOD_SCHEMA_TRANSFORM "beam:expansion:payload:schematransform:v1"
#define BEAMC_URN_MANAGED_ICEBERG_READ "beam:schematransform:org.apache.beam:iceberg_read:v1"
#define BEAMC_URN_MANAGED_ICEBERG_WRITE "beam:schematransform:org.apache.beam:iceberg_write:v1"
#define BEAMC_URN_MANAGED_KAFKA_READ "beam:schematransform:org.apache.beam:kafka_read:v1"
#define BEAMC_URN_MANAGED_KAFKA_WRITE "beam:schematransform:org.apache.beam:kafka_write:v1"
#define BEAMC_URN_MANAGED_BIGQUERY_READ                                                            \
    "beam:schematransform:org.apache.beam:bigquery_storage_read:v1"
#define BEAMC_URN_MANAGED_BIGQUERY_WRITE "beam:schematransform:org.apache.beam:bigquery_write:v1"
#define BEAMC_URN_MANAGED_ICEBERG_CDC_READ                                                         \
    "beam:schematransform:org.apache.beam:iceberg_cdc_read:v1"
#define BEAMC_URN_MANAGED_POSTGRES_READ "beam:schematransform:org.apache.beam:postgres_read:v1"
#define BEAMC_URN_MANAGED_POSTGRES_WRITE "beam:schematransform:org.apache.beam:postgres_write:v1"
#define BEAMC_URN_MANAGED_MYSQL_READ "beam:schematransform:org.apache.beam:mysql_read:v1"
#define BEAMC_URN_MANAGED_MYSQL_WRITE "beam:schematransform:org.apache.beam:mysql_write:v1"
#define BEAMC_URN_MANAGED_SQL_SERVER_READ "beam:schematransform:org.apache.beam:sql_server_read:v1"
#define BEAMC_URN_MANAGED_SQL_SERVER_WRITE                                                         \
    "beam:schematransform:org.apache.beam:sql_server_write:v1"
#define BEAMC_URN_MANAGED_DELTA_LAKE_READ "beam:schematransform:org.apache.beam:delta_lake_read:v1"
#define BEAMC_URN_MANAGED_DELTA_LAKE_CDC_READ                                                      \
    "beam:schematransform:org.apache.beam:delta_lake_cdc_read:v1"

/* Keys of PTransform.annotations. */
#define BEAMC_ANNOTATION_CONFIG_ROW_KEY "config_row"
#define BEAMC_ANNOTATION_CONFIG_ROW_SCHEMA_KEY "config_row_schema"
#define BEAMC_ANNOTATION_SCHEMATRANSFORM_URN_KEY "schematransform_urn"
#define BEAMC_ANNOTATION_MANAGED_UNDERLYING_TRANSFORM_URN_KEY "managed_underlying_transform_urn"

/* Event time bounds, in milliseconds. */
#define BEAMC_CONSTANT_MIN_TIMESTAMP_MILLIS "-9223372036854775"
#define BEAMC_CONSTANT_MAX_TIMESTAMP_MILLIS "9223372036854775"
#define BEAMC_CONSTANT_GLOBAL_WINDOW_MAX_TIMESTAMP_MILLIS "9223371950454775"

/* Artifact staging. */
#define BEAMC_CONSTANT_NO_ARTIFACTS_STAGED_TOKEN "__no_artifacts_staged__"

/* All of them: #define X(name) {#name, name}, */
/* clang-format off */
#define BEAMC_URNS(X)                                                                              \
    X(BEAMC_URN_PRIMITIVE_PAR_DO)                                                                  \
    X(BEAMC_URN_PRIMITIVE_FLATTEN)                                                                 \
    X(BEAMC_URN_PRIMITIVE_GROUP_BY_KEY)                                                            \
    X(BEAMC_URN_PRIMITIVE_IMPULSE)                                                                 \
    X(BEAMC_URN_PRIMITIVE_ASSIGN_WINDOWS)                                                          \
    X(BEAMC_URN_PRIMITIVE_TEST_STREAM)                                                             \
    X(BEAMC_URN_PRIMITIVE_MAP_WINDOWS)                                                             \
    X(BEAMC_URN_PRIMITIVE_MERGE_WINDOWS)                                                           \
    X(BEAMC_URN_PRIMITIVE_TO_STRING)                                                               \
    X(BEAMC_URN_DEPRECATED_READ)                                                                   \
    X(BEAMC_URN_DEPRECATED_CREATE_VIEW)                                                            \
    X(BEAMC_URN_COMPOSITE_COMBINE_PER_KEY)                                                         \
    X(BEAMC_URN_COMPOSITE_COMBINE_GLOBALLY)                                                        \
    X(BEAMC_URN_COMPOSITE_RESHUFFLE)                                                               \
    X(BEAMC_URN_COMPOSITE_WRITE_FILES)                                                             \
    X(BEAMC_URN_COMPOSITE_PUBSUB_READ)                                                             \
    X(BEAMC_URN_COMPOSITE_PUBSUB_WRITE)                                                            \
    X(BEAMC_URN_COMPOSITE_PUBSUB_WRITE_V2)                                                         \
    X(BEAMC_URN_COMPOSITE_GROUP_INTO_BATCHES_WITH_SHARDED_KEY)                                     \
    X(BEAMC_URN_COMPOSITE_REDISTRIBUTE_BY_KEY)                                                     \
    X(BEAMC_URN_COMPOSITE_REDISTRIBUTE_ARBITRARILY)                                                \
    X(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_PRECOMBINE)                                      \
    X(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_MERGE_ACCUMULATORS)                              \
    X(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_EXTRACT_OUTPUTS)                                 \
    X(BEAMC_URN_COMBINE_COMPONENT_COMBINE_GROUPED_VALUES)                                          \
    X(BEAMC_URN_COMBINE_COMPONENT_COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS)                         \
    X(BEAMC_URN_SDF_COMPONENT_PAIR_WITH_RESTRICTION)                                               \
    X(BEAMC_URN_SDF_COMPONENT_SPLIT_AND_SIZE_RESTRICTIONS)                                         \
    X(BEAMC_URN_SDF_COMPONENT_PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS)                             \
    X(BEAMC_URN_SDF_COMPONENT_TRUNCATE_SIZED_RESTRICTION)                                          \
    X(BEAMC_URN_GROUP_INTO_BATCHES_COMPONENT_GROUP_INTO_BATCHES)                                   \
    X(BEAMC_URN_RUNNER_DATA_SOURCE)                                                                \
    X(BEAMC_URN_RUNNER_DATA_SINK)                                                                  \
    X(BEAMC_URN_CODER_BYTES)                                                                       \
    X(BEAMC_URN_CODER_STRING_UTF8)                                                                 \
    X(BEAMC_URN_CODER_KV)                                                                          \
    X(BEAMC_URN_CODER_BOOL)                                                                        \
    X(BEAMC_URN_CODER_VARINT)                                                                      \
    X(BEAMC_URN_CODER_DOUBLE)                                                                      \
    X(BEAMC_URN_CODER_ITERABLE)                                                                    \
    X(BEAMC_URN_CODER_TIMER)                                                                       \
    X(BEAMC_URN_CODER_INTERVAL_WINDOW)                                                             \
    X(BEAMC_URN_CODER_LENGTH_PREFIX)                                                               \
    X(BEAMC_URN_CODER_GLOBAL_WINDOW)                                                               \
    X(BEAMC_URN_CODER_WINDOWED_VALUE)                                                              \
    X(BEAMC_URN_CODER_PARAM_WINDOWED_VALUE)                                                        \
    X(BEAMC_URN_CODER_STATE_BACKED_ITERABLE)                                                       \
    X(BEAMC_URN_CODER_CUSTOM_WINDOW)                                                               \
    X(BEAMC_URN_CODER_ROW)                                                                         \
    X(BEAMC_URN_CODER_SCHEMA)                                                                      \
    X(BEAMC_URN_CODER_SHARDED_KEY)                                                                 \
    X(BEAMC_URN_CODER_NULLABLE)                                                                    \
    X(BEAMC_URN_SIDE_INPUT_ITERABLE)                                                               \
    X(BEAMC_URN_SIDE_INPUT_MULTIMAP)                                                               \
    X(BEAMC_URN_USER_STATE_BAG)                                                                    \
    X(BEAMC_URN_USER_STATE_MULTIMAP)                                                               \
    X(BEAMC_URN_USER_STATE_ORDERED_LIST)                                                           \
    X(BEAMC_URN_GLOBAL_WINDOWS)                                                                    \
    X(BEAMC_URN_FIXED_WINDOWS)                                                                     \
    X(BEAMC_URN_SLIDING_WINDOWS)                                                                   \
    X(BEAMC_URN_SESSION_WINDOWS)                                                                   \
    X(BEAMC_URN_ENVIRONMENT_DOCKER)                                                                \
    X(BEAMC_URN_ENVIRONMENT_PROCESS)                                                               \
    X(BEAMC_URN_ENVIRONMENT_EXTERNAL)                                                              \
    X(BEAMC_URN_ENVIRONMENT_DEFAULT)                                                               \
    X(BEAMC_URN_ENVIRONMENT_ANYOF)                                                                 \
    X(BEAMC_URN_ARTIFACT_TYPE_FILE)                                                                \
    X(BEAMC_URN_ARTIFACT_TYPE_URL)                                                                 \
    X(BEAMC_URN_ARTIFACT_TYPE_EMBEDDED)                                                            \
    X(BEAMC_URN_ARTIFACT_TYPE_PYPI)                                                                \
    X(BEAMC_URN_ARTIFACT_TYPE_MAVEN)                                                               \
    X(BEAMC_URN_ARTIFACT_TYPE_DEFERRED)                                                            \
    X(BEAMC_URN_ARTIFACT_ROLE_STAGING_TO)                                                          \
    X(BEAMC_URN_ARTIFACT_ROLE_PIP_REQUIREMENTS_FILE)                                               \
    X(BEAMC_URN_ARTIFACT_ROLE_GO_WORKER_BINARY)                                                    \
    X(BEAMC_URN_PROTOCOL_LEGACY_PROGRESS_REPORTING)                                                \
    X(BEAMC_URN_PROTOCOL_PROGRESS_REPORTING)                                                       \
    X(BEAMC_URN_PROTOCOL_WORKER_STATUS)                                                            \
    X(BEAMC_URN_PROTOCOL_MULTI_CORE_BUNDLE_PROCESSING)                                             \
    X(BEAMC_URN_PROTOCOL_SIBLING_WORKERS)                                                          \
    X(BEAMC_URN_PROTOCOL_HARNESS_MONITORING_INFOS)                                                 \
    X(BEAMC_URN_PROTOCOL_CONTROL_REQUEST_ELEMENTS_EMBEDDING)                                       \
    X(BEAMC_URN_PROTOCOL_STATE_CACHING)                                                            \
    X(BEAMC_URN_PROTOCOL_DATA_SAMPLING)                                                            \
    X(BEAMC_URN_PROTOCOL_SDK_CONSUMING_RECEIVED_DATA)                                              \
    X(BEAMC_URN_PROTOCOL_ORDERED_LIST_STATE)                                                       \
    X(BEAMC_URN_PROTOCOL_ELEMENT_METADATA)                                                         \
    X(BEAMC_URN_PROTOCOL_MULTIMAP_STATE)                                                           \
    X(BEAMC_URN_PROTOCOL_NAMED_DATA_STREAMS)                                                       \
    X(BEAMC_URN_RUNNER_PROTOCOL_MONITORING_INFO_SHORT_IDS)                                         \
    X(BEAMC_URN_RUNNER_PROTOCOL_CONTROL_RESPONSE_ELEMENTS_EMBEDDING)                               \
    X(BEAMC_URN_RUNNER_PROTOCOL_MULTIMAP_KEYS_VALUES_SIDE_INPUT)                                   \
    X(BEAMC_URN_REQUIREMENT_REQUIRES_STATEFUL_PROCESSING)                                          \
    X(BEAMC_URN_REQUIREMENT_REQUIRES_BUNDLE_FINALIZATION)                                          \
    X(BEAMC_URN_REQUIREMENT_REQUIRES_STABLE_INPUT)                                                 \
    X(BEAMC_URN_REQUIREMENT_REQUIRES_TIME_SORTED_INPUT)                                            \
    X(BEAMC_URN_REQUIREMENT_REQUIRES_SPLITTABLE_DOFN)                                              \
    X(BEAMC_URN_REQUIREMENT_REQUIRES_ON_WINDOW_EXPIRATION)                                         \
    X(BEAMC_URN_RESOURCE_HINT_ACCELERATOR)                                                         \
    X(BEAMC_URN_RESOURCE_HINT_MIN_RAM_BYTES)                                                       \
    X(BEAMC_URN_RESOURCE_HINT_CPU_COUNT)                                                           \
    X(BEAMC_URN_RESOURCE_HINT_MAX_ACTIVE_BUNDLES_PER_WORKER)                                       \
    X(BEAMC_URN_DISPLAY_DATA_LABELLED)                                                             \
    X(BEAMC_URN_LOGICAL_TYPE_PYTHON_CALLABLE)                                                      \
    X(BEAMC_URN_LOGICAL_TYPE_MICROS_INSTANT)                                                       \
    X(BEAMC_URN_LOGICAL_TYPE_MILLIS_INSTANT)                                                       \
    X(BEAMC_URN_LOGICAL_TYPE_DECIMAL)                                                              \
    X(BEAMC_URN_LOGICAL_TYPE_FIXED_BYTES)                                                          \
    X(BEAMC_URN_LOGICAL_TYPE_VAR_BYTES)                                                            \
    X(BEAMC_URN_LOGICAL_TYPE_FIXED_CHAR)                                                           \
    X(BEAMC_URN_LOGICAL_TYPE_VAR_CHAR)                                                             \
    X(BEAMC_URN_LOGICAL_TYPE_DATE)                                                                 \
    X(BEAMC_URN_LOGICAL_TYPE_TIMESTAMP)                                                            \
    X(BEAMC_URN_METRIC_TYPE_SUM_INT64)                                                             \
    X(BEAMC_URN_METRIC_TYPE_SUM_DOUBLE)                                                            \
    X(BEAMC_URN_METRIC_TYPE_DISTRIBUTION_INT64)                                                    \
    X(BEAMC_URN_METRIC_TYPE_DISTRIBUTION_DOUBLE)                                                   \
    X(BEAMC_URN_METRIC_TYPE_LATEST_INT64)                                                          \
    X(BEAMC_URN_METRIC_TYPE_LATEST_DOUBLE)                                                         \
    X(BEAMC_URN_METRIC_TYPE_TOP_N_INT64)                                                           \
    X(BEAMC_URN_METRIC_TYPE_TOP_N_DOUBLE)                                                          \
    X(BEAMC_URN_METRIC_TYPE_BOTTOM_N_INT64)                                                        \
    X(BEAMC_URN_METRIC_TYPE_BOTTOM_N_DOUBLE)                                                       \
    X(BEAMC_URN_METRIC_TYPE_PROGRESS)                                                              \
    X(BEAMC_URN_METRIC_TYPE_SET_STRING)                                                            \
    X(BEAMC_URN_METRIC_TYPE_BOUNDED_TRIE)                                                          \
    X(BEAMC_URN_METRIC_TYPE_HISTOGRAM)                                                             \
    X(BEAMC_URN_METRIC_USER_SUM_INT64)                                                             \
    X(BEAMC_URN_METRIC_USER_SUM_DOUBLE)                                                            \
    X(BEAMC_URN_METRIC_USER_DISTRIBUTION_INT64)                                                    \
    X(BEAMC_URN_METRIC_USER_DISTRIBUTION_DOUBLE)                                                   \
    X(BEAMC_URN_METRIC_USER_LATEST_INT64)                                                          \
    X(BEAMC_URN_METRIC_USER_LATEST_DOUBLE)                                                         \
    X(BEAMC_URN_METRIC_USER_TOP_N_INT64)                                                           \
    X(BEAMC_URN_METRIC_USER_TOP_N_DOUBLE)                                                          \
    X(BEAMC_URN_METRIC_USER_BOTTOM_N_INT64)                                                        \
    X(BEAMC_URN_METRIC_USER_BOTTOM_N_DOUBLE)                                                       \
    X(BEAMC_URN_METRIC_USER_SET_STRING)                                                            \
    X(BEAMC_URN_METRIC_USER_BOUNDED_TRIE)                                                          \
    X(BEAMC_URN_METRIC_ELEMENT_COUNT)                                                              \
    X(BEAMC_URN_METRIC_SAMPLED_BYTE_SIZE)                                                          \
    X(BEAMC_URN_METRIC_START_BUNDLE_MSECS)                                                         \
    X(BEAMC_URN_METRIC_PROCESS_BUNDLE_MSECS)                                                       \
    X(BEAMC_URN_METRIC_FINISH_BUNDLE_MSECS)                                                        \
    X(BEAMC_URN_METRIC_TOTAL_MSECS)                                                                \
    X(BEAMC_URN_METRIC_WORK_REMAINING)                                                             \
    X(BEAMC_URN_METRIC_WORK_COMPLETED)                                                             \
    X(BEAMC_URN_METRIC_DATA_CHANNEL_READ_INDEX)                                                    \
    X(BEAMC_URN_METRIC_API_REQUEST_COUNT)                                                          \
    X(BEAMC_URN_METRIC_API_REQUEST_LATENCIES)                                                      \
    X(BEAMC_URN_METRIC_USER_HISTOGRAM)                                                             \
    X(BEAMC_METRIC_LABEL_TRANSFORM)                                                                \
    X(BEAMC_METRIC_LABEL_PCOLLECTION)                                                              \
    X(BEAMC_METRIC_LABEL_WINDOWING_STRATEGY)                                                       \
    X(BEAMC_METRIC_LABEL_CODER)                                                                    \
    X(BEAMC_METRIC_LABEL_ENVIRONMENT)                                                              \
    X(BEAMC_METRIC_LABEL_NAMESPACE)                                                                \
    X(BEAMC_METRIC_LABEL_NAME)                                                                     \
    X(BEAMC_METRIC_LABEL_SERVICE)                                                                  \
    X(BEAMC_METRIC_LABEL_METHOD)                                                                   \
    X(BEAMC_METRIC_LABEL_RESOURCE)                                                                 \
    X(BEAMC_METRIC_LABEL_STATUS)                                                                   \
    X(BEAMC_METRIC_LABEL_BIGQUERY_PROJECT_ID)                                                      \
    X(BEAMC_METRIC_LABEL_BIGQUERY_DATASET)                                                         \
    X(BEAMC_METRIC_LABEL_BIGQUERY_TABLE)                                                           \
    X(BEAMC_METRIC_LABEL_BIGQUERY_VIEW)                                                            \
    X(BEAMC_METRIC_LABEL_BIGQUERY_QUERY_NAME)                                                      \
    X(BEAMC_METRIC_LABEL_GCS_BUCKET)                                                               \
    X(BEAMC_METRIC_LABEL_GCS_PROJECT_ID)                                                           \
    X(BEAMC_METRIC_LABEL_DATASTORE_PROJECT)                                                        \
    X(BEAMC_METRIC_LABEL_DATASTORE_NAMESPACE)                                                      \
    X(BEAMC_METRIC_LABEL_BIGTABLE_PROJECT_ID)                                                      \
    X(BEAMC_METRIC_LABEL_INSTANCE_ID)                                                              \
    X(BEAMC_METRIC_LABEL_TABLE_ID)                                                                 \
    X(BEAMC_METRIC_LABEL_SPANNER_PROJECT_ID)                                                       \
    X(BEAMC_METRIC_LABEL_SPANNER_DATABASE_ID)                                                      \
    X(BEAMC_METRIC_LABEL_SPANNER_TABLE_ID)                                                         \
    X(BEAMC_METRIC_LABEL_SPANNER_INSTANCE_ID)                                                      \
    X(BEAMC_METRIC_LABEL_SPANNER_QUERY_NAME)                                                       \
    X(BEAMC_METRIC_LABEL_PER_WORKER_METRIC)                                                        \
    X(BEAMC_URN_EXPANSION_METHOD_JAVA_CLASS_LOOKUP)                                                \
    X(BEAMC_URN_EXPANSION_METHOD_SCHEMA_TRANSFORM)                                                 \
    X(BEAMC_URN_MANAGED_ICEBERG_READ)                                                              \
    X(BEAMC_URN_MANAGED_ICEBERG_WRITE)                                                             \
    X(BEAMC_URN_MANAGED_KAFKA_READ)                                                                \
    X(BEAMC_URN_MANAGED_KAFKA_WRITE)                                                               \
    X(BEAMC_URN_MANAGED_BIGQUERY_READ)                                                             \
    X(BEAMC_URN_MANAGED_BIGQUERY_WRITE)                                                            \
    X(BEAMC_URN_MANAGED_ICEBERG_CDC_READ)                                                          \
    X(BEAMC_URN_MANAGED_POSTGRES_READ)                                                             \
    X(BEAMC_URN_MANAGED_POSTGRES_WRITE)                                                            \
    X(BEAMC_URN_MANAGED_MYSQL_READ)                                                                \
    X(BEAMC_URN_MANAGED_MYSQL_WRITE)                                                               \
    X(BEAMC_URN_MANAGED_SQL_SERVER_READ)                                                           \
    X(BEAMC_URN_MANAGED_SQL_SERVER_WRITE)                                                          \
    X(BEAMC_URN_MANAGED_DELTA_LAKE_READ)                                                           \
    X(BEAMC_URN_MANAGED_DELTA_LAKE_CDC_READ)                                                       \
    X(BEAMC_ANNOTATION_CONFIG_ROW_KEY)                                                             \
    X(BEAMC_ANNOTATION_CONFIG_ROW_SCHEMA_KEY)                                                      \
    X(BEAMC_ANNOTATION_SCHEMATRANSFORM_URN_KEY)                                                    \
    X(BEAMC_ANNOTATION_MANAGED_UNDERLYING_TRANSFORM_URN_KEY)                                       \
    X(BEAMC_CONSTANT_MIN_TIMESTAMP_MILLIS)                                                         \
    X(BEAMC_CONSTANT_MAX_TIMESTAMP_MILLIS)                                                         \
    X(BEAMC_CONSTANT_GLOBAL_WINDOW_MAX_TIMESTAMP_MILLIS)                                           \
    X(BEAMC_CONSTANT_NO_ARTIFACTS_STAGED_TOKEN)
/* clang-format on */

#endif
