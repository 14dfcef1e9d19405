package payments

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/counterfoil/counterfoil/services/money"
)

var pasteRows = []PasteRow{
	{Reference: "7K2M04Q9", Currency: money.MustCurrency("GBP")},
	{Reference: "9TQ3MC7K", Currency: money.MustCurrency("GBP"), Denied: "Its batch is closed."},
	{Reference: "WGCNG4FW", Currency: money.MustCurrency("GBP")},
	{Reference: "PQJ5CFRX", Currency: money.MustCurrency("JPY")},
}

func TestPastedCellsAreReadExactlyOrNotAtAll(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		from       int
		tips       string // of the rows, in their order
		problems   []string
	}{
		{"tabs", "7K2M04Q9\t5.00\nWGCNG4FW\t2.50", 0, "5.00 - 2.50 -", nil},
		{"semicolons, a heading and quotes", "Reference;Tip\n\"7K2M04Q9\";\"5.00\"\n", 0, "5.00 - - -", nil},
		{"commas behind references", "7K2M04Q9,5.00\r\nPQJ5CFRX,500\r\n", 0, "5.00 - - 500", nil},
		{"an old Mac's line ends, lower case, spaces", " 7k2mO4q9 \t 5.00 \rWGCNG4FW\t1\r", 0, "5.00 - 1.00 -", nil},
		{"signs and codes of the row's own currency", "7K2M04Q9\t£5.00\nWGCNG4FW\t2.50 GBP", 0, "5.00 - 2.50 -", nil},
		{"another currency's sign", "7K2M04Q9\t€5.00", 0, "- - - -", []string{"1 7K2M04Q9: Write the amount"}},
		{"no tip and nothing behind it leave the row", "7K2M04Q9\t\nWGCNG4FW\n\n", 0, "- - - -", nil},
		{"zero takes it away", "7K2M04Q9\t0", 0, "0.00 - - -", nil},
		{"decimal commas", "7K2M04Q9\t5,00\nWGCNG4FW,2,50", 0, "- - - -", []string{"1 7K2M04Q9: Write the amount with digits and a point, without commas", "2 WGCNG4FW: Write the amount with digits and a point, without commas"}},
		{"thousands", "7K2M04Q9\t1,234.00", 0, "- - - -", []string{"1 7K2M04Q9: Write the amount"}},
		{"too few decimals", "7K2M04Q9\t5.5", 0, "- - - -", []string{"1 7K2M04Q9: Write 5.50."}},
		{"decimals of a currency without", "PQJ5CFRX\t500.00", 0, "- - - -", []string{"1 PQJ5CFRX: JPY has no decimals"}},
		{"a minus", "7K2M04Q9\t-5.00", 0, "- - - -", []string{"1 7K2M04Q9: Write the amount without a sign"}},
		{"an unknown sale", "ZZZZZZZZ\t1.00\nnonsense\t1.00", 0, "- - - -", []string{"1 There is no sale “ZZZZZZZZ”", "2 There is no sale “nonsense”"}},
		{"one sale twice", "7K2M04Q9\t1.00\nWGCNG4FW\t1.00\n7K2M04Q9\t2.00", 0, "- - 1.00 -", []string{"3 7K2M04Q9 stands in line 1 already. Neither was taken."}},
		{"a sale without a field", "9TQ3MC7K\t1.00", 0, "- - - -", []string{"1 The tip of 9TQ3MC7K cannot be set. Its batch is closed."}},
		{"three columns", "7K2M04Q9\t14:32\t1.00", 0, "- - - -", []string{"1 This line has 3 columns"}},
		{"one column goes down the fields", "Tip\n1.00\n\n300\n", 0, "1.00 - - 300", nil},
		{"one column from a row", "1.00\n200", 1, "- - 1.00 200", nil},
		{"one column that is too long", "1.00\n1.00\n100\n1.00", 0, "1.00 - 1.00 100", []string{"4 There is no row left"}},
		{"one column with a decimal comma", "5,00", 0, "- - - -", []string{"1 Write the amount with digits and a point, without commas"}},
		{"nothing", " \n\n", 0, "- - - -", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tips, problems := ReadTips(tt.text, pasteRows, tt.from)
			var got []string
			for _, r := range pasteRows {
				if a, ok := tips[r.Reference]; ok {
					got = append(got, a.Major())
				} else {
					got = append(got, "-")
				}
			}
			if s := strings.Join(got, " "); s != tt.tips {
				t.Errorf("the tips are %q, want %q", s, tt.tips)
			}
			if len(problems) != len(tt.problems) {
				t.Fatalf("the problems are %v, want %v", problems, tt.problems)
			}
			for i, p := range problems {
				if s := fmt.Sprintf("%d %s", p.Line, p.Text); !strings.HasPrefix(s, tt.problems[i]) {
					t.Errorf("problem %d is %q, want %q", i, s, tt.problems[i])
				}
			}
		})
	}
	if _, problems := ReadTips(strings.Repeat("1.00\n", maxPaste+1), pasteRows, 0); len(problems) != 1 {
		t.Errorf("too many lines: %v", problems)
	}
}

// Whatever is pasted: a tip is taken only for a row with a field, and it is an
// amount that a line itself spells out.
func TestNothingPastedBecomesAnotherAmount(t *testing.T) {
	separators := rapid.SampledFrom([]string{"\t", ";", ","})
	amounts := rapid.OneOf(rapid.Custom(func(t *rapid.T) string {
		return money.FromMinor(int64(rapid.IntRange(0, 1_000_000).Draw(t, "minor")), pasteRows[0].Currency).Major()
	}), rapid.SampledFrom([]string{"", "5,00", "1.5", "-1.00", "£3.00", "x", "1e3", "12", "0", "1,234.56"}), rapid.StringN(0, 6, 12))
	references := rapid.OneOf(rapid.SampledFrom([]string{"7K2M04Q9", "9TQ3MC7K", "WGCNG4FW", "PQJ5CFRX", "ZZZZZZZZ", "7k2m04q9", ""}), rapid.StringN(0, 9, 12))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "lines")
		lines := make([]string, n)
		for i := range lines {
			ref, amount := references.Draw(t, "reference"), amounts.Draw(t, "amount")
			lines[i] = ref + separators.Draw(t, "separator") + amount
		}
		text := strings.Join(lines, "\n")
		tips, problems := ReadTips(text, pasteRows, rapid.IntRange(-1, 5).Draw(t, "from"))
		for ref, tip := range tips {
			row := PasteRow{Denied: "not there"}
			for _, r := range pasteRows {
				if r.Reference == ref {
					row = r
				}
			}
			if row.Denied != "" || tip.IsNegative() || tip.Currency() != row.Currency {
				t.Fatalf("a tip of %v was taken for %s", tip, ref)
			}
			if !strings.Contains(text, tip.Major()) && !strings.Contains(text, strings.TrimSuffix(tip.Major(), ".00")) {
				t.Fatalf("%s stands in no line of %q", tip.Major(), text)
			}
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > len(pastedLines(text)) || p.Text == "" {
				t.Fatalf("a problem without its line or words: %+v", p)
			}
		}
	})
}
