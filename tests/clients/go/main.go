// SPDX-License-Identifier: Apache-2.0

// Drives a wardd with grpc-go, a gRPC library of its own. Reads one line of JSON (what to call, and as
// whom), does the named cases and prints one line of JSON with what it saw; it judges nothing.
// tests/integration/test_clients.py starts it and judges. The Node program does the same cases.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
)

const (
	generatePath = "/ward.v1.DataKeys/GenerateDataKeys"
	unwrapPath   = "/ward.v1.DataKeys/UnwrapDataKeys"
	putPath      = "/ward.v1.Records/PutRecords"
	getPath      = "/ward.v1.Records/GetRecords"
	checkPath    = "/grpc.health.v1.Health/Check"
	watchPath    = "/grpc.health.v1.Health/Watch"
)

var treat = object{"purpose": "TREAT"}

// program is one run: what was asked, and the connection that most cases share.
type program struct {
	config
	api
	connection *grpc.ClientConn
	input      *bufio.Reader
	serial     atomic.Int64
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (p *program) header() object {
	return object{"requestId": fmt.Sprintf("%s-%d", p.Prefix, p.serial.Add(1))}
}

func (p *program) generateWith(ctx context.Context, by *grpc.ClientConn, header, item object, options ...grpc.CallOption) answer {
	return p.call(ctx, by, generatePath, object{"header": header, "items": []object{item}}, options...)
}

func (p *program) generate(ctx context.Context) answer {
	return p.generateWith(ctx, p.connection, p.header(), object{"key": "app/demo"})
}

func (p *program) unwrap(wrapped any, bound object) answer {
	return p.call(context.Background(), p.connection, unwrapPath,
		object{"header": p.header(), "items": []object{{"wrapped": wrapped, "context": bound}}})
}

// at follows names and numbers into an answer.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value = value.(object)[step]
		case int:
			value = value.([]any)[step]
		}
		if plain, ok := value.(map[string]any); ok {
			value = object(plain)
		}
	}
	return value
}

func decode(value any) []byte {
	bytes, err := base64.StdEncoding.DecodeString(value.(string))
	check(err)
	return bytes
}

// watch returns every state that Watch told and how it ended; it cancels when until is true of the states.
func (p *program) watch(by *grpc.ClientConn, service string, until func(states []any) bool) object {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	in, _ := p.messages(watchPath, object{"service": service})
	states := []any{}
	stream, err := by.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, watchPath)
	if err == nil {
		err = stream.SendMsg(in)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	for err == nil || err == io.EOF && len(states) == 0 {
		_, out := p.messages(watchPath, object{})
		if err = stream.RecvMsg(out); err == nil {
			states = append(states, toObject(out)["status"])
			if until(states) {
				cancel()
			}
		}
	}
	if err == io.EOF {
		return object{"code": 0, "message": "", "states": states}
	}
	return answerOf(err).facts(object{"states": states})
}

func (p *program) putAndGet(size int) object {
	id := fmt.Sprintf("%s-%d", p.Prefix, size)
	text := []byte(`{"text":"` + strings.Repeat("x", size-11) + `"}`)
	item := object{"collection": "fhir", "subject": "large", "id": id}
	item["json"] = base64.StdEncoding.EncodeToString(text)
	put := p.call(context.Background(), p.connection, putPath, object{"header": p.header(), "context": treat, "items": []object{item}})
	delete(item, "json")
	item["fields"] = []string{"*"}
	got := p.call(context.Background(), p.connection, getPath, object{"header": p.header(), "context": treat, "items": []object{item}})
	same := got.code == 0 && string(decode(at(got.response, "results", 0, "json"))) == string(text)
	return object{"sent": len(text), "codes": []int{put.code, got.code}, "same": same}
}

func (p *program) parallel(count int) object {
	answers, requests := make([]answer, count), make([]any, count)
	var all sync.WaitGroup
	for i := range answers {
		header := p.header()
		requests[i] = header["requestId"]
		all.Add(1)
		go func(i int) {
			defer all.Done()
			answers[i] = p.generateWith(context.Background(), p.connection, header, object{"key": "app/demo"})
		}(i)
	}
	all.Wait()
	codes, distinct := make([]int, count), map[any]bool{}
	for i, found := range answers {
		codes[i] = found.code
		if found.code == 0 {
			distinct[at(found.response, "results", 0, "keys", 0, "plaintext")] = true
		}
	}
	return object{"codes": codes, "requests": requests, "distinct": len(distinct)}
}

// drain calls and watches until its input ends, and says "running" when it does.
func (p *program) drain() object {
	var lock sync.Mutex
	var workers sync.WaitGroup
	var stop atomic.Bool
	codes, ended := map[string]int{}, make(chan object, 1)
	watcher := p.connect(false)
	defer watcher.Close()
	go func() { ended <- p.watch(watcher, "", func([]any) bool { return false }) }()
	go func() {
		_, _ = io.Copy(io.Discard, p.input)
		stop.Store(true)
	}()
	for i := 0; i < 8; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for !stop.Load() {
				found := p.generate(context.Background())
				lock.Lock()
				codes[strings.TrimSpace(fmt.Sprintf("%d %s", found.code, found.message))]++
				if found.code == 0 && codes["0"] == 100 {
					fmt.Println("running")
				}
				lock.Unlock()
			}
		}()
	}
	workers.Wait()
	return object{"codes": codes, "watch": <-ended}
}

func (p *program) run(name string) object {
	background := context.Background()
	once := func([]any) bool { return true }
	switch name {
	case "empty_unary":
		found := p.call(background, p.connection, checkPath, object{})
		return found.facts(object{"state": found.response["status"]})
	case "large_unary":
		return object{"records": []object{p.putAndGet(271828), p.putAndGet(314159)}}
	case "generate_and_unwrap":
		bound := object{"пациент": "é %25 \U0001F3E5", "ward": "7"}
		made := p.generateWith(background, p.connection, p.header(), object{"key": "app/demo", "context": bound, "size": 32, "count": 2})
		keys := at(made.response, "results", 0, "keys")
		opened := p.unwrap(at(keys, 1, "wrapped"), bound)
		result := at(opened.response, "results", 0)
		return opened.facts(object{
			"sizes": []int{len(decode(at(keys, 0, "plaintext"))), len(decode(at(keys, 1, "plaintext")))},
			"same":  at(result, "plaintext") == at(keys, 1, "plaintext"), "key": at(result, "key"), "version": at(result, "version")})
	case "wrong_context":
		made := p.generateWith(background, p.connection, p.header(), object{"key": "app/demo", "context": object{"ward": "7"}})
		refused := p.unwrap(at(made.response, "results", 0, "keys", 0, "wrapped"), object{"ward": "8"})
		return refused.facts(nil)
	case "status_code_and_message":
		refused := p.generateWith(background, p.connection, object{"requestId": strings.Repeat("Ключ é %41\n", 8)}, object{"key": "app/demo"})
		return refused.facts(object{"details": refused.details})
	case "unimplemented_method":
		return p.call(background, p.connection, "/ward.v1.DataKeys/Nothing", nil).facts(nil)
	case "unimplemented_service":
		return p.call(background, p.connection, "/ward.v1.Nothing/GenerateDataKeys", nil).facts(nil)
	case "message_over_the_limit":
		large := object{"requestId": strings.Repeat("x", 2<<20)}
		refused := p.generateWith(background, p.connection, large, object{"key": "app/demo"})
		return refused.facts(object{"after": p.generate(background).code})
	case "compressed_request":
		refused := p.generateWith(background, p.connection, p.header(), object{"key": "app/demo"}, grpc.UseCompressor(gzip.Name))
		return refused.facts(object{"after": p.generate(background).code})
	case "custom_metadata":
		ctx := metadata.AppendToOutgoingContext(background, "x-grpc-test-echo-initial", "test_initial_metadata_value",
			"x-grpc-test-echo-trailing-bin", "\xab\xab\xab\x00\xff", "x-identity", "spiffe://test.ward/officer-a")
		refused := p.call(ctx, p.connection, "/ward.v1.Keys/DescribeKey", object{"header": p.header(), "name": "app/demo"})
		return p.generate(ctx).facts(object{"asAnOfficer": refused.code})
	case "health_of_an_unknown_service":
		watched := p.watch(p.connection, "ward.v1.Nothing", once)
		return p.call(background, p.connection, checkPath, object{"service": "ward.v1.Nothing"}).facts(object{"states": watched["states"]})
	case "cancel_after_begin":
		ctx, cancel := context.WithCancel(background)
		stream, err := p.connection.NewStream(ctx, &grpc.StreamDesc{}, generatePath)
		check(err)
		cancel()
		_, out := p.messages(generatePath, object{})
		return answerOf(stream.RecvMsg(out)).facts(object{"after": p.generate(background).code})
	case "cancel_after_first_response":
		return p.watch(p.connection, "", once)
	case "deadline_that_has_passed":
		ctx, cancel := context.WithTimeout(background, -time.Second)
		defer cancel()
		return p.generate(ctx).facts(nil)
	case "parallel_calls_on_one_connection":
		return p.parallel(100)
	case "more_calls_than_streams":
		return p.parallel(350)
	case "no_certificate":
		nobody := p.connect(true)
		defer nobody.Close()
		return p.generateWith(background, nobody, p.header(), object{"key": "app/demo"}).facts(nil)
	case "timeout_on_sleeping_server": // this and the next while the HSM stands still
		ctx, cancel := context.WithTimeout(background, 300*time.Millisecond)
		defer cancel()
		return p.generate(ctx).facts(object{"after": p.call(background, p.connection, checkPath, object{}).code})
	case "cancel_while_it_works":
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(100*time.Millisecond, cancel)
		return p.generate(ctx).facts(object{"after": p.call(background, p.connection, checkPath, object{}).code})
	case "drain":
		return p.drain()
	}
	check(fmt.Errorf("no such case: %s", name))
	return nil
}

func main() {
	p := &program{input: bufio.NewReader(os.Stdin)}
	line, err := p.input.ReadBytes('\n')
	check(err)
	check(json.Unmarshal(line, &p.config))
	p.api = readAPI(p.Descriptors)
	p.connection = p.connect(false)
	report := object{}
	for _, name := range p.Cases {
		report[name] = p.run(name)
	}
	check(json.NewEncoder(os.Stdout).Encode(object{"library": "grpc-go " + grpc.Version, "cases": report}))
}
