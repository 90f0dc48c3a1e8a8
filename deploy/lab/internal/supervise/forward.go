package supervise

import (
	"io"
	"net"
	"sync"

	"lazarus-pit.io/lab/internal/place"
)

// forward joins each connection to the machine's 127.0.0.1 with the API server
// in the tree. The listener was opened outside the tree and handed in: a
// socket stays in the network it was made in.
func forward(listener net.Listener) error {
	target := place.APIServer()[len("https://"):]
	for {
		outside, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer outside.Close()
			inside, err := net.Dial("tcp", target)
			if err != nil {
				return // the client sees a closed connection, as from a dead server
			}
			defer inside.Close()
			var both sync.WaitGroup
			both.Go(func() { pump(inside, outside) })
			both.Go(func() { pump(outside, inside) })
			both.Wait()
		}()
	}
}

// pump copies one direction and passes its end on, so that half-closed
// connections (exec, port-forward) work.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
