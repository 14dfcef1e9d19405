package gallery

import (
	"regexp"
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/pages"
)

// worklistLinks and worklistActions are addresses of the worklists, and of what they lead to.
var (
	worklistLinks   = regexp.MustCompile(`^(/(tips|preauths|preauths\.csv|reviews|payments/open)(\?.*)?|/payments/[0-9a-f-]{36}/(review|capture|increase|decrease|void|refund)\?next=.*)$`)
	worklistActions = regexp.MustCompile(`^(/tips|/preauths|/preauths/alerts/seen|/payments/[0-9a-f-]{36}/review)$`)
)

func tipRow(n byte, ref string, sale, tip int64, ago time.Duration) pages.TipRow {
	return pages.TipRow{ID: domain.PaymentID{UUID: uuidOf(n)}, Reference: ref, At: now.Add(-ago), Card: domain.Card{Brand: "Visa", Last4: "1881"}, Status: domain.PaymentApproved,
		Sale: pounds(sale), Tip: pounds(tip), Total: pounds(sale + tip), Counted: true, Key: uuidOf(n).String()}
}

func tipSheet() pages.TipsView {
	v := pages.TipsView{Layout: layout(), Day: now.Add(-14 * time.Hour), Date: "2026-11-20", Key: uuidOf(99).String(), EarlierURL: "/tips?date=2026-11-19",
		Connections: []components.Option{{Value: uuidOf(1).String(), Label: "Restaurant"}, {Value: uuidOf(2).String(), Label: "Card by phone"}},
		Devices:     []components.Option{{Value: "1547854757", Label: "1547854757"}}}
	v.Rows = []pages.TipRow{
		tipRow(31, "WGCNG4FW", 4840, 500, 5*time.Hour), tipRow(32, "PQJ5CFRX", 3990, 0, 4*time.Hour), tipRow(33, "TE2Y96PJ", 9260, 0, 3*time.Hour),
		tipRow(34, "F7GGR633", 1234500, 0, 2*time.Hour), tipRow(35, "R4D0XJ6B", 1250, 0, time.Hour), tipRow(36, "6A7TRXXC", 3200, 0, 30*time.Minute), tipRow(37, "Q9J8Y8HG", 2150, 0, 20*time.Minute),
	}
	v.Rows[4].Key, v.Rows[4].Denied, v.Rows[4].Status, v.Rows[4].Counted = "", domain.DeniedOutcomeOpen.Words(), domain.PaymentUnknown, false
	v.Rows[5].Key, v.Rows[5].Denied = "", domain.DeniedBatchClosed.Words()
	v.Totals = []pages.TipTotal{{Currency: gbp, Tips: 1, Sales: pounds(1257940), Now: pounds(500), Then: pounds(500), Total: pounds(1258440), FixedThen: pounds(0), FixedTotal: pounds(3200), Out: 1, OutSum: pounds(1250)}}
	v.Steps = pages.Steps{Words: "7 sales on this page"}
	return v
}

func holdSheet() pages.HoldsView {
	v := pages.HoldsView{Layout: layout(), ExportURL: "/preauths.csv", Alerts: 2, CanSee: true,
		Totals:      []domain.HoldTotals{{Currency: gbp, Holds: 3, Held: pounds(61250), Lapsed: 1, LapsedSum: pounds(4000), Open: 1, OpenSum: pounds(12000)}},
		Connections: []components.Option{{Value: uuidOf(1).String(), Label: "Card by phone"}, {Value: uuidOf(2).String(), Label: "Restaurant"}},
		Steps:       pages.Steps{Words: "5 holds on this page", BeforeLabel: "Sooner", BehindLabel: "Later", BehindURL: "/preauths?after=x"}}
	for i, left := range []time.Duration{-2 * time.Hour, 5 * time.Hour, 2*24*time.Hour + time.Hour, 20 * 24 * time.Hour, 0} {
		p := payment(byte(41+i), []string{"5H8QW2TN", "WGCNG4FW", "R4D0XJ6B", "PQJ5CFRX", "TE2Y96PJ"}[i], domain.PaymentAuthorised, int64(4000+i*12000), time.Duration(i*49)*time.Hour)
		p.Authorised, p.OrderReference = p.Amount, "Room 12, Imogen & Theodore Warrington-Smythe"
		if left != 0 {
			p.ExpiresAt = now.Add(left)
		}
		row := pages.HoldRow{Payment: p}
		for _, a := range []string{"Capture", "Increase", "Decrease", "Void"} {
			row.Actions = append(row.Actions, pages.RowAction{Label: a, URL: "/payments/" + p.ID.String() + "/capture?next=%2Fpreauths"})
		}
		v.Rows = append(v.Rows, row)
	}
	v.Rows[2].Payment.Status, v.Rows[2].Actions, v.Rows[2].Why = domain.PaymentUnknown, nil, domain.DeniedBusy.Words()
	v.Rows[3].Payment.Captured = pounds(2000)
	return v
}

func unendedSheet() pages.UnendedView {
	v := pages.UnendedView{Layout: layout(), Counts: map[domain.TransactionStatus]int{domain.TxNeedsPerson: 1, domain.TxUnknown: 2, domain.TxProcessing: 1, domain.TxPending: 1},
		Steps: pages.Steps{Words: "5 operations on this page"}}
	for i, s := range []domain.TransactionStatus{domain.TxNeedsPerson, domain.TxUnknown, domain.TxUnknown, domain.TxProcessing, domain.TxPending} {
		p := payment(byte(51+i), []string{"5H8QW2TN", "WGCNG4FW", "R4D0XJ6B", "PQJ5CFRX", "TE2Y96PJ"}[i], domain.PaymentUnknown, int64(1250+i*2000), 0)
		x := domain.Transaction{ID: domain.TransactionID{UUID: uuidOf(byte(61 + i))}, PaymentID: p.ID, Type: domain.Sale, Status: s, Amount: p.Amount, CreatedAt: now.Add(-[]time.Duration{50 * time.Hour, 3 * time.Hour, 6 * time.Minute, 2 * time.Minute, 8 * time.Second}[i]),
			Asked: 7 - i, NextAskAt: now.Add(90 * time.Second)}
		row := pages.UnendedRow{Transaction: x, Payment: p, CanAsk: true, GivesUpAt: x.CreatedAt.Add(24 * time.Hour)}
		switch i {
		case 0:
			row.GivesUpAt = time.Time{}
		case 1:
			row.Transaction.Type = domain.Refund
		case 2:
			row.CanAsk, row.NoQuestion = false, true
		case 3:
			row.Transaction.ExpiresAt = now.Add(30 * time.Hour)
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func reviewSheet() pages.ReviewsView {
	v := pages.ReviewsView{Layout: layout(), Steps: pages.Steps{Words: "2 payments on this page"}}
	for i, p := range []domain.Payment{payment(71, "WGCNG4FW", domain.PaymentApproved, 99000, 12*time.Minute), payment(72, "PQJ5CFRX", domain.PaymentPartRefunded, 4250, 30*time.Hour)} {
		p.Review.State = domain.ReviewWaiting
		row := pages.ReviewRow{Payment: p, Said: []string{"", "Score 70, address and card of different countries"}[i]}
		for _, a := range []string{"Keep payment", "Void", "Refund"} {
			row.Actions = append(row.Actions, pages.RowAction{Label: a, URL: "/payments/" + p.ID.String() + "/review?next=%2Freviews"})
		}
		v.Rows = append(v.Rows, row)
	}
	return v
}

func worklistSamples(add func(string, templ.Component)) {
	empty := tipSheet()
	empty.Rows, empty.Totals = nil, nil
	add("tips-none", pages.Tips(empty))
	add("tips", pages.Tips(tipSheet()))
	typed := tipSheet()
	typed.Problem = "Nothing was sent. 2 rows need another look."
	typed.Rows[1].Typed, typed.Rows[1].Err = "5,00", "Write the amount with digits and a point, without commas or spaces, for example 12.50."
	typed.Rows[2].Typed, typed.Rows[2].Large, typed.Rows[2].Total = "20.00", "£20.00 is more than 20 % of £92.60.", pounds(11260)
	typed.Rows[2].Err = "Tick that it is meant, or change it."
	typed.Rows[6].Typed, typed.Rows[6].Total = "2.00", pounds(2350)
	typed.Wrong = []components.FieldError{{Field: "tip-PQJ5CFRX", Text: "PQJ5CFRX: " + typed.Rows[1].Err}, {Field: "tip-TE2Y96PJ", Text: "TE2Y96PJ: " + typed.Rows[2].Large + " " + typed.Rows[2].Err}}
	typed.Totals[0].Changed, typed.Totals[0].Tips, typed.Totals[0].Then, typed.Totals[0].Total = 2, 3, pounds(2700), pounds(1260640)
	add("tips-typed", pages.Tips(typed))
	pasted := tipSheet()
	pasted.Filled, pasted.Paste = "1 tip was put into its field. Look at it, then set it; nothing was sent yet.", "Reference\tTip\nPQJ5CFRX\t4.00\nZZZZZZZZ\t1.00"
	pasted.Problems = []pages.PasteLine{{Line: 3, Text: "There is no sale “ZZZZZZZZ” on this page of the worksheet."}}
	pasted.Rows[1].Typed, pasted.Rows[1].Total = "4.00", pounds(4390)
	add("tips-pasted", pages.Tips(pasted))
	done := tipSheet()
	done.Results = []string{"2 tips are set.", "1 tip was not accepted; the sale stays as it was.", "1 tip is being checked: the provider has not answered. Do not set it again.", "1 tip was not sent; its row says why."}
	set := components.TransactionStatus(domain.TxApproved)
	set.Word = "Set"
	checked := components.TransactionStatus(domain.TxUnknown)
	checked.Word = "Being checked"
	done.Rows[0].Result, done.Rows[1].Result = &pages.TipResult{Status: set}, &pages.TipResult{Status: set}
	done.Rows[2].Result = &pages.TipResult{Status: components.TransactionStatus(domain.TxDeclined), Words: "The bank declined it and gave no reason."}
	done.Rows[3].Result, done.Rows[3].Key = &pages.TipResult{Status: checked, Words: "Do not set it again; we ask the provider."}, ""
	done.Rows[5].Result = &pages.TipResult{Status: components.Status{Word: "Not sent", Tone: "warn", Icon: "triangle-alert", Loud: true}, Words: domain.DeniedBatchClosed.Words()}
	done.Rows[1].Tip, done.Rows[1].Total = pounds(450), pounds(4440)
	add("tips-results", pages.Tips(done))
	many := tipSheet()
	many.Layout.ManyCurrencies = true
	many.Rows = append(many.Rows, pages.TipRow{ID: domain.PaymentID{UUID: uuidOf(38)}, Reference: "9TQ3MC7K", At: now, Sale: money.FromMinor(1500, jpy), Tip: money.Zero(jpy), Total: money.FromMinor(1500, jpy), Counted: true, Key: uuidOf(38).String()})
	many.Totals = append(many.Totals, pages.TipTotal{Currency: jpy, Sales: money.FromMinor(1500, jpy), Now: money.Zero(jpy), Then: money.Zero(jpy), Total: money.FromMinor(1500, jpy), FixedThen: money.Zero(jpy), FixedTotal: money.Zero(jpy)})
	add("tips-many-currencies", pages.Tips(many))

	add("preauths", pages.Holds(holdSheet()))
	add("preauths-none", pages.Holds(pages.HoldsView{Layout: layout()}))
	wrong := holdSheet()
	wrong.Rows, wrong.Totals, wrong.Alerts, wrong.Within, wrong.Narrowed = nil, nil, 0, "soon", true
	wrong.Errors = map[string]string{"within": "Enter a number of days from 0 to 365."}
	add("preauths-bad-filter", pages.Holds(wrong))
	add("open-operations", pages.Unended(unendedSheet()))
	add("open-operations-none", pages.Unended(pages.UnendedView{Layout: layout()}))
	add("reviews", pages.Reviews(reviewSheet()))
	add("reviews-none", pages.Reviews(pages.ReviewsView{Layout: layout()}))
	form := pages.ReviewView{Layout: layout(), Payment: reviewSheet().Rows[0].Payment, Next: "/reviews", Note: "ok", Problem: "Nothing was changed.", Errors: map[string]string{"note": "Say in ten characters or more why you keep it."}}
	add("review", pages.Review(form))
	waiting := approved()
	waiting.Payment.Review.State = domain.ReviewWaiting
	add("payment-review", pages.Payment(waiting))
	o := overview()
	o.Holds, o.Reviews = 3, 1
	add("overview-worklists", pages.Overview(o))
}
