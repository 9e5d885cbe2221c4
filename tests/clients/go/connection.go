// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// object is a message or a report in its JSON form.
type object map[string]any

// api knows the methods by the descriptors that protoc wrote of our .proto files.
type api struct{ files *protoregistry.Files }

func readAPI(path string) api {
	bytes, err := os.ReadFile(path)
	check(err)
	set := &descriptorpb.FileDescriptorSet{}
	check(proto.Unmarshal(bytes, set))
	files, err := protodesc.NewFiles(set)
	check(err)
	return api{files}
}

// method is nil for a path that the .proto files do not have.
func (a api) method(path string) protoreflect.MethodDescriptor {
	name := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	found, err := a.files.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	return found.(protoreflect.MethodDescriptor)
}

func (a api) messages(path string, request object) (in, out proto.Message) {
	method := a.method(path)
	if method == nil {
		return &emptypb.Empty{}, &emptypb.Empty{}
	}
	text, err := json.Marshal(request)
	check(err)
	made := dynamicpb.NewMessage(method.Input())
	check(protojson.Unmarshal(text, made))
	return made, dynamicpb.NewMessage(method.Output())
}

func toObject(message proto.Message) object {
	text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
	check(err)
	var read object
	check(json.Unmarshal(text, &read))
	return read
}

// config is the line that the tests write.
type config struct {
	Targets              []string
	CA, Certificate, Key string
	Descriptors, Prefix  string
	Cases                []string
}

func (c config) connect(anonymous bool, options ...grpc.DialOption) *grpc.ClientConn {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(c.CA)
	check(err)
	roots.AppendCertsFromPEM(pem)
	settings := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	if !anonymous {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		check(err)
		settings.Certificates = []tls.Certificate{pair}
	}
	addresses := manual.NewBuilderWithScheme("ward")
	state := resolver.State{}
	for _, target := range c.Targets {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: target})
	}
	addresses.InitialState(state)
	connection, err := grpc.NewClient("ward:///localhost", append(options, grpc.WithResolvers(addresses),
		grpc.WithTransportCredentials(credentials.NewTLS(settings)))...)
	check(err)
	return connection
}

// answer is what a call ended with.
type answer struct {
	code     int
	message  string
	details  []object
	response object
}

// facts are what the call, or else its first item, was refused with.
func (a answer) facts(more object) object {
	report := object{"code": a.code, "message": a.message}
	if results, ok := a.response["results"].([]any); ok {
		if item, ok := results[0].(map[string]any)["error"].(map[string]any); ok {
			report["code"], report["message"] = item["code"], item["message"]
		}
	}
	for name, value := range more {
		report[name] = value
	}
	return report
}

func answerOf(err error) answer {
	found := answer{code: int(status.Code(err)), message: status.Convert(err).Message(), details: []object{}}
	for _, detail := range status.Convert(err).Details() {
		seen := object{"name": "", "reason": "", "field": ""}
		if message, ok := detail.(proto.Message); ok {
			seen["name"] = string(message.ProtoReflect().Descriptor().FullName())
		}
		switch kind := detail.(type) {
		case *errdetails.ErrorInfo:
			seen["reason"] = kind.Reason
		case *errdetails.BadRequest:
			if len(kind.FieldViolations) > 0 {
				seen["field"] = kind.FieldViolations[0].Field
			}
		}
		found.details = append(found.details, seen)
	}
	return found
}

func (a api) call(ctx context.Context, by *grpc.ClientConn, path string, request object, options ...grpc.CallOption) answer {
	in, out := a.messages(path, request)
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		ctx = bounded
	}
	if err := by.Invoke(ctx, path, in, out, options...); err != nil {
		return answerOf(err)
	}
	return answer{response: toObject(out), details: []object{}}
}
