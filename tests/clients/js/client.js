// SPDX-License-Identifier: Apache-2.0
// Drives a wardd with grpc-js, a gRPC library of its own. Reads one line of JSON (what to call, and as
// whom), does the named cases and prints one line of JSON with what it saw; it judges nothing.
// tests/integration/test_clients.py starts it and judges. The Go program does the same cases.
"use strict";

const fs = require("fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");
const library = "grpc-js " + require("@grpc/grpc-js/package.json").version;

const GZIP = 2;
const ONE = { key: "app/demo" };
const TREAT = { purpose: "TREAT" };

let config, api, client, serial = 0;

function header() {
    return { requestId: `${config.prefix}-${++serial}` };
}

function connect(options = {}, credentials = undefined) {
    const pem = (name) => fs.readFileSync(config[name]);
    return new grpc.Client(config.targets.length > 1 ? "ipv4:" + config.targets.join(",") : config.targets[0],
        credentials || grpc.credentials.createSsl(pem("ca"), pem("key"), pem("certificate")), {
            "grpc.ssl_target_name_override": "localhost", "grpc.default_authority": "localhost",
            "grpc.use_local_subchannel_pool": 1, "grpc.initial_reconnect_backoff_ms": 100, ...options,
        });
}

// The definition of a method by its path, or bytes in and out for one that our .proto files do not have.
function method(path) {
    const [, service, name] = path.split("/");
    const raw = { requestSerialize: (b) => b, responseDeserialize: (b) => b };
    return (api[service] && api[service][name]) || raw;
}

// What a call ended with. extra: metadata, timeoutMs, by (another client), cancel (a function given the call).
function call(path, request, extra = {}) {
    return new Promise((resolve) => {
        const { requestSerialize, responseDeserialize } = method(path);
        const options = { deadline: Date.now() + (extra.timeoutMs || 20000) };
        const started = (extra.by || client).makeUnaryRequest(path, requestSerialize, responseDeserialize, request,
            extra.metadata || new grpc.Metadata(), options, (error, response) => resolve({
                code: error ? error.code : 0, message: error ? error.details : "", response,
                details: error && error.metadata ? details(error.metadata) : [],
            }));
        if (extra.cancel) {
            extra.cancel(started);
        }
    });
}

// grpc-status-details-bin, decoded from the .proto files: the names of the details, the reason and the fields.
function details(metadata) {
    const [bytes] = metadata.get("grpc-status-details-bin");
    if (!bytes) {
        return [];
    }
    const status = api["google.rpc.Status"].deserialize(bytes);
    return status.details.map((any) => {
        const name = any.type_url.split("/").pop();
        const known = api[name].deserialize(any.value);
        return { name, reason: known.reason || "", field: ((known.fieldViolations || [])[0] || {}).field || "" };
    });
}

// A call, or else its first item, was refused so.
function facts(result, more = {}) {
    const item = ((result.response || {}).results || [{}])[0].error;
    const { code, message } = item && item.code ? item : result;
    return { code, message, ...more };
}

const GENERATE = "/ward.v1.DataKeys/GenerateDataKeys", UNWRAP = "/ward.v1.DataKeys/UnwrapDataKeys";
const PUT = "/ward.v1.Records/PutRecords", GET = "/ward.v1.Records/GetRecords";
const CHECK = "/grpc.health.v1.Health/Check", WATCH = "/grpc.health.v1.Health/Watch";

function generate(extra = {}, item = ONE, head = header()) {
    return call(GENERATE, { header: head, items: [item] }, extra);
}

function unwrap(wrapped, context) {
    return call(UNWRAP, { header: header(), items: [{ wrapped, context }] });
}

// Every state that Watch told, and how it ended. until: cancels when it returns true for the states so far.
function watch(service, until, by = client) {
    return new Promise((resolve) => {
        const { requestSerialize, responseDeserialize } = method(WATCH);
        const states = [];
        const stream = by.makeServerStreamRequest(WATCH, requestSerialize, responseDeserialize, { service },
            new grpc.Metadata(), { deadline: Date.now() + 20000 });
        stream.on("data", (answer) => {
            states.push(answer.status);
            if (until(states)) {
                stream.cancel();
            }
        });
        stream.on("error", () => {});
        stream.on("status", (status) => resolve({ code: status.code, message: status.details, states }));
    });
}

async function putAndGet(size) {
    const id = `${config.prefix}-${size}`;
    const json = Buffer.from(`{"text":"${"x".repeat(size - 11)}"}`);
    const put = await call(PUT, { header: header(), context: TREAT, items: [{ collection: "fhir", subject: "large", id, json }] });
    const got = await call(GET, { header: header(), context: TREAT, items: [{ collection: "fhir", subject: "large", id, fields: ["*"] }] });
    return { sent: json.length, codes: [put.code, got.code], same: got.code === 0 && json.equals(got.response.results[0].json) };
}

async function parallel(count) {
    const heads = Array.from({ length: count }, header);
    const results = await Promise.all(heads.map((head) => generate({}, ONE, head)));
    return {
        codes: results.map((result) => result.code), requests: heads.map((head) => head.requestId),
        distinct: new Set(results.map((result) => result.code === 0 && result.response.results[0].keys[0].plaintext.toString("hex"))).size,
    };
}

const cases = {
    async empty_unary() {
        const result = await call(CHECK, {});
        return facts(result, { state: result.response.status });
    },
    async large_unary() {
        return { records: [await putAndGet(271828), await putAndGet(314159)] };
    },
    async generate_and_unwrap() {
        const context = { "пациент": "é %25 \u{1F3E5}", ward: "7" };
        const made = await generate({}, { ...ONE, context, size: 32, count: 2 });
        const keys = made.response.results[0].keys;
        const opened = await unwrap(keys[1].wrapped, context);
        const { plaintext, key, version } = opened.response.results[0];
        return facts(opened, { sizes: keys.map((k) => k.plaintext.length), same: plaintext.equals(keys[1].plaintext), key, version });
    },
    async wrong_context() {
        const made = await generate({}, { ...ONE, context: { ward: "7" } });
        const refused = await unwrap(made.response.results[0].keys[0].wrapped, { ward: "8" });
        return facts(refused);
    },
    async status_code_and_message() {
        const refused = await generate({}, ONE, { requestId: "Ключ é %41\n".repeat(8) });
        return facts(refused, { details: refused.details });
    },
    async unimplemented_method() {
        return facts(await call("/ward.v1.DataKeys/Nothing", Buffer.alloc(0)));
    },
    async unimplemented_service() {
        return facts(await call("/ward.v1.Nothing/GenerateDataKeys", Buffer.alloc(0)));
    },
    async message_over_the_limit() {
        const large = { requestId: "x".repeat(2 << 20) };
        return facts(await generate({}, ONE, large), { after: (await generate()).code });
    },
    async compressed_request() {
        const zipped = connect({ "grpc.default_compression_algorithm": GZIP });
        const refused = await generate({ by: zipped });
        zipped.close();
        return facts(refused, { after: (await generate()).code });
    },
    async custom_metadata() {
        const metadata = new grpc.Metadata();
        metadata.set("x-grpc-test-echo-initial", "test_initial_metadata_value");
        metadata.set("x-grpc-test-echo-trailing-bin", Buffer.from([0xab, 0xab, 0xab, 0, 0xff]));
        metadata.set("x-identity", "spiffe://test.ward/officer-a");
        const refused = await call("/ward.v1.Keys/DescribeKey", { header: header(), name: "app/demo" }, { metadata });
        return facts(await generate({ metadata }), { asAnOfficer: refused.code });
    },
    async health_of_an_unknown_service() {
        const states = await watch("ward.v1.Nothing", () => true);
        return facts(await call(CHECK, { service: "ward.v1.Nothing" }), { states: states.states });
    },
    async cancel_after_begin() {
        return facts(await generate({ cancel: (started) => started.cancel() }), { after: (await generate()).code });
    },
    async cancel_after_first_response() {
        return watch("", () => true);
    },
    async deadline_that_has_passed() {
        return facts(await generate({ timeoutMs: -1000 }));
    },
    async parallel_calls_on_one_connection() {
        return parallel(100);
    },
    async more_calls_than_streams() {
        return parallel(350);
    },
    async no_certificate() {
        const nobody = connect({}, grpc.credentials.createSsl(fs.readFileSync(config.ca)));
        const refused = await generate({ by: nobody, timeoutMs: 5000 });
        nobody.close();
        return facts(refused);
    },
    // These two while the HSM stands still.
    async timeout_on_sleeping_server() {
        return facts(await generate({ timeoutMs: 300 }), { after: (await call(CHECK, {})).code });
    },
    async cancel_while_it_works() {
        return facts(await generate({ cancel: (started) => setTimeout(() => started.cancel(), 100) }), { after: (await call(CHECK, {})).code });
    },
    // Calls and watches until its input ends, and says "running" when it does.
    async drain() {
        const codes = {};
        let stop = false, said = false;
        const watcher = connect();
        const watched = watch("", () => false, watcher);
        const ended = new Promise((resolve) => process.stdin.on("end", resolve));
        ended.then(() => { stop = true; });
        const workers = Array.from({ length: 8 }, async () => {
            while (!stop) {
                const result = await generate();
                const name = `${result.code} ${result.message}`.trim();
                codes[name] = (codes[name] || 0) + 1;
                if (!said && codes["0"] > 100) {
                    said = true;
                    console.log("running");
                }
            }
        });
        await Promise.all(workers);
        const end = await watched;
        watcher.close();
        return { codes, watch: end };
    },
};

async function main(line) {
    config = JSON.parse(line);
    api = loader.loadSync(["ward/v1/data_keys.proto", "ward/v1/records.proto", "ward/v1/keys.proto", "grpc/health/v1/health.proto",
        "google/rpc/status.proto", "google/rpc/error_details.proto"], { includeDirs: [config.protos], defaults: true, enums: String, longs: Number });
    client = connect();
    const report = {};
    for (const name of config.cases) {
        report[name] = await cases[name]();
    }
    client.close();
    console.log(JSON.stringify({ library, cases: report }));
    process.exit(0);
}

let input = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", function first(text) {
    input += text;
    if (input.includes("\n")) {
        process.stdin.off("data", first);
        process.stdin.resume();
        main(input).catch((error) => {
            console.error(error);
            process.exit(1);
        });
    }
});
