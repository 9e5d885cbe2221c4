/* SPDX-License-Identifier: Apache-2.0 */
/* Driving the load: poll, turn, and in each completion the next call. Must not know what the calls
 * say, but that an answer's items may be errors. */
#include "client/cli/bench.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "client/client.h"

#define READY_WITHIN_US INT64_C(10000000)
#define DRAIN_WITHIN_US INT64_C(12000000)

/* ---- latencies ---- */

static size_t bucket_of(uint64_t us)
{
    if (us < 32) {
        return (size_t)us;
    }
    unsigned octave = (unsigned)(63 - __builtin_clzll(us)) - 5; /* 32..63 us is the first */
    size_t bucket = (octave + 1) * 32 + (size_t)((us >> octave) & 31);
    return bucket < BENCH_HISTOGRAM_SIZE ? bucket : BENCH_HISTOGRAM_SIZE - 1;
}

static double bucket_middle(size_t bucket)
{
    if (bucket < 32) {
        return (double)bucket;
    }
    size_t octave = bucket / 32 - 1;
    return ((double)(32 + bucket % 32) + 0.5) * (double)(UINT64_C(1) << octave);
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t us)
{
    histogram->counts[bucket_of(us)]++;
    histogram->n++;
}

double bench_histogram_ms(const struct bench_histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->n * share), seen = 0;
    for (size_t i = 0; i < BENCH_HISTOGRAM_SIZE; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || (seen == histogram->n && seen > 0)) {
            return bucket_middle(i) / 1000;
        }
    }
    return 0;
}

/* ---- answers ---- */

static bool varint(struct ward_bytes *rest, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && rest->size > 0; shift += 7) {
        uint8_t byte = rest->data[0];
        *rest = WARD_BYTES(rest->data + 1, rest->size - 1);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* The next field of a protobuf message; *body is empty but for length-delimited ones. */
static bool next_field(struct ward_bytes *rest, uint64_t *tag, struct ward_bytes *body)
{
    uint64_t number = 0;
    *body = (struct ward_bytes){0};
    if (!varint(rest, tag) || ((*tag & 7) != 0 && (*tag & 7) != 2) || !varint(rest, &number)) {
        return false;
    }
    if ((*tag & 7) == 2) {
        if (number > rest->size) {
            return false;
        }
        *body = WARD_BYTES(rest->data, (size_t)number);
        *rest = WARD_BYTES(rest->data + number, rest->size - (size_t)number);
    }
    return true;
}

/* The body of the first field with this number, empty when it is not there. False when it is
 * malformed. */
static bool find_field(struct ward_bytes message, uint64_t number, struct ward_bytes *ret)
{
    *ret = (struct ward_bytes){0};
    while (message.size > 0 && ret->data == NULL) {
        uint64_t tag = 0;
        struct ward_bytes body;
        if (!next_field(&message, &tag, &body)) {
            return false;
        }
        if (tag == (number << 3 | 2)) {
            *ret = body;
        }
    }
    return true;
}

/* All answers of batch calls are alike: `results` is field 1, `error` is field 1 of each, and its
 * text is field 2 of that. */
bool bench_answer_fine(struct ward_bytes answer, uint32_t results, struct ward_bytes *ret_text)
{
    uint32_t n = 0;
    *ret_text = (struct ward_bytes){0};
    while (answer.size > 0) {
        uint64_t tag = 0;
        struct ward_bytes result, error;
        if (!next_field(&answer, &tag, &result)) {
            return false;
        }
        if (tag != (1 << 3 | 2)) {
            continue;
        }
        n++;
        if (!find_field(result, 1, &error)) {
            return false;
        }
        if (error.data != NULL) {
            (void)find_field(error, 2, ret_text);
            return false;
        }
    }
    return n == results;
}

/* ---- calls ---- */

struct slot {
    struct ward_transport_call call;
    struct bench_message *message;
    struct run *run;
    struct ward_transport *transport;
    int64_t begun_us;
};

struct run {
    const struct bench_case *what;
    const struct bench_in *in;
    struct bench_out *out;
    struct ward_transport **transports;
    struct pollfd *polls;
    struct slot *slots;
    struct bench_message *messages;
    size_t n_transports, n_slots, under_way;
    uint64_t number, rows;
    int64_t until_us; /* 0: warming up, no call follows another */
    uint32_t results; /* of each answer */
};

static int64_t now_us(void)
{
    return ward_monotonic_us(&ward_clock_system);
}

/* The CPU time of the daemon until now, nanoseconds; -1 when it is not to be had. */
static int64_t daemon_cpu_ns(const struct bench_in *in)
{
    clockid_t clock;
    struct timespec used;
    if (in->daemon_pid == 0 || clock_getcpuclockid((pid_t)in->daemon_pid, &clock) != 0 ||
        clock_gettime(clock, &used) != 0) {
        return -1;
    }
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

/* Of the machine and of the daemon, as a measurement begins. */
struct cpu {
    struct bench_jiffies jiffies;
    int64_t daemon_ns;
};

static void look_at_cpu(const struct run *run, struct cpu *ret)
{
    bench_jiffies_read(&ret->jiffies);
    ret->daemon_ns = daemon_cpu_ns(run->in);
}

static void note_cpu(struct run *run, const struct cpu *before)
{
    struct cpu after;
    look_at_cpu(run, &after);
    bool known = before->daemon_ns >= 0 && after.daemon_ns >= before->daemon_ns && run->rows > 0;
    run->out->daemon_us =
        known ? (double)(after.daemon_ns - before->daemon_ns) / 1e3 / (double)run->rows : -1;
    run->out->stolen_percent = bench_stolen_percent(&before->jiffies, &after.jiffies);
}

static void note_error(struct run *run, struct ward_bytes text)
{
    if (run->out->errors++ == 0) {
        (void)snprintf(run->out->first_error, sizeof(run->out->first_error), "%.*s", (int)text.size,
                       (const char *)text.data);
    }
}

static void write_numbers(struct run *run, struct bench_message *message)
{
    for (size_t i = 0; i < message->n_numbers; i++) {
        uint64_t number = run->number++;
        uint8_t *at = message->bytes.data + message->numbers[i];
        for (size_t digit = BENCH_NUMBER_DIGITS; digit > 0; digit--) {
            at[digit - 1] = (uint8_t)('0' + number % 10);
            number /= 10;
        }
    }
}

static void begin(struct slot *slot)
{
    write_numbers(slot->run, slot->message);
    slot->call.message = ward_buffer_view(&slot->message->bytes);
    slot->begun_us = now_us();
    if (ward_transport_submit(slot->transport, &slot->call) == WARD_RC_OK) {
        slot->run->under_way++;
    } else {
        note_error(slot->run, ward_bytes_str(slot->call.error.message));
    }
}

static void on_done(struct ward_transport_call *call)
{
    struct slot *slot = call->context;
    struct run *run = slot->run;
    int64_t now = now_us();
    run->under_way--;
    struct ward_bytes text = ward_bytes_str(call->error.message);
    bool fine = call->error.code == WARD_RC_OK &&
                bench_answer_fine(ward_buffer_view(&call->answer.message), run->results, &text);
    if (!fine) {
        note_error(run,
                   text.size > 0 ? text : WARD_BYTES_LITERAL("the answer is not as it should be"));
    }
    if (run->until_us == 0) {
        return;
    }
    if (fine && now <= run->until_us) {
        bench_histogram_add(&run->out->latencies, (uint64_t)(now - slot->begun_us));
        run->rows += run->what->rows;
    }
    if (now < run->until_us && run->out->errors < 1000) {
        begin(slot);
    }
}

static void turn_all(struct run *run, int timeout_ms)
{
    bool pending = false;
    for (size_t i = 0; i < run->n_transports; i++) {
        run->polls[i] = (struct pollfd){.fd = ward_transport_fd(run->transports[i]),
                                        .events = ward_transport_events(run->transports[i])};
        pending = pending || ward_transport_pending(run->transports[i]);
    }
    int n = poll(run->polls, run->n_transports, pending ? 0 : timeout_ms);
    for (size_t i = 0; i < run->n_transports; i++) {
        if (pending || (n > 0 && run->polls[i].revents != 0)) {
            ward_transport_turn(run->transports[i], run->polls[i].revents);
        }
    }
}

/* Begins a call in every slot and sends them. */
static void begin_all(struct run *run)
{
    for (size_t i = 0; i < run->n_slots; i++) {
        begin(&run->slots[i]);
    }
    for (size_t i = 0; i < run->n_transports; i++) {
        ward_transport_turn(run->transports[i], 0);
    }
}

static void drain(struct run *run)
{
    int64_t until = now_us() + DRAIN_WITHIN_US;
    while (run->under_way > 0 && now_us() < until) {
        turn_all(run, 100);
    }
}

static void drive(struct run *run)
{
    begin_all(run); /* once each, unmeasured: first touches cost more */
    drain(run);
    if (run->out->errors > 0) {
        return;
    }
    struct cpu cpu;
    look_at_cpu(run, &cpu);
    int64_t start = now_us();
    run->until_us = start + (int64_t)run->in->seconds * 1000000;
    begin_all(run);
    while (run->under_way > 0 && now_us() < run->until_us) {
        turn_all(run, 100);
    }
    int64_t end = now_us();
    run->out->per_second =
        (double)run->rows * 1e6 / (double)((end < run->until_us ? end : run->until_us) - start);
    note_cpu(run, &cpu);
    drain(run);
}

/* ---- connections ---- */

static int open_one(const struct run *run, struct cli *cli, struct ward_transport **ret)
{
    (void)run;
    ward_error error;
    return ward_transport_open(ward_client_endpoint(cli->client), ret, &error) == WARD_RC_OK
               ? CLI_DONE
               : cli_fail_call("connecting", &error);
}

static int open_all(struct run *run, struct cli *cli)
{
    for (size_t i = 0; i < run->n_transports; i++) {
        int exit = open_one(run, cli, &run->transports[i]);
        if (exit != CLI_DONE) {
            return exit;
        }
    }
    int64_t until = now_us() + READY_WITHIN_US;
    for (size_t i = 0; i < run->n_transports; i++) {
        while (!ward_transport_ready(run->transports[i])) {
            if (ward_transport_closed(run->transports[i])) {
                return cli_fail_call("connecting", ward_transport_error(run->transports[i]));
            }
            if (now_us() > until) {
                return cli_fail(CLI_UNREACHABLE, NULL, NULL,
                                "connecting: the daemon does not answer in time");
            }
            turn_all(run, 100);
        }
    }
    return CLI_DONE;
}

/* Each transport is a new connection again and again: its latency is from open to the first
 * SETTINGS. */
static int drive_connects(struct run *run, struct cli *cli)
{
    struct cpu cpu;
    look_at_cpu(run, &cpu);
    int64_t begun[256], start = now_us();
    run->until_us = start + (int64_t)run->in->seconds * 1000000;
    for (size_t i = 0; i < run->n_transports; i++) {
        begun[i] = now_us();
        int exit = open_one(run, cli, &run->transports[i]);
        if (exit != CLI_DONE) {
            return exit;
        }
    }
    while (now_us() < run->until_us && run->out->errors < 100) {
        turn_all(run, 100);
        for (size_t i = 0; i < run->n_transports; i++) {
            bool closed = ward_transport_closed(run->transports[i]);
            if (!closed && !ward_transport_ready(run->transports[i])) {
                continue;
            }
            if (closed) {
                note_error(run, ward_bytes_str(ward_transport_error(run->transports[i])->message));
            } else {
                bench_histogram_add(&run->out->latencies, (uint64_t)(now_us() - begun[i]));
                run->rows++;
            }
            ward_transport_free(run->transports[i]);
            run->transports[i] = NULL;
            begun[i] = now_us();
            int exit = open_one(run, cli, &run->transports[i]);
            if (exit != CLI_DONE) {
                return exit;
            }
        }
    }
    run->out->per_second = (double)run->rows * 1e6 / (double)(now_us() - start);
    note_cpu(run, &cpu);
    return CLI_DONE;
}

/* ---- a run ---- */

static int prepare_slots(struct run *run, struct cli *cli)
{
    for (size_t i = 0; i < run->n_slots; i++) {
        struct slot *slot = &run->slots[i];
        ward_transport_call_init(&slot->call, WARD_ANSWER_MAX);
        ward_buffer_init(&run->messages[i].bytes, (size_t)4 << 20);
        slot->call.path = run->what->path;
        slot->call.timeout = "10S";
        slot->call.done = on_done;
        slot->call.context = slot;
        slot->message = &run->messages[i];
        slot->run = run;
        slot->transport = run->transports[i % run->n_transports];
    }
    return run->what->prepare(cli, run->in, run->messages, run->n_slots);
}

static int run_calls(struct run *run, struct cli *cli)
{
    int exit = open_all(run, cli);
    if (exit == CLI_DONE) {
        exit = prepare_slots(run, cli);
    }
    if (exit == CLI_DONE) {
        drive(run);
    }
    return exit;
}

static void release(struct run *run)
{
    for (size_t i = 0; run->transports != NULL && i < run->n_transports; i++) {
        run->until_us = 0;
        ward_transport_free(run->transports[i]);
    }
    for (size_t i = 0; run->slots != NULL && run->messages != NULL && i < run->n_slots; i++) {
        ward_transport_call_fini(&run->slots[i].call);
        ward_buffer_fini(&run->messages[i].bytes);
    }
    free(run->transports);
    free(run->polls);
    free(run->slots);
    free(run->messages);
}

int bench_run(struct cli *cli, const struct bench_case *what, const struct bench_in *in,
              struct bench_out *out)
{
    *out = (struct bench_out){.daemon_us = -1, .stolen_percent = -1};
    if (what->run != NULL) {
        return what->run(cli, in, out);
    }
    struct bench_in own = *in;
    own.connections = what->connections != 0 ? what->connections : in->connections;
    own.in_flight = what->in_flight != 0 ? what->in_flight : in->in_flight;
    struct run run = {.what = what, .in = &own, .out = out, .n_transports = own.connections};
    run.n_slots = what->path == NULL ? 0 : own.connections * own.in_flight;
    run.results = what->results != 0 ? what->results : what->rows;
    run.transports = calloc(run.n_transports, sizeof(struct ward_transport *));
    run.polls = calloc(run.n_transports, sizeof(*run.polls));
    run.slots = calloc(run.n_slots + 1, sizeof(*run.slots));
    run.messages = calloc(run.n_slots + 1, sizeof(*run.messages));
    int exit = CLI_FAILED;
    if (run.transports == NULL || run.polls == NULL || run.slots == NULL || run.messages == NULL) {
        (void)cli_fail(CLI_FAILED, NULL, "Ask for fewer calls at once.", "there is no more memory");
        run.n_slots = 0;
    } else {
        exit = what->path == NULL ? drive_connects(&run, cli) : run_calls(&run, cli);
    }
    release(&run);
    return exit;
}
