package e2e_test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/playwright-community/playwright-go"
)

// spellings are how a card number may stand somewhere: bare, in fours, and as bytes that a database prints in hex.
func spellings(pan string) []string {
	fours := []string{pan[:4], pan[4:8], pan[8:12], pan[12:]}
	out := []string{pan, strings.Join(fours, " "), strings.Join(fours, "-"), strings.Join(fours, "+"), strings.Join(fours, "%20")}
	for _, s := range out[:3] {
		out = append(out, hex.EncodeToString([]byte(s)))
	}
	return out
}

func TestCardNumberNeverReachesTheProduct(t *testing.T) {
	t.Parallel()
	const inFrame, onPage, everywhere = "5412753456789002", "4929123456789015", "4111111111111111"
	v := visit(t, shop, options{as: duneOwner})
	var mu sync.Mutex
	var sent []string // what the browser sent to the product, addresses included
	v.ctx.OnRequest(func(r playwright.Request) {
		if !strings.HasPrefix(r.URL(), shop.url) {
			return
		}
		body, _ := r.PostData()
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.URL()+"\n"+body)
	})
	v.saleByFrame("2.111", "PAN-PROBE-FRAME", inFrame)
	v.sees("Declined. Nothing was taken.", "9002")
	v.takeForm("Card by phone")
	v.choose("Provider’s own page")
	v.fill(v.amount(), "2.112")
	v.fill(v.order(), "PAN-PROBE-PAGE")
	v.click(v.charge())
	v.at(paymentPage)
	v.typeCard(v.box(), onPage)
	must(t, v.box().GetByRole("button", playwright.FrameLocatorGetByRoleOptions{Name: regexp.MustCompile("^Pay ")}).Click())
	v.sees("Declined. Nothing was taken.", "9015")
	v.saleByFrame("2.113", "PAN-PROBE-TAKEN", everywhere)
	v.sees("2.113 KWD taken")

	// Each place must hold what we look for by its side, or the search is blind there.
	mu.Lock()
	places := map[string]string{"the browser's requests": strings.Join(sent, "\n")}
	mu.Unlock()
	places["the product's log"] = shop.out.String()
	for _, provider := range []string{"cardflo", "handpoint"} {
		_, places["the journal of "+provider] = get(t, shop.emulator(provider).url+"journal")
	}
	for place, present := range map[string]string{"the browser's requests": "PAN-PROBE-FRAME", "the product's log": "listening on ", "the journal of cardflo": "/debit"} {
		if !strings.Contains(places[place], present) {
			t.Errorf("%s lacks %q: the search would find nothing there", place, present)
		}
	}
	db := shop.database(t, "counterfoil")
	tables, err := db.Query(`select format('%I.%I', table_schema, table_name) from information_schema.tables
		where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema') order by 1`)
	must(t, err)
	defer func() { _ = tables.Close() }()
	var names []string
	for tables.Next() {
		var name string
		must(t, tables.Scan(&name))
		names = append(names, name)
	}
	must(t, tables.Err())
	count := func(what string) (n int) {
		for _, name := range names {
			var here int
			must(t, db.QueryRow(fmt.Sprintf(`select count(*) from %s r where strpos(r::text, $1) > 0`, name), what).Scan(&here))
			if here > 0 && !strings.HasPrefix(what, "PAN-PROBE") {
				t.Errorf("%s holds a card number in %d rows", name, here)
			}
			n += here
		}
		return n
	}
	for _, table := range []string{"river.river_job", "public.payments", "public.sessions"} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+table+" ") {
			t.Errorf("%s was not searched, only %v", table, names)
		}
	}
	for _, probe := range []string{"PAN-PROBE-FRAME", "PAN-PROBE-PAGE", "PAN-PROBE-TAKEN"} {
		if count(probe) == 0 {
			t.Errorf("%s was not found in the database: the search is blind", probe)
		}
	}
	for _, pan := range []string{inFrame, onPage, everywhere} {
		for _, spelling := range spellings(pan) {
			count(spelling)
			for place, text := range places {
				if strings.Contains(text, spelling) {
					t.Errorf("%s holds a card number", place)
				}
			}
		}
	}
}

func TestCardNumberTypedIntoAnotherFieldIsRefusedAndNotKept(t *testing.T) {
	t.Parallel()
	const typed = "6011000990139424"
	v := visit(t, shop, options{as: owner})
	v.brings("422")
	v.fillSavedCard("27.11", typed)
	v.click(v.charge())
	v.sees("This looks like a card number.")
	v.look("card number in a reference")
	for _, spelling := range spellings(typed) {
		if strings.Contains(shop.out.String(), spelling) {
			t.Error("the log holds it")
		}
	}
	var n int
	must(t, shop.database(t, "counterfoil").QueryRow(`select (select count(*) from payments p where strpos(p::text, $1) > 0) + (select count(*) from sessions s where strpos(s::text, $2) > 0)`,
		typed, hex.EncodeToString([]byte(typed))).Scan(&n))
	if n != 0 {
		t.Errorf("the database holds it %d times", n)
	}
}
