package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// door is where the agent takes questions: a name in the pod's own network, so
// that it needs no place to write.
const door = "@probe"

// beAgent attacks when it is asked to: the process that attacks is the agent's
// own, not one that somebody else started beside it.
func beAgent(words []string) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if len(words) == 2 && words[0] == "--hide" {
		if err := hide(words[1]); err != nil {
			return err
		}
	} else if len(words) > 0 {
		return fmt.Errorf("%s", usage)
	}
	listener, err := net.Listen("unix", door)
	if err != nil {
		return err
	}
	if err := listenAt(agentPort); err != nil {
		return err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				var question Question
				if err := json.NewDecoder(connection).Decode(&question); err != nil {
					fmt.Fprintln(os.Stderr, "probe: a question that is none:", err)
					return
				}
				_ = json.NewEncoder(connection).Encode(answer(question))
			}()
		}
	}()
	<-stop
	// Zero would be "done", also where the kubelet evicts.
	return errors.New("told to end")
}

// hide writes what no other agent is to read.
func hide(text string) error {
	folder := filepath.Join("/workspace/agents", os.Getenv("LAZARUS_AGENT"))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	// By their modes anybody may read it: the level is what has to stop them.
	return os.WriteFile(filepath.Join(folder, "secret"), []byte(text), 0o644)
}

func ask(from io.Reader, to io.Writer) error {
	connection, err := net.Dial("unix", door)
	if err != nil {
		return err
	}
	defer connection.Close()
	if _, err := io.Copy(connection, from); err != nil {
		return err
	}
	_, err = io.Copy(to, connection)
	return err
}
