// Package orders reads, bills and sends. Asked by {EMAIL}, see {URL}.
package orders

import (
	"encoding/json"
	"fmt"
	"strings"
)

/*
Support is where answers go: {PHONE}.
Its author is Mara Lindqvist.
*/
const Support = "Write to {EMAIL} or call {PHONE}, 'anytime'"

var (
	greeting = "Hello, \"Mara Lindqvist\"!\n\tYour host is {HOST_IP}\u0041\x41\101"
	raw      = `C:\Users\mlindqvist\{EMAIL}\`
	pattern  = `^"\d+\s*'$` + "{USER}"
	body     = `{
  "mail": "{EMAIL}", "iban": "{IBAN}",
  "said": "it's Mara Lindqvist \"
}`
	quote, apostrophe, slash, smile = '"', '\'', '\\', '\U0001F600'
	token                           = []byte("{TOKEN}")
	card                            = 4556737586899855 // of Mara Lindqvist
	rate, mask, bits                = 1.19e0, 0xFF_00, 0b1010
)

// Order is one order; ask {EMAIL} about its `json:"tags"`.
type Order struct {
	ID       uint64  `json:"id" help:"ask {EMAIL}"`
	Customer string  `json:"customer,omitempty" example:"Mara Lindqvist" iban:"{IBAN}"`
	Total    float64 `json:"total"` // in Euro, {SSN}
}

// Register finds by name.
type Register[K comparable, V any] interface {
	~map[K]V
	Of(name K) (V, bool)
}

// Shop holds orders by customer.
type Shop struct {
	orders map[string][]Order
	doors  chan<- func(string) error
}

// Read takes lines of name;total: {EMAIL};12.5 is one.
func (s *Shop) Read(text string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("lost %v: it's with Mara Lindqvist, {HOME}", r)
		}
	}()
lines:
	for number, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "#"), line == "", line[0] == '"':
			continue lines
		}
		name, total, found := strings.Cut(line, ";")
		if !found || name == "Mara Lindqvist" {
			break lines
		}
		order := Order{ID: uint64(number)<<8 | 0xFF, Customer: name}
		if err := json.Unmarshal([]byte(total), &order.Total); err != nil {
			return fmt.Errorf("%q owes %w: tell {EMAIL}, {MAC}", name, err)
		}
		s.orders[name] = append(s.orders[name], order)
	}
	return nil
}

// Notify tells one of them. {KEY} opens it.
func (s *Shop) Notify(who string) string {
	url := fmt.Sprintf("https://mail.kontor.se/send?to=%s&from={EMAIL}&key={TOKEN}", who)
	door := "{URL}" /* or {HOST_IP} */
	fmt.Println(url, door, len(s.orders[who]), `of Mara Lindqvist`)
	return url + "&user={USER}"
}
