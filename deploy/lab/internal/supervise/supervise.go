package supervise

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"lazarus-pit.io/lab/internal/parts"
	"lazarus-pit.io/lab/internal/place"
)

// Run keeps the lab's parts running. It returns only when it cannot.
func Run(lab place.Lab, forwarded *os.File) error {
	list, err := parts.All(lab)
	if err != nil {
		return err
	}
	listener, err := net.FileListener(forwarded)
	if err != nil {
		return fmt.Errorf("the forwarded port: %w", err)
	}
	began := time.Now()
	byName := map[string]*runner{}
	var runners []*runner
	for _, part := range list {
		one := newRunner(part, began)
		runners = append(runners, one)
		byName[part.Name] = one
	}
	if err := serveControl(runners); err != nil {
		return err
	}
	for _, each := range runners {
		var after []*runner
		for _, name := range each.part.After {
			earlier, ok := byName[name]
			if !ok {
				return fmt.Errorf("%s comes after %s, which does not exist", each.part.Name, name)
			}
			after = append(after, earlier)
		}
		go each.run(context.Background(), after)
	}
	return forward(listener)
}
