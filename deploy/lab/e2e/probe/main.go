// Command probe is what the tests of the lab run in its pods. It has one answer
// a line on standard output.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"time"
)

// patience is how long a packet may be under way before it counts as dropped.
const patience = time.Second

func main() {
	if len(os.Args) < 3 {
		fail("probe listen PROTOCOL:PORT... | dial PROTOCOL ADDRESS | insist PROTOCOL ADDRESS | write FILE")
	}
	switch command, words := os.Args[1], os.Args[2:]; command {
	case "listen":
		listen(words)
	case "dial":
		say(reaches(words[0], words[1]))
	case "insist":
		insist(words[0], words[1])
	case "write":
		if err := os.WriteFile(words[0], []byte("written\n"), 0o640); err != nil {
			fail(err.Error())
		}
		fmt.Println("written")
		forever()
	default:
		fail("no command " + command)
	}
}

// listen answers whoever comes with what they say.
func listen(ports []string) {
	for _, each := range ports {
		protocol, port, _ := bytes.Cut([]byte(each), []byte(":"))
		if string(protocol) == "udp" {
			socket, err := net.ListenPacket("udp", ":"+string(port))
			if err != nil {
				fail(err.Error())
			}
			go func() {
				buffer := make([]byte, 100)
				for {
					if n, from, err := socket.ReadFrom(buffer); err == nil {
						_, _ = socket.WriteTo(buffer[:n], from)
					}
				}
			}()
			continue
		}
		listener, err := net.Listen("tcp", ":"+string(port))
		if err != nil {
			fail(err.Error())
		}
		go func() {
			for {
				if connection, err := listener.Accept(); err == nil {
					connection.Close()
				}
			}
		}()
	}
	fmt.Println("listening")
	forever()
}

func reaches(protocol, address string) bool {
	connection, err := net.DialTimeout(protocol, address, patience)
	if err != nil {
		return false
	}
	defer connection.Close()
	if protocol == "tcp" {
		return true
	}
	_ = connection.SetDeadline(time.Now().Add(patience))
	if _, err := connection.Write([]byte("ping")); err != nil {
		return false
	}
	answer := make([]byte, 100)
	n, err := connection.Read(answer)
	return err == nil && string(answer[:n]) == "ping"
}

// insist tries from its first moment on, to see whether there is a moment in
// which it is let through.
func insist(protocol, address string) {
	for range 40 {
		connection, err := net.DialTimeout(protocol, address, 50*time.Millisecond)
		if err == nil {
			connection.Close()
			say(true)
			forever()
		}
	}
	say(false)
	forever()
}

// forever keeps the container: one that ends is started again.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

func say(reached bool) {
	if reached {
		fmt.Println("reached")
		return
	}
	fmt.Println("not reached")
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
