/* Options: parsing, precedence, messages, help, JSON. */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <beamc/options.h>

static const beamc_option table[] = {
    {.name = "input", .env = "OPT_TEST_INPUT", .placeholder = "FILE", .doc = "Where to read."},
    {.name = "window_seconds",
     .env = "OPT_TEST_WINDOW",
     .type = BEAMC_OPTION_INT,
     .default_text = "60",
     .min = 1,
     .max = 86400,
     .doc = "Length of a window.",
     .group = "Windows"},
    {.name = "rate", .type = BEAMC_OPTION_DOUBLE, .default_text = "0.5", .doc = "Rate."},
    {.name = "verbose", .type = BEAMC_OPTION_BOOL, .doc = "Say more."},
    {.name = "color",
     .type = BEAMC_OPTION_BOOL,
     .default_text = "true",
     .env = "OPT_TEST_COLOR",
     .doc = "Use colours."},
    {.name = "runner",
     .type = BEAMC_OPTION_CHOICE,
     .choices = "local|PortableRunner",
     .default_text = "local",
     .doc = "Where to run."},
    {.name = "experiments",
     .type = BEAMC_OPTION_LIST,
     .env = "OPT_TEST_EXPERIMENTS",
     .default_text = "a, b",
     .doc = "Switches."},
    {.name = "anything", .type = BEAMC_OPTION_INT},
    {.name = NULL},
};
static const beamc_option more[] = {
    {.name = "input", .default_text = "shadowed", .doc = "No."},
    {.name = "job_endpoint", .doc = "The runner.", .group = "Remote"},
    {.name = NULL},
};
static const beamc_option *const tables[] = {table, more, NULL};

static beamc_options *fresh(void) {
    unsetenv("OPT_TEST_INPUT");
    unsetenv("OPT_TEST_WINDOW");
    unsetenv("OPT_TEST_COLOR");
    unsetenv("OPT_TEST_EXPERIMENTS");
    return beamc_options_new(tables);
}

/* Parses the given arguments, ended by NULL. */
static beamc_status parse(beamc_options *o, const char *env_file, bool lenient, beamc_error *err,
                          ...) {
    const char *argv[16] = {"program"};
    int argc = 1;
    va_list args;
    va_start(args, err);
    for (const char *a; (a = va_arg(args, const char *)) != NULL;) {
        argv[argc++] = a;
    }
    va_end(args);
    return beamc_options_parse(o, argc, (char *const *)(uintptr_t)argv, env_file, lenient, err);
}

#define OK(o, ...)                                                                                 \
    do {                                                                                           \
        beamc_error err_ = {0};                                                                    \
        cr_assert_eq(parse((o), NULL, false, &err_, __VA_ARGS__, (char *)NULL), BEAMC_OK, "%s",    \
                     err_.message);                                                                \
    } while (0)

#define FAILS(text, ...)                                                                           \
    do {                                                                                           \
        beamc_options *o_ = fresh();                                                               \
        beamc_error err_ = {0};                                                                    \
        cr_assert_eq(parse(o_, NULL, false, &err_, __VA_ARGS__, (char *)NULL),                     \
                     BEAMC_INVALID_ARGUMENT);                                                      \
        cr_assert_str_eq(err_.message, (text));                                                    \
        beamc_options_free(o_);                                                                    \
    } while (0)

Test(options, values) {
    beamc_options *o = fresh();
    OK(o, "--input=x=y", "--window-seconds", "5", "--verbose", "--no-color", "--rate=-1.5e3",
       "--runner=portablerunner", "--job_endpoint", "-");
    cr_assert_str_eq(beamc_option_text(o, "input"), "x=y");
    cr_assert_eq(beamc_option_int(o, "window_seconds"), 5);
    cr_assert(beamc_option_bool(o, "verbose"));
    cr_assert(!beamc_option_bool(o, "color"));
    cr_assert_float_eq(beamc_option_double(o, "rate"), -1500.0, 0);
    cr_assert_str_eq(beamc_option_text(o, "runner"), "PortableRunner");
    cr_assert_str_eq(beamc_option_text(o, "job_endpoint"), "-");
    cr_assert_null(beamc_option_text(o, "no_such_option"));
    cr_assert(beamc_option_given(o, "input"));
    beamc_options_free(o);
}

Test(options, defaults) {
    beamc_options *o = fresh();
    OK(o, (char *)NULL);
    cr_assert_null(beamc_option_text(o, "input"));
    cr_assert_eq(beamc_option_int(o, "window_seconds"), 60);
    cr_assert(beamc_option_bool(o, "color"));
    cr_assert(!beamc_option_bool(o, "verbose"));
    cr_assert_eq(beamc_option_int(o, "anything"), 0);
    cr_assert(!beamc_option_given(o, "window_seconds"));
    cr_assert_str_eq(beamc_option_item(o, "experiments", 0), "a");
    cr_assert_str_eq(beamc_option_item(o, "experiments", 1), "b");
    cr_assert_null(beamc_option_item(o, "experiments", 2));
    beamc_options_free(o);
}

Test(options, flags_take_a_word_only_if_it_is_one) {
    beamc_options *o = fresh();
    OK(o, "--verbose", "true", "--color", "false", "--input", "-5");
    cr_assert(beamc_option_bool(o, "verbose"));
    cr_assert(!beamc_option_bool(o, "color"));
    cr_assert_str_eq(beamc_option_text(o, "input"), "-5");
    beamc_options_free(o);
}

Test(options, lists_grow) {
    beamc_options *o = fresh();
    OK(o, "--experiments=x,y", "--experiments", "z,,");
    cr_assert_str_eq(beamc_option_item(o, "experiments", 0), "x");
    cr_assert_str_eq(beamc_option_item(o, "experiments", 2), "z");
    cr_assert_null(beamc_option_item(o, "experiments", 3));
    beamc_options_free(o);
}

Test(options, messages) {
    FAILS("--inptu: no such option; did you mean --input? (--help lists all)", "--inptu=x");
    FAILS("--window-second: no such option; did you mean --window_seconds? (--help lists all)",
          "--window-second=5");
    FAILS("--input needs a value: --input=FILE", "--input");
    FAILS("--input needs a value: --input=FILE", "--input", "--verbose");
    FAILS("--window_seconds=5s: not a whole number", "--window_seconds=5s");
    FAILS("--window_seconds=: not a whole number", "--window_seconds=");
    FAILS("--window_seconds=0: must be from 1 to 86400", "--window_seconds=0");
    FAILS("--anything=99999999999999999999: too large", "--anything=99999999999999999999");
    FAILS("--rate=fast: not a number", "--rate=fast");
    FAILS("--rate=inf: not a number", "--rate=inf");
    FAILS("--color=maybe: must be true or false", "--color=maybe");
    FAILS("--runner=locl: did you mean local? It must be one of local|PortableRunner",
          "--runner=locl");
    FAILS("--runner=x: must be one of local|PortableRunner", "--runner=x");
    FAILS("file.txt: unexpected argument; options are written --name=value (--help lists them)",
          "file.txt");
    FAILS("--no-input: no such option; the nearest is --input (--help lists all)", "--no-input");
}

Test(options, precedence) {
    char path[] = "/tmp/beamc-options-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# a comment\n"
                               "export OPT_TEST_INPUT='from # file'   # behind\n"
                               "OPT_TEST_WINDOW=7 # seven\n"
                               "OPT_TEST_EXPERIMENTS=\"p,\\\"q\\\"\"\r\n"
                               "\n"
                               "OPT_TEST_COLOR=\n";
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    beamc_options *o = fresh();
    setenv("OPT_TEST_WINDOW", "8", 1);
    beamc_error err = {0};
    cr_assert_eq(parse(o, path, false, &err, (char *)NULL), BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(beamc_option_text(o, "input"), "from # file");
    cr_assert_eq(beamc_option_int(o, "window_seconds"), 8, "the environment comes first");
    cr_assert_str_eq(beamc_option_item(o, "experiments", 1), "\"q\"");
    cr_assert_null(beamc_option_item(o, "experiments", 2));
    cr_assert(beamc_option_bool(o, "color"), "empty is unset");
    cr_assert_str_eq(getenv("OPT_TEST_INPUT"), "from # file");
    beamc_options_free(o);

    o = fresh();
    cr_assert_eq(parse(o, path, false, &err, "--input=mine", (char *)NULL), BEAMC_OK);
    cr_assert_str_eq(beamc_option_text(o, "input"), "mine");
    cr_assert_eq(beamc_option_int(o, "window_seconds"), 7);
    beamc_options_free(o);
    unlink(path);
}

Test(options, a_bad_env_file_names_the_line) {
    char path[] = "/tmp/beamc-options-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "A=1\nthis is no setting\n";
    cr_assert_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    beamc_options *o = fresh();
    beamc_error err = {0};
    cr_assert_eq(parse(o, path, false, &err, (char *)NULL), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(err.message, ":2: expected KEY=VALUE"), "%s", err.message);
    beamc_options_free(o);
    o = fresh();
    setenv("OPT_TEST_WINDOW", "many", 1);
    cr_assert_eq(parse(o, "/no/such/.env", false, &err, (char *)NULL), BEAMC_INVALID_ARGUMENT);
    cr_assert_str_eq(err.message, "OPT_TEST_WINDOW=many: not a whole number");
    beamc_options_free(o);
    unlink(path);
}

Test(options, lenient_keeps_what_it_does_not_know) {
    beamc_options *o = fresh();
    beamc_error err = {0};
    cr_assert_eq(parse(o, NULL, true, &err, "--num-workers=3", "--update", "--input=x", "--zone",
                       "b", (char *)NULL),
                 BEAMC_OK, "%s", err.message);
    cr_assert_str_eq(beamc_option_text(o, "num_workers"), "3");
    cr_assert_str_eq(beamc_option_text(o, "update"), "true");
    cr_assert_str_eq(beamc_option_text(o, "zone"), "b");
    cr_assert_str_eq(beamc_option_text(o, "input"), "x");
    cr_assert_eq(parse(o, NULL, true, &err, "--window_seconds=x", (char *)NULL),
                 BEAMC_INVALID_ARGUMENT, "known ones are still checked");
    beamc_options_free(o);
}

Test(options, set_is_like_the_command_line) {
    beamc_options *o = fresh();
    beamc_error err = {0};
    cr_assert_eq(beamc_options_set(o, "runner", "LOCAL", &err), BEAMC_OK);
    cr_assert_str_eq(beamc_option_text(o, "runner"), "local");
    cr_assert_eq(beamc_options_set(o, "runer", "local", &err), BEAMC_INVALID_ARGUMENT);
    cr_assert(strstr(err.message, "did you mean --runner"), "%s", err.message);
    beamc_options_free(o);
}

Test(options, help_fits_a_terminal) {
    beamc_options *o = fresh();
    beamc_buf out = {0};
    beamc_options_help(o, "usage: x", &out);
    beamc_buf_put_u8(&out, 0);
    const char *text = (const char *)out.ptr;
    cr_assert(strstr(text, "usage: x\n\nOptions:\n  --input=FILE"), "%s", text);
    cr_assert(strstr(text, "[default: 60; env: OPT_TEST_WINDOW]"), "%s", text);
    cr_assert(strstr(text, "--[no-]color"), "%s", text);
    cr_assert(strstr(text, "One of local, PortableRunner. [default: local]"), "%s", text);
    cr_assert(!strstr(text, "anything"), "an option without a doc is not for people");
    cr_assert(!strstr(text, "shadowed"));
    size_t column = 0;
    for (; *text != '\0'; text++) {
        column = *text == '\n' ? 0 : column + 1;
        cr_assert_leq(column, 100);
    }
    beamc_buf_clear(&out);
    beamc_options_env_sample(o, &out);
    beamc_buf_put_u8(&out, 0);
    text = (const char *)out.ptr;
    cr_assert(strstr(text, "# Length of a window.\n#OPT_TEST_WINDOW=60\n"), "%s", text);
    beamc_buf_free(&out);
    beamc_options_free(o);
}

Test(options, json_out) {
    beamc_options *o = fresh();
    OK(o, "--input=a\"b", "--window_seconds=5", "--verbose", "--experiments=x,y");
    beamc_buf out = {0};
    beamc_options_to_json(o, &out);
    beamc_buf_put_u8(&out, 0);
    cr_assert_str_eq((const char *)out.ptr, "{\"beam:option:input:v1\": \"a\\\"b\", "
                                            "\"beam:option:window_seconds:v1\": \"5\", "
                                            "\"beam:option:verbose:v1\": true, "
                                            "\"beam:option:experiments:v1\": [\"x\", \"y\"]}");
    beamc_buf_free(&out);
    beamc_options_free(o);
}

static beamc_options *from_json(const char *json) {
    beamc_options *o = fresh();
    beamc_error err = {0};
    cr_assert_eq(beamc_options_from_json(o, beamc_str(json), &err), BEAMC_OK, "%s", err.message);
    return o;
}

Test(options, json_in_all_shapes) {
    beamc_options *o =
        from_json("{\"beam:option:window_seconds:v1\": 5.0, \"beam:option:input:v1\": null,"
                  " \"beam:option:experiments:v1\": [\"u\", \"v\"],"
                  " \"beam:option:job_name:v1\": \"j\", \"beam:option:verbose:v1\": true}");
    cr_assert_eq(beamc_option_int(o, "window_seconds"), 5);
    cr_assert_null(beamc_option_text(o, "input"));
    cr_assert_str_eq(beamc_option_item(o, "experiments", 1), "v");
    cr_assert_null(beamc_option_item(o, "experiments", 2), "the default gives way");
    cr_assert_str_eq(beamc_option_text(o, "job_name"), "j");
    cr_assert(beamc_option_bool(o, "verbose"));
    beamc_options_free(o);

    o = from_json("{\"options\": {\"windowSeconds\": \"7\", \"runner\": \"FlinkRunner\","
                  " \"nested\": {\"a\": 1}}, \"display_data\": [{\"key\": \"x\"}]}");
    cr_assert_eq(beamc_option_int(o, "window_seconds"), 7);
    cr_assert_str_eq(beamc_option_text(o, "runner"), "local", "a foreign choice is left out");
    cr_assert_str_eq(beamc_option_text(o, "nested"), "{\"a\":1}");
    cr_assert_null(beamc_option_text(o, "display_data"));
    beamc_options_free(o);

    o = from_json("{\"beam:option:go_options:v1\": {\"options\": {\"input\": \"g\"}}}");
    cr_assert_str_eq(beamc_option_text(o, "input"), "g");
    beamc_options_free(o);
}

Test(options, json_is_weaker_than_the_command_line) {
    beamc_options *o = fresh();
    OK(o, "--input=mine");
    cr_assert_eq(beamc_options_from_json(o, beamc_str("{\"input\": \"theirs\"}"), NULL), BEAMC_OK);
    cr_assert_str_eq(beamc_option_text(o, "input"), "mine");
    beamc_options_free(o);
}

Test(options, json_that_is_none) {
    beamc_options *o = fresh();
    beamc_error err = {0};
    cr_assert_eq(beamc_options_from_json(o, beamc_str("{"), &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_eq(beamc_options_from_json(o, beamc_str("[1]"), &err), BEAMC_INVALID_ARGUMENT);
    cr_assert_eq(beamc_options_from_json(o, beamc_str(""), &err), BEAMC_INVALID_ARGUMENT);
    beamc_options_free(o);
}
