package providers_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/cardflo"
	"github.com/counterfoil/counterfoil/services/providers/cashflows"
	"github.com/counterfoil/counterfoil/services/providers/cloudflow"
	"github.com/counterfoil/counterfoil/services/providers/cloudpayments"
	"github.com/counterfoil/counterfoil/services/providers/handpoint"
)

var update = flag.Bool("update", false, "write docs/decline-reasons.md anew")

// systems are the five with their codes, in the order of COVERAGE.md.
var systems = []struct {
	name, title string
	codes       []providers.Code
}{
	{"cardflo", "Cardflo", cardflo.Codes()},
	{"handpoint", "Handpoint", handpoint.Codes()},
	{"cashflows", "Cashflows", cashflows.Codes()},
	{"cloudflow", "CloudFlow", cloudflow.Codes()},
	{"cloudpayments", "Cloud Payments", cloudpayments.Codes()},
}

func TestEveryListedCodeHasAReasonThatIsToldInFull(t *testing.T) {
	told := domain.Reasons()
	for _, s := range systems {
		if len(s.codes) == 0 {
			t.Errorf("%s lists no code", s.name)
		}
		seen := map[string]bool{}
		for _, c := range s.codes {
			key := c.List + ": " + c.Code
			if c.List == "" || c.Code == "" || seen[key] {
				t.Errorf("%s: %q is empty or listed twice", s.name, key)
			}
			seen[key] = true
			if !slices.Contains(told, c.Reason) {
				t.Errorf("%s, %s: nothing is told of the reason %q", s.name, key, c.Reason)
				continue
			}
			e := c.Reason.Explain()
			if e.What == "" || e.Do == "" || e.Say == "" || e.Advice.Words() == "" || c.Reason.Label() == "" {
				t.Errorf("%s, %s: %q is not told in full: %+v", s.name, key, c.Reason, e)
			}
		}
	}
}

// rowCode finds the codes in the first cell of a row of COVERAGE.md, by section.
// Rows of what is no code have none.
var rowCode = map[string][]*regexp.Regexp{
	"cardflo": {regexp.MustCompile(`^(\d{4}) `)},
	"handpoint": {
		regexp.MustCompile(`^(\d{4}) `), regexp.MustCompile(`^(DECLINED|FAILED|CANCELLED)$`), regexp.MustCompile(`^(422) `), regexp.MustCompile(`(VALIDATION_FAILED)`),
		regexp.MustCompile(`^(401|403)$`),
	},
	"cashflows": {
		regexp.MustCompile(`^Remote (\w+),`), regexp.MustCompile(`^Error \d+: “([^”]+)”`), regexp.MustCompile(`^Error \d+: .*\((\w+)\)$`), regexp.MustCompile(`^HTTP ([45]\d\d) `),
		regexp.MustCompile(`^Payment status (Cancelled|Failed|Rejected|Expired|Blocked|Declined)$`), regexp.MustCompile(`^(?:Capture|Refund) status (Failed)$`),
	},
	"cloudflow":     {regexp.MustCompile("^\\d{3} `(\\w+)`$")},
	"cloudpayments": {regexp.MustCompile("^4\\d\\d `(\\D[^`]+)`")},
}

func TestEveryDocumentedCodeIsInATable(t *testing.T) {
	raw, err := os.ReadFile("COVERAGE.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]map[string]bool{}
	for _, s := range systems {
		listed[s.name] = map[string]bool{}
		for _, c := range s.codes {
			listed[s.name][c.Code] = true
		}
	}
	found, section := map[string]int{}, ""
	for _, line := range strings.Split(string(raw), "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section, _, _ = strings.Cut(title, ":")
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 {
			continue
		}
		what := strings.TrimSpace(cells[0])
		for _, re := range rowCode[section] {
			m := re.FindStringSubmatch(what)
			if m == nil {
				continue
			}
			found[section]++
			if !listed[section][m[1]] {
				t.Errorf("%s: COVERAGE.md has %q, and no table translates it", section, m[1])
			}
		}
	}
	// Fewer means that the rows are no longer read.
	for section, least := range map[string]int{"cardflo": 53, "handpoint": 14, "cashflows": 130, "cloudflow": 10, "cloudpayments": 6} {
		if found[section] < least {
			t.Errorf("%s: only %d codes were found in COVERAGE.md, expected %d", section, found[section], least)
		}
	}
}

// TestTheDocumentOfReasonsIsTrue holds docs/decline-reasons.md to the code. Write
// it anew with: go test ./services/providers -run Reasons -update
func TestTheDocumentOfReasonsIsTrue(t *testing.T) {
	const path = "../../docs/decline-reasons.md"
	want := document()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/decline-reasons.md is not what the code says; write it anew with: go test ./services/providers -run TheDocumentOfReasons -update")
	}
}

func document() string {
	var b strings.Builder
	b.WriteString(`# Decline reasons

Why a payment or another operation did not go through, as pages say it. This file is written by a test from the code
(` + "`services/domain/reason.go`" + ` and each adapter's ` + "`Codes`" + `); after a change: ` + "`go test ./services/providers -run TheDocumentOfReasons -update`" + `.

A provider's code becomes one of the reasons below, and the provider's own code and words stay in the payment's timeline. A code that no table has,
or whose document gives no reason, becomes none of ours: the page quotes the provider, “The provider said “…” (code “…”).”, or, where it gave no
words, “The provider gave the code “…” and no words.” A code that decides nothing leaves the outcome unknown, and its words are shown only where the
provider says besides that it has ended. The customer is never told of theft or suspicion.

The words for the customer are those of a sale. Of a refund or a payout that cannot go back to the card the page says:
“` + refundOf(domain.ReasonClosedAccount).Say + `”, and of any other:
“` + refundOf(domain.ReasonUnreachable).Say + `” What nobody waits for at the counter, such as a capture or a void,
has no words for the customer.

## May it be tried again

Card schemes' practice: what the issuer will never approve must not be sent again, what it cannot approve now may be sent on another day, and what
was wrong may be sent once it is put right.

| advice | words |
|---|---|
`)
	for _, a := range domain.RetryAdvices {
		fmt.Fprintf(&b, "| `%s` | %s |\n", a, a.Words())
	}
	b.WriteString("\n## The reasons\n\n| reason | label | what happened | what to do | say to the customer | may it be tried again |\n|---|---|---|---|---|---|\n")
	for _, r := range domain.Reasons() {
		e := r.Explain()
		if r == domain.ReasonUnmapped {
			e.What = "(the provider’s own words and code)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | “%s” | %s |\n", r, r.Label(), e.What, e.Do, e.Say, e.Advice.Words())
	}
	for _, s := range systems {
		fmt.Fprintf(&b, "\n## %s\n\n| list | code | reason |\n|---|---|---|\n", s.title)
		for _, c := range s.codes {
			reason := "`" + string(c.Reason) + "`"
			if c.Reason == domain.ReasonUnmapped {
				reason = "the provider’s own words"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.List, c.Code, reason)
		}
	}
	return b.String()
}

func refundOf(r domain.Reason) domain.Explanation {
	return domain.Transaction{Type: domain.Refund, Status: domain.TxDeclined, Reason: r}.Explain()
}
