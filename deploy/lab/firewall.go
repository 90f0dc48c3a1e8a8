package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"lazarus-pit.io/lab/internal/firewall"
)

const firewallUsage = `usage: lab.sh firewall block --from WHO --to WHO   cut two off from each other
       lab.sh firewall list [-o json]             what is cut, and how many packets that cost
       lab.sh firewall clear --from WHO --to WHO  end one cut
       lab.sh firewall clear                      end all; they end with the lab too

WHO is one of:
  lab-1                    a node: its pods and, towards the API server, its kubelet
  api                      the API server, also by its Service
  10.244.0.7               an address, or a range such as 10.244.0.0/20
  10.96.12.1:443           a port of an address, TCP and UDP

Packets are dropped both ways, those of connections that exist as well. A pod's
own address is in kubectl get pods -o wide. The address of a Service stands for
what is sent to the Service; a pod's own port is still reached directly.
`

// firewallOrder is what was asked for on the command line.
type firewallOrder struct{ verb, from, to, format string }

func parseFirewall(arguments []string) (firewallOrder, error) {
	var order firewallOrder
	flags := newFlags("firewall")
	flags.StringVar(&order.from, "from", "", "")
	flags.StringVar(&order.to, "to", "", "")
	flags.StringVar(&order.format, "o", "table", "")
	words, err := parse(flags, arguments, 1)
	if err != nil {
		return order, err
	}
	order.verb = words[0]
	both, none := order.from != "" && order.to != "", order.from == "" && order.to == ""
	switch order.verb {
	case "block":
		if !both {
			return order, usageError("firewall block needs --from WHO and --to WHO")
		}
	case "clear":
		if !both && !none {
			return order, usageError("firewall clear: both --from WHO and --to WHO, or neither")
		}
	case "list":
		if !none {
			return order, usageError("firewall list takes no --from and --to")
		}
		if order.format != "json" && order.format != "table" {
			return order, usageError("firewall list -o: json or table")
		}
	default:
		return order, usageError(fmt.Sprintf("no command firewall %q: there are block, clear, list", order.verb))
	}
	return order, nil
}

func runFirewall(known settings, arguments []string) error {
	if wantsHelp(arguments) {
		fmt.Print(firewallUsage)
		return nil
	}
	order, err := parseFirewall(arguments)
	if err != nil {
		return err
	}
	lab, pid, err := running(known)
	if err != nil {
		return err
	}
	wall := firewall.Firewall{Lab: lab, PID: pid}
	switch {
	case order.verb == "block":
		return wall.Block(order.from, order.to)
	case order.verb == "clear" && order.from != "":
		return wall.Clear(order.from, order.to)
	case order.verb == "clear":
		return wall.ClearAll()
	}
	cuts, err := wall.List()
	if err != nil {
		return err
	}
	if order.format == "json" {
		text, err := json.MarshalIndent(cuts, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Println(string(text))
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FROM\tTO\tPACKETS DROPPED")
	for _, cut := range cuts {
		fmt.Fprintf(table, "%s\t%s\t%d\n", cut.From, cut.To, cut.Dropped)
	}
	return table.Flush()
}

// wantsHelp says whether a command is asked about, and not given.
func wantsHelp(arguments []string) bool {
	return len(arguments) == 0 || arguments[0] == "-h" || arguments[0] == "--help" || arguments[0] == "help"
}
