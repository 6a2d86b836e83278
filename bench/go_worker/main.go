// Command go_worker is the Go harness with one identity DoFn, for bench/run-fnapi.
// `go_worker --dump=FILE` writes the pipeline proto; with --worker it serves a runner.
package main

import (
	"context"
	"flag"
	"log"
	"os"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/harness/init"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"google.golang.org/protobuf/proto"
)

var dump = flag.String("dump", "", "file for the pipeline proto")

func identity(value []byte) []byte {
	return value
}

func init() {
	register.Function1x1(identity)
}

func main() {
	flag.Parse()
	beam.Init() // a worker never returns from here
	p, s := beam.NewPipelineWithRoot()
	beam.ParDo(s.Scope("Identity"), identity, beam.Impulse(s))
	edges, _, err := p.Build()
	if err != nil {
		log.Fatal(err)
	}
	config := func(context.Context) string { return "none" }
	env, err := graphx.CreateEnvironment(context.Background(), "beam:env:docker:v1", config)
	if err != nil {
		log.Fatal(err)
	}
	pipeline, err := graphx.Marshal(edges, &graphx.Options{Environment: env})
	if err != nil {
		log.Fatal(err)
	}
	bytes, err := proto.Marshal(pipeline)
	if err == nil {
		err = os.WriteFile(*dump, bytes, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}
