package main

import (
	"fmt"
	"net"
	"os"

	"lazarus-pit.io/lab/internal/detour"
	"lazarus-pit.io/lab/internal/place"
)

const detourUsage = `usage: lab.sh detour

Says "leads ADDRESS:PORT": what is sent there, from inside the lab, goes to the
API server, whose certificate it has. It ends when its standard input does, and
takes orders from there:

  hold METHOD PATH TEXT    hold back the next request of this kind with TEXT in its body, and refuse others like it
  pass                     refuse them no more
  release                  let the held one go on, whether or not its sender is still there

It says "held METHOD PATH", and "landed STATUS ..." with the object's name and UID, or the reason why not.
`

// runDetour replaces this program by itself inside the tree.
func runDetour(known settings, arguments []string) error {
	if len(arguments) > 0 && wantsHelp(arguments) {
		fmt.Print(detourUsage)
		return nil
	}
	if _, err := parse(newFlags("detour"), arguments, 0); err != nil {
		return err
	}
	_, pid, err := running(known)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return enter(pid, []string{program, detour.Command, net.JoinHostPort(place.Node{Number: 1}.Address(), "0")})
}
