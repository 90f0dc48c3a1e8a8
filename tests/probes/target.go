package main

import (
	"errors"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	agentPort = 9000
	// poorPort serves one after the other, whoever comes: what becomes of a server that nobody hardened.
	poorPort     = 9200
	namePort     = 53
	metadataPort = 80
	answerName   = "secret.tunnel.example."
)

// resolved is what the target says of every name.
var resolved = [4]byte{192, 0, 2, 53}

func beTarget() error {
	if err := errors.Join(listenAt(agentPort), listenAt(metadataPort), listenPoor(), listenNames()); err != nil {
		return err
	}
	select {}
}

// listenAt says back whatever comes.
func listenAt(port int) error {
	address := ":" + strconv.Itoa(port)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	go accept(listener, func(connection net.Conn) { go echo(connection) })
	go func() {
		buffer := make([]byte, 100)
		for {
			if n, from, err := socket.ReadFrom(buffer); err == nil {
				_, _ = socket.WriteTo(buffer[:n], from)
			}
		}
	}()
	return nil
}

func accept(listener net.Listener, serve func(net.Conn)) {
	for {
		if connection, err := listener.Accept(); err == nil {
			serve(connection)
		}
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 100)
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	if n, err := connection.Read(buffer); err == nil {
		_, _ = connection.Write(buffer[:n])
	}
}

// listenPoor waits for what each connection says before it looks at the next.
func listenPoor() error {
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(poorPort))
	if err != nil {
		return err
	}
	go accept(listener, echo)
	return nil
}

func listenNames() error {
	address := ":" + strconv.Itoa(namePort)
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				continue
			}
			if reply, err := nameReply(buffer[:n]); err == nil {
				_, _ = socket.WriteTo(reply, from)
			}
		}
	}()
	// Over TCP a message has its length before it.
	go accept(listener, func(connection net.Conn) {
		go func() {
			defer connection.Close()
			_ = connection.SetDeadline(time.Now().Add(time.Minute))
			buffer := make([]byte, 1500)
			n, err := connection.Read(buffer)
			if err != nil || n < 2 {
				return
			}
			if reply, err := nameReply(buffer[2:n]); err == nil {
				_, _ = connection.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...))
			}
		}()
	})
	return nil
}

func nameReply(text []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(text); err != nil {
		return nil, err
	}
	message.Response, message.Authoritative, message.Additionals = true, true, nil
	for _, question := range message.Questions {
		if question.Type == dnsmessage.TypeA {
			message.Answers = append(message.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: resolved},
			})
		}
	}
	return message.Pack()
}
