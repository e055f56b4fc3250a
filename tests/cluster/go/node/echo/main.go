// Command echo is a server for tests: it tells which pod answered, and how it was asked.
//
// One port serves HTTP/1.1, HTTP/2 without TLS, and gRPC (the standard health service).
// VARIANT names the answering version in a traffic split. The path /sleep/<duration> waits
// before it answers and /status/<code> answers that code, for tests of time-outs and errors.
// The path /fetch?url=<url> answers what the pod itself gets from that URL.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

type answer struct {
	Pod     string      `json:"pod"`
	Variant string      `json:"variant"`
	Proto   string      `json:"proto"`
	Host    string      `json:"host"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers http.Header `json:"headers"`
}

func identity() (pod, variant string) {
	pod, _ = os.Hostname()
	return pod, os.Getenv("VARIANT")
}

func fetch(writer http.ResponseWriter, request *http.Request) {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(request.URL.Query().Get("url"))
	if err != nil {
		http.Error(writer, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	writer.WriteHeader(response.StatusCode)
	_, _ = io.Copy(writer, response.Body)
}

func echo(writer http.ResponseWriter, request *http.Request) {
	pod, variant := identity()
	status := http.StatusOK
	kind, value, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	switch kind {
	case "sleep":
		if wait, err := time.ParseDuration(value); err == nil {
			time.Sleep(wait)
		}
	case "status":
		if code, err := strconv.Atoi(value); err == nil && code >= 200 && code <= 599 {
			status = code
		}
	}
	writer.Header().Set("Content-Type", "application/json")
	writer.WriteHeader(status)
	_ = json.NewEncoder(writer).Encode(answer{
		Pod: pod, Variant: variant, Proto: request.Proto, Host: request.Host,
		Method: request.Method, Path: request.URL.Path, Headers: request.Header,
	})
}

// nameServer tells a gRPC caller which pod and variant answered.
func nameServer(
	ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
) (any, error) {
	pod, variant := identity()
	_ = grpc.SetHeader(ctx, metadata.Pairs("pod", pod, "variant", variant))
	return handler(ctx, request)
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	rpc := grpc.NewServer(grpc.UnaryInterceptor(nameServer))
	healthpb.RegisterHealthServer(rpc, health.NewServer())
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Addr: ":" + port, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
			if strings.HasPrefix(request.Header.Get("Content-Type"), "application/grpc") {
				rpc.ServeHTTP(writer, request)
				return
			}
			if request.URL.Path == "/fetch" {
				fetch(writer, request)
				return
			}
			echo(writer, request)
		}),
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(limit)
	}()
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
