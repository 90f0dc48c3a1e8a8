package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// acts do harm that shows elsewhere: whoever asks for one looks there.
var acts = map[string]func(Question) Finding{
	"P36": bombWithProcesses,
	"P37": bombWithMemory,
	"P38": fillTheDisk,
	"P41": flood,
	// No harm: whether others are still served.
	"served":   beServed,
	"reported": beHeard,
}

const (
	manyThreads     = 5000
	manyConnections = 4000
	// muchDisk is more than the limit of who does it, and little for the machine.
	muchDisk = 200
	mebibyte = 1 << 20
)

// bombWithProcesses has a child make threads until it may not: they count as
// processes do, and take less memory.
func bombWithProcesses(Question) Finding {
	child := exec.Command("/proc/self/exe", "threads")
	output, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		return Finding{Probe: "P36", Detail: err.Error()}
	}
	made := 0
	for lines := bufio.NewScanner(output); made < manyThreads && lines.Scan(); {
		made++
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	return Finding{Probe: "P36", Succeeded: made >= manyThreads, Count: made, Detail: fmt.Sprintf("%d threads", made)}
}

// makeThreads prints a line for each; the runtime ends the process when the
// kernel gives no more.
func makeThreads() error {
	for range manyThreads {
		began := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(began)
			select {}
		}()
		<-began
		fmt.Println("one")
	}
	return nil
}

// bombWithMemory takes all it can get, in the agent's own process.
func bombWithMemory(Question) Finding {
	var held [][]byte
	for range 1 << 16 {
		piece := make([]byte, mebibyte)
		for i := 0; i < len(piece); i += 4096 {
			piece[i] = 1
		}
		held = append(held, piece)
	}
	return Finding{Probe: "P37", Succeeded: true, Detail: fmt.Sprintf("%d MiB", len(held))}
}

// fillTheDisk writes where it can, and to its log.
func fillTheDisk(Question) Finding {
	piece := make([]byte, mebibyte)
	var said []string
	for _, folder := range []string{"/tmp", "/var/tmp"} {
		file, err := os.Create(filepath.Join(folder, "full"))
		for i := 0; err == nil && i < muchDisk; i++ {
			_, err = file.Write(piece)
		}
		said = append(said, fmt.Sprintf("%s: %v", folder, err))
	}
	line := strings.Repeat("flood ", 1000)
	for range 20 * mebibyte / len(line) {
		fmt.Println(line)
	}
	return Finding{Probe: "P38", Succeeded: true, Detail: strings.Join(said, "; ")}
}

// flood opens connections and holds them, each as long as it is left.
func flood(question Question) Finding {
	end := time.Now().Add(time.Duration(question.Network.Seconds) * time.Second)
	var lock sync.Mutex
	opened := 0
	var group sync.WaitGroup
	for range manyConnections {
		group.Go(func() {
			for time.Now().Before(end) {
				connection, err := net.DialTimeout("tcp", question.Network.Gateway, silence)
				if err != nil {
					// Refused at once perhaps: not as fast as a processor can.
					time.Sleep(100 * time.Millisecond)
					continue
				}
				lock.Lock()
				opened++
				lock.Unlock()
				_ = connection.SetDeadline(end)
				_, _ = connection.Read(make([]byte, 1))
				_ = connection.Close()
			}
		})
	}
	group.Wait()
	return Finding{Probe: "P41", Count: opened, Detail: fmt.Sprintf("%d connections opened", opened)}
}

// beServed says something and waits for it to come back.
func beServed(question Question) Finding {
	err := func() error {
		connection, err := net.DialTimeout("tcp", question.Network.Gateway, silence)
		if err != nil {
			return err
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(silence))
		if _, err := connection.Write([]byte("hello")); err != nil {
			return err
		}
		_, err = connection.Read(make([]byte, 10))
		return err
	}()
	return Finding{Probe: "served", Succeeded: err == nil, Detail: fmt.Sprint(brief(err))}
}

// beHeard reports for the agent itself. That it reports too often is an answer as well.
func beHeard(question Question) Finding {
	code, err := post("https://"+question.Network.Gateway+"/beat", question.Network.Tokens["own"], `{"protocol":1,"agent":"Healthy"}`)
	heard := code == http.StatusOK || code == http.StatusTooManyRequests
	return Finding{Probe: "reported", Succeeded: heard, Count: code, Detail: fmt.Sprint(brief(err))}
}
