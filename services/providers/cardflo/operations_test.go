package cardflo

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
)

const (
	original = "abcde12345abcde12345"
	try      = "7b6dd4b5-1b8b-4b7e-9d3f-0a8a3c1b6a01"
	another  = `{"success":true,"uuid":"fghij67890fghij67890","purchaseId":20190927,"returnType":"FINISHED"}`
	onGoing  = `{"success":true,"scheduleId":"SC-1234-1234-1234-1234-1234-1234","registrationUuid":"abcde12345abcde12345","oldStatus":"ACTIVE","newStatus":"ACTIVE","scheduledAt":"2019-09-30T12:00:00+00:00"}`
	series   = "SC-1234-1234-1234-1234-1234-1234"
)

func minor(n int64, currency string) money.Amount {
	return money.FromMinor(n, money.MustCurrency(currency))
}

func called(c *providers.Config) { c.CallbackURL = "https://shop.example/webhooks/cardflo/7?k=v" }

func TestEveryOperationsRequest(t *testing.T) {
	sale := saleRequest()
	stored := saleRequest()
	stored.Token = "register:" + original
	more := saleRequest()
	more.Surcharge = minor(60, more.Amount.Currency().Code())
	held := more
	held.CaptureAfter = 90 * time.Minute
	follow := providers.FollowUp{Amount: minor(1250, "EUR"), AttemptRef: try, OriginalRef: original, OriginalType: domain.Preauth}
	start := time.Date(2019, 9, 30, 3, 0, 0, 0, time.FixedZone("", 7200))
	for _, c := range []struct {
		file, path, answer string
		call               func(*Adapter) error
	}{
		{"debit_with_callback", "transaction/my-api-key/debit", another, func(a *Adapter) error { _, err := a.SellByToken(t.Context(), sale); return err }},
		{"debit_by_stored_card", "transaction/my-api-key/debit", another, func(a *Adapter) error { _, err := a.SellByToken(t.Context(), stored); return err }},
		{"preauthorize_by_token", "transaction/my-api-key/preauthorize", another, func(a *Adapter) error { _, err := a.PreauthorizeByToken(t.Context(), sale); return err }},
		{"debit_with_surcharge", "transaction/my-api-key/debit", another, func(a *Adapter) error { _, err := a.SellByToken(t.Context(), more); return err }},
		{"preauthorize_captured_later", "transaction/my-api-key/preauthorize", another, func(a *Adapter) error { _, err := a.PreauthorizeByToken(t.Context(), held); return err }},
		{"preauthorize_by_page", "transaction/my-api-key/preauthorize", another, func(a *Adapter) error { _, err := a.PreauthorizeByPage(t.Context(), sale); return err }},
		{"capture_all", "transaction/my-api-key/capture", another, func(a *Adapter) error {
			_, err := a.Capture(t.Context(), providers.CaptureRequest{Amount: minor(1250, "EUR"), Tip: minor(250, "EUR"), AttemptRef: try, OriginalRef: original, Final: true})
			return err
		}},
		{"capture_part", "transaction/my-api-key/capture", another, func(a *Adapter) error {
			_, err := a.Capture(t.Context(), providers.CaptureRequest{Amount: minor(1250, "JPY"), AttemptRef: try, OriginalRef: original})
			return err
		}},
		{"void", "transaction/my-api-key/void", another, func(a *Adapter) error { _, err := a.VoidPreauth(t.Context(), follow); return err }},
		{"void_part", "transaction/my-api-key/void", another, func(a *Adapter) error {
			_, err := a.Decrease(t.Context(), providers.ChangeRequest{By: minor(1250, "KWD"), AttemptRef: try, OriginalRef: original})
			return err
		}},
		{"increment", "transaction/my-api-key/incrementalAuthorization", another, func(a *Adapter) error {
			_, err := a.Increase(t.Context(), providers.ChangeRequest{By: minor(1250, "EUR"), AttemptRef: try, OriginalRef: original})
			return err
		}},
		{"payout_by_token", "transaction/my-api-key/payout", another, func(a *Adapter) error {
			_, err := a.Payout(t.Context(), providers.PayoutRequest{Amount: minor(1250, "EUR"), AttemptRef: try, Token: sale.Token, Note: "prize"})
			return err
		}},
		{"payout_by_stored_card", "transaction/my-api-key/payout", another, func(a *Adapter) error {
			_, err := a.Payout(t.Context(), providers.PayoutRequest{Amount: minor(1250, "EUR"), AttemptRef: try, Token: stored.Token, Note: "prize"})
			return err
		}},
		{"payout_by_stored_card", "transaction/my-api-key/payout", another, func(a *Adapter) error {
			_, err := a.Payout(t.Context(), providers.PayoutRequest{Amount: minor(1250, "EUR"), AttemptRef: try, OriginalRef: original, Note: "prize"})
			return err
		}},
		{"register_by_token", "transaction/my-api-key/register", another, func(a *Adapter) error {
			_, err := a.Register(t.Context(), providers.RegisterRequest{AttemptRef: try, Token: sale.Token, OrderReference: "order 7", Email: sale.Email, ReturnURL: sale.ReturnURL})
			return err
		}},
		{"register_by_page", "transaction/my-api-key/register", another, func(a *Adapter) error {
			_, err := a.Register(t.Context(), providers.RegisterRequest{AttemptRef: try, ReturnURL: sale.ReturnURL})
			return err
		}},
		{"deregister", "transaction/my-api-key/deregister", another, func(a *Adapter) error {
			_, err := a.Deregister(t.Context(), providers.DeregisterRequest{AttemptRef: try, Token: stored.Token})
			return err
		}},
		{"refund_with_callback", "transaction/my-api-key/refund", another, func(a *Adapter) error {
			_, err := a.Refund(t.Context(), providers.RefundRequest{Amount: minor(1250, "EUR"), AttemptRef: try, OriginalRef: original, Note: "returned goods"})
			return err
		}},
		{"link", "transaction/my-api-key/debit", another, func(a *Adapter) error {
			_, err := a.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: sale, Expires: 90 * time.Minute, SendByEmail: true})
			return err
		}},
		{"link_plain", "transaction/my-api-key/debit", another, func(a *Adapter) error {
			_, err := a.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: sale})
			return err
		}},
		{"", "payByLink/6ba2b0e0d02ac342cc41/cancel", `{"success":true}`, func(a *Adapter) error {
			_, err := a.CancelLink(t.Context(), providers.Link{Result: providers.Result{CancelRef: "6ba2b0e0d02ac342cc41"}})
			return err
		}},
		{"schedule_start", "schedule/my-api-key/start", onGoing, func(a *Adapter) error {
			_, err := a.StartSchedule(t.Context(), providers.ScheduleRequest{RegistrationRef: "register:" + original, Amount: minor(999, "EUR"), Every: 6, Unit: "MONTH", StartAt: start, Note: "merchantRelevantData"})
			return err
		}},
		{"schedule_update", "schedule/my-api-key/" + series + "/update", onGoing, func(a *Adapter) error {
			_, err := a.UpdateSchedule(t.Context(), series, providers.ScheduleRequest{Amount: minor(999, "EUR"), Unit: "YEAR"})
			return err
		}},
		{"schedule_continue", "schedule/my-api-key/" + series + "/continue", onGoing, func(a *Adapter) error {
			_, err := a.ContinueSchedule(t.Context(), series, start)
			return err
		}},
		{"", "schedule/my-api-key/" + series + "/pause", onGoing, func(a *Adapter) error { _, err := a.PauseSchedule(t.Context(), series); return err }},
		{"", "schedule/my-api-key/" + series + "/cancel", onGoing, func(a *Adapter) error { _, err := a.CancelSchedule(t.Context(), series); return err }},
		{"", "schedule/my-api-key/" + series + "/get", onGoing, func(a *Adapter) error { _, err := a.GetSchedule(t.Context(), series); return err }},
		{"options", "options/my-api-key/banks", `{"success":true,"options":{}}`, func(a *Adapter) error {
			_, err := a.Options(t.Context(), "banks", map[string]string{"property1": "string", "property2": "string"})
			return err
		}},
	} {
		t.Run(c.path+" "+c.file, func(t *testing.T) {
			s := serve(t, 200, c.answer)
			if err := c.call(s.adapter(t, called)); err != nil {
				t.Fatal(err)
			}
			method := http.MethodPost
			if strings.HasSuffix(c.path, "/get") {
				method = http.MethodGet
			}
			if len(s.requests) != 1 || s.requests[0].Method != method || s.requests[0].RequestURI != "/api/v3/"+c.path {
				t.Fatalf("%d requests, the first %s %s", len(s.requests), s.requests[0].Method, s.requests[0].RequestURI)
			}
			h := s.requests[0].Header
			if h.Get("X-Signature") != sign("my-shared-secret", method, bodyHash(s.bodies[0]), h.Get("Content-Type"), h.Get("Date"), s.requests[0].RequestURI) {
				t.Error("the signature does not match")
			}
			var want bytes.Buffer
			if c.file != "" {
				if err := json.Compact(&want, golden(t, c.file+".json")); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(s.bodies[0], want.Bytes()) {
				t.Errorf("\n got %s\nwant %s", s.bodies[0], want.Bytes())
			}
		})
	}
}

// everyTransaction makes each operation that is answered like a transaction.
func everyTransaction(t *testing.T, a *Adapter) map[string]func() (providers.Result, error) {
	change := providers.ChangeRequest{By: minor(100, "EUR"), AttemptRef: try, OriginalRef: original}
	return map[string]func() (providers.Result, error){
		"preauthorize":         func() (providers.Result, error) { return a.PreauthorizeByToken(t.Context(), saleRequest()) },
		"preauthorize by page": func() (providers.Result, error) { return a.PreauthorizeByPage(t.Context(), saleRequest()) },
		"capture": func() (providers.Result, error) {
			return a.Capture(t.Context(), providers.CaptureRequest{Amount: minor(100, "EUR"), AttemptRef: try, OriginalRef: original})
		},
		"void": func() (providers.Result, error) {
			return a.VoidPreauth(t.Context(), providers.FollowUp{AttemptRef: try, OriginalRef: original})
		},
		"decrease": func() (providers.Result, error) { return a.Decrease(t.Context(), change) },
		"increase": func() (providers.Result, error) { return a.Increase(t.Context(), change) },
		"payout": func() (providers.Result, error) {
			return a.Payout(t.Context(), providers.PayoutRequest{Amount: minor(100, "EUR"), AttemptRef: try, OriginalRef: original})
		},
		"register": func() (providers.Result, error) {
			return a.Register(t.Context(), providers.RegisterRequest{AttemptRef: try, Token: "ix::x"})
		},
		"deregister": func() (providers.Result, error) {
			return a.Deregister(t.Context(), providers.DeregisterRequest{AttemptRef: try, Token: storedCard(original)})
		},
		"link": func() (providers.Result, error) {
			l, err := a.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: saleRequest()})
			return l.Result, err
		},
	}
}

func TestEveryOperationReadsItsAnswerAlike(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"finished", 200, another, approved},
		{"redirect", 200, `{"success":true,"uuid":"u","returnType":"REDIRECT"}`, pending},
		{"html", 200, `{"success":true,"uuid":"u","returnType":"HTML","htmlContent":"<script>"}`, pending},
		{"pending", 200, `{"success":true,"uuid":"u","returnType":"PENDING"}`, pending},
		{"a word to come", 200, `{"success":true,"uuid":"u","returnType":"PENDING_DCC"}`, pending},
		{"declined", 200, strings.Replace(failed("2006"), original, "u", 1), declined(domain.ReasonInsufficientFunds)},
		{"duplicate", 400, system("3004"), verdict{kind: providers.KindRefused}},
		{"wrong state", 400, system("1006"), refused(domain.ReasonNotAllowed)},
		{"invalid", 400, system("1002"), refused(domain.ReasonInvalidRequest)},
		{"time-out of the bank", 200, failed("3001"), unknown},
		{"server", 500, system("1008"), unknown},
		{"garbage", 200, `{`, garbage},
		{"another success", 200, `{"success":true}`, pending},
	} {
		for name := range everyTransaction(t, &Adapter{}) {
			t.Run(c.name+" "+name, func(t *testing.T) {
				res, err := everyTransaction(t, serve(t, c.status, c.body).adapter(t))[name]()
				c.want.check(t, res, err)
				if (res.Token != "") != (name == "register" && c.want.outcome == providers.Approved && err == nil) {
					t.Errorf("token %q", res.Token)
				}
			})
		}
	}
}

func TestAnAnswerUnderTheUUIDThatItFollowsIsNotBelieved(t *testing.T) {
	for name, call := range everyTransaction(t, serve(t, 200, finished).adapter(t)) {
		switch name {
		case "preauthorize", "preauthorize by page", "register", "link":
			continue
		}
		res, err := call()
		garbage.check(t, res, err)
	}
	stored := saleRequest()
	stored.Token = storedCard(original)
	res, err := serve(t, 200, finished).adapter(t).SellByToken(t.Context(), stored)
	garbage.check(t, res, err)
}

func TestWhatCannotBeDoneIsNotSent(t *testing.T) {
	s := serve(t, 200, another)
	a := s.adapter(t)
	zero, big, eur1 := minor(0, "EUR"), minor(1_000_000_000_000, "EUR"), minor(100, "EUR")
	long := strings.Repeat("x", 51)
	sale := func(change func(*providers.SaleRequest)) providers.SaleRequest {
		r := saleRequest()
		change(&r)
		return r
	}
	capture := func(amount money.Amount, ref, of string) func() error {
		return func() error {
			_, err := a.Capture(t.Context(), providers.CaptureRequest{Amount: amount, AttemptRef: ref, OriginalRef: of})
			return err
		}
	}
	change := func(call func(providers.ChangeRequest) (providers.Result, error), amount money.Amount, ref, of string) func() error {
		return func() error {
			_, err := call(providers.ChangeRequest{By: amount, AttemptRef: ref, OriginalRef: of})
			return err
		}
	}
	increase := func(r providers.ChangeRequest) (providers.Result, error) { return a.Increase(t.Context(), r) }
	decrease := func(r providers.ChangeRequest) (providers.Result, error) { return a.Decrease(t.Context(), r) }
	void := func(r providers.FollowUp) func() error {
		return func() error { _, err := a.VoidPreauth(t.Context(), r); return err }
	}
	payout := func(r providers.PayoutRequest) func() error {
		return func() error { _, err := a.Payout(t.Context(), r); return err }
	}
	register := func(r providers.RegisterRequest) func() error {
		return func() error { _, err := a.Register(t.Context(), r); return err }
	}
	deregister := func(r providers.DeregisterRequest) func() error {
		return func() error { _, err := a.Deregister(t.Context(), r); return err }
	}
	link := func(r providers.LinkRequest) func() error {
		return func() error { _, err := a.CreateLink(t.Context(), r); return err }
	}
	start := func(change func(*providers.ScheduleRequest)) func() error {
		r := providers.ScheduleRequest{RegistrationRef: original, Amount: eur1, Every: 1, Unit: "DAY", StartAt: time.Now()}
		change(&r)
		return func() error { _, err := a.StartSchedule(t.Context(), r); return err }
	}
	update := func(ref string, r providers.ScheduleRequest) func() error {
		return func() error { _, err := a.UpdateSchedule(t.Context(), ref, r); return err }
	}
	for name, call := range map[string]func() error{
		"a hold without a token": func() error {
			_, err := a.PreauthorizeByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.Token = "" }))
			return err
		},
		"a hold of nothing": func() error {
			_, err := a.PreauthorizeByPage(t.Context(), sale(func(r *providers.SaleRequest) { r.Amount = zero }))
			return err
		},
		"a stored card without a reference": func() error {
			_, err := a.SellByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.Token = "register:" }))
			return err
		},
		"a stored card with a strange reference": func() error {
			_, err := a.SellByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.Token = "register:a b" }))
			return err
		},
		"a surcharge that is all of it": func() error {
			_, err := a.SellByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.Surcharge = r.Amount }))
			return err
		},
		"a surcharge in another currency": func() error {
			_, err := a.SellByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.Surcharge = minor(1, "JPY") }))
			return err
		},
		"a sale that is captured later": func() error {
			_, err := a.SellByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.CaptureAfter = time.Hour }))
			return err
		},
		"a hold that is captured after half a minute": func() error {
			_, err := a.PreauthorizeByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.CaptureAfter = 30 * time.Second }))
			return err
		},
		"a hold that is captured after it lapsed": func() error {
			_, err := a.PreauthorizeByToken(t.Context(), sale(func(r *providers.SaleRequest) { r.CaptureAfter = 8 * 24 * time.Hour }))
			return err
		},
		"a capture of nothing":               capture(zero, try, original),
		"a capture of too much":              capture(big, try, original),
		"a capture without a reference":      capture(eur1, "", original),
		"a capture with a long reference":    capture(eur1, long, original),
		"a capture of no hold":               capture(eur1, try, ""),
		"an increase of nothing":             change(increase, zero, try, original),
		"an increase of no hold":             change(increase, eur1, try, ""),
		"an increase without a reference":    change(increase, eur1, "", original),
		"a decrease of nothing":              change(decrease, zero, try, original),
		"a decrease of no hold":              change(decrease, eur1, try, ""),
		"a void without a reference":         void(providers.FollowUp{OriginalRef: original}),
		"a void of no hold":                  void(providers.FollowUp{AttemptRef: try}),
		"a void of a sale":                   void(providers.FollowUp{AttemptRef: try, OriginalRef: original, OriginalType: domain.Sale}),
		"a payout of nothing":                payout(providers.PayoutRequest{Amount: zero, AttemptRef: try, Token: "ix::x"}),
		"a payout to nobody":                 payout(providers.PayoutRequest{Amount: eur1, AttemptRef: try}),
		"a payout to two":                    payout(providers.PayoutRequest{Amount: eur1, AttemptRef: try, Token: "ix::x", OriginalRef: original}),
		"a payout to a strange card":         payout(providers.PayoutRequest{Amount: eur1, AttemptRef: try, Token: "register:"}),
		"a registration without a reference": register(providers.RegisterRequest{Token: "ix::x"}),
		"a registration of a stored card":    register(providers.RegisterRequest{AttemptRef: try, Token: storedCard(original)}),
		"forgetting without a reference":     deregister(providers.DeregisterRequest{Token: storedCard(original)}),
		"forgetting a one-use token":         deregister(providers.DeregisterRequest{AttemptRef: try, Token: "ix::x"}),
		"forgetting nothing":                 deregister(providers.DeregisterRequest{AttemptRef: try}),
		"a link of nothing":                  link(providers.LinkRequest{SaleRequest: sale(func(r *providers.SaleRequest) { r.Amount = zero })}),
		"a link for half a minute":           link(providers.LinkRequest{SaleRequest: saleRequest(), Expires: 30 * time.Second}),
		"a link for less than no time":       link(providers.LinkRequest{SaleRequest: saleRequest(), Expires: -time.Minute}),
		"a link sent nowhere":                link(providers.LinkRequest{SaleRequest: sale(func(r *providers.SaleRequest) { r.Email = "" }), SendByEmail: true}),
		"cancelling no link":                 func() error { _, err := a.CancelLink(t.Context(), providers.Link{}); return err },
		"a schedule of no card":              start(func(r *providers.ScheduleRequest) { r.RegistrationRef = "" }),
		"a schedule of nothing":              start(func(r *providers.ScheduleRequest) { r.Amount = zero }),
		"a schedule without an amount":       start(func(r *providers.ScheduleRequest) { r.Amount = money.Amount{} }),
		"a schedule without a period":        start(func(r *providers.ScheduleRequest) { r.Every = 0 }),
		"a schedule by the hour":             start(func(r *providers.ScheduleRequest) { r.Unit = "HOUR" }),
		"a schedule without a start":         start(func(r *providers.ScheduleRequest) { r.StartAt = time.Time{} }),
		"an update of nothing":               update(series, providers.ScheduleRequest{}),
		"an update of the note":              update(series, providers.ScheduleRequest{Note: "n"}),
		"an update of no schedule":           update("", providers.ScheduleRequest{Every: 2}),
		"an update backwards":                update(series, providers.ScheduleRequest{Every: -1}),
		"pausing nothing":                    func() error { _, err := a.PauseSchedule(t.Context(), ""); return err },
		"continuing at no time":              func() error { _, err := a.ContinueSchedule(t.Context(), series, time.Time{}); return err },
		"cancelling a strange schedule":      func() error { _, err := a.CancelSchedule(t.Context(), "a b"); return err },
		"options of no name":                 func() error { _, err := a.Options(t.Context(), "", nil); return err },
	} {
		e, ok := providers.AsError(call())
		if !ok || !e.NotDone || e.Reason == domain.ReasonNone || e.Text == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
	if len(s.requests) != 0 {
		t.Errorf("%d requests went out", len(s.requests))
	}
}

// Amounts leave in the currency's own decimals from every endpoint, and a
// currency with more than three has no form (seed 003, "max. 3 decimals").
func TestUnitsOfEveryEndpoint(t *testing.T) {
	s := serve(t, 200, another)
	a := s.adapter(t)
	for code, want := range map[string]string{"EUR": "12.50", "JPY": "1250", "KWD": "1.250"} {
		m := minor(1250, code)
		sale := saleRequest()
		sale.Amount = m
		for name, call := range map[string]func() error{
			"debit":        func() error { _, err := a.SellByToken(t.Context(), sale); return err },
			"page":         func() error { _, err := a.SellByPage(t.Context(), sale); return err },
			"preauthorize": func() error { _, err := a.PreauthorizeByToken(t.Context(), sale); return err },
			"capture": func() error {
				_, err := a.Capture(t.Context(), providers.CaptureRequest{Amount: m, AttemptRef: try, OriginalRef: original})
				return err
			},
			"increase": func() error {
				_, err := a.Increase(t.Context(), providers.ChangeRequest{By: m, AttemptRef: try, OriginalRef: original})
				return err
			},
			"decrease": func() error {
				_, err := a.Decrease(t.Context(), providers.ChangeRequest{By: m, AttemptRef: try, OriginalRef: original})
				return err
			},
			"refund": func() error {
				_, err := a.Refund(t.Context(), providers.RefundRequest{Amount: m, AttemptRef: try, OriginalRef: original})
				return err
			},
			"payout": func() error {
				_, err := a.Payout(t.Context(), providers.PayoutRequest{Amount: m, AttemptRef: try, Token: "ix::x"})
				return err
			},
			"link": func() error {
				_, err := a.CreateLink(t.Context(), providers.LinkRequest{SaleRequest: sale})
				return err
			},
			"schedule": func() error {
				s.body = onGoing
				defer func() { s.body = another }()
				_, err := a.StartSchedule(t.Context(), providers.ScheduleRequest{RegistrationRef: original, Amount: m, Every: 1, Unit: "DAY", StartAt: time.Now()})
				return err
			},
		} {
			if err := call(); err != nil {
				t.Fatal(name, err)
			}
			var sent struct{ Amount, Currency string }
			if err := json.Unmarshal(s.bodies[len(s.bodies)-1], &sent); err != nil || sent.Amount != want || sent.Currency != code {
				t.Errorf("%s in %s: %+v, %v", name, code, sent, err)
			}
		}
	}
}

func TestACurrencyWithoutARuleIsRefusedByEveryEndpoint(t *testing.T) {
	clf, err := money.ParseCurrency("CLF")
	if err != nil || clf.Exponent() <= 3 {
		t.Skip("no currency has more than three decimals")
	}
	s := serve(t, 200, another)
	a := s.adapter(t)
	m := money.FromMinor(12500, clf)
	sale := saleRequest()
	sale.Amount = m
	for name, call := range map[string]func() error{
		"debit": func() error { _, err := a.SellByToken(t.Context(), sale); return err },
		"capture": func() error {
			_, err := a.Capture(t.Context(), providers.CaptureRequest{Amount: m, AttemptRef: try, OriginalRef: original})
			return err
		},
		"payout": func() error {
			_, err := a.Payout(t.Context(), providers.PayoutRequest{Amount: m, AttemptRef: try, Token: "ix::x"})
			return err
		},
		"schedule": func() error {
			_, err := a.StartSchedule(t.Context(), providers.ScheduleRequest{RegistrationRef: original, Amount: m, Every: 1, Unit: "DAY", StartAt: time.Now()})
			return err
		},
	} {
		if e, ok := providers.AsError(call()); !ok || e.Kind != providers.KindUnsupported || !e.NotDone {
			t.Errorf("%s: %v", name, e)
		}
	}
	if len(s.requests) != 0 {
		t.Errorf("%d requests went out", len(s.requests))
	}
}

func TestStatusOfEveryType(t *testing.T) {
	for typ, word := range map[domain.TransactionType]string{
		domain.Sale: "debit", domain.Preauth: "PREAUTHORIZE", domain.Capture: "capture", domain.Void: "VOID", domain.Decrement: "void",
		domain.Register: "register", domain.Deregister: "DEREGISTER", domain.Refund: "Refund", domain.Payout: "payout",
		domain.Increment: "INCREMENTAL-AUTHORIZATION", domain.Chargeback: "CHARGEBACK", domain.ChargebackReversal: "CHARGEBACK-REVERSAL",
	} {
		body := `{"success":true,"transactionStatus":"SUCCESS","uuid":"u","merchantTransactionId":"ours","transactionType":"` + word + `"}`
		res, err := serve(t, 200, body).adapter(t).FindStatus(t.Context(), providers.Lookup{Type: typ, AttemptRef: "ours"})
		if err != nil || res.Outcome != providers.Approved || (res.Token != "") != (typ == domain.Register) {
			t.Errorf("%s: %+v, %v", word, res, err)
		}
		for _, other := range []domain.TransactionType{domain.Sale, domain.Capture, domain.Refund, domain.Register} {
			if other == typ {
				continue
			}
			res, err := serve(t, 200, body).adapter(t).FindStatus(t.Context(), providers.Lookup{Type: other, AttemptRef: "ours"})
			garbage.check(t, res, err)
		}
	}
	body := `{"success":true,"transactionStatus":"SUCCESS","uuid":"u","merchantTransactionId":"ours","transactionType":"SOMETHING"}`
	res, err := serve(t, 200, body).adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Sale, AttemptRef: "ours"})
	garbage.check(t, res, err)
}

func TestWhatTheGatewayMadeIsFoundByItsUUID(t *testing.T) {
	body := `{"success":true,"transactionStatus":"SUCCESS","uuid":"u","merchantTransactionId":"auto-2019-09-02-0010","transactionType":"CHARGEBACK"}`
	for _, c := range []struct {
		uuid string
		want verdict
	}{{"u", approved}, {"", garbage}, {"another", garbage}} {
		res, err := serve(t, 200, body).adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Chargeback, AttemptRef: "ours", ProviderRef: c.uuid})
		c.want.check(t, res, err)
	}
	res, err := serve(t, 200, strings.Replace(body, "auto-", "", 1)).adapter(t).FindStatus(t.Context(), providers.Lookup{Type: domain.Chargeback, AttemptRef: "ours", ProviderRef: "u"})
	garbage.check(t, res, err)
}

func TestALinkIsReadFromTheDocumentsAnswer(t *testing.T) {
	s := serve(t, 200, "")
	host := s.Listener.Addr().String()
	for _, c := range []struct {
		more, cancel string
		expires      time.Time
	}{
		{`,"payByLinkData":{"expiresAt":"2023-08-21 14:13:02 UTC","cancelUrl":"https://gateway.ixopay.com/api/v3/payByLink/6ba2b0e0d02ac342cc41/cancel"}`, "6ba2b0e0d02ac342cc41", time.Date(2023, 8, 21, 14, 13, 2, 0, time.UTC)},
		{`,"expiresAt":"2023-08-21 14:13:02 UTC"`, "", time.Date(2023, 8, 21, 14, 13, 2, 0, time.UTC)},
		{`,"payByLinkData":{"expiresAt":"soon","cancelUrl":"https://evil.example/x"}`, "", time.Time{}},
		{`,"payByLinkData":{"cancelUrl":"https://h/payByLink/a/../b/cancel"}`, "", time.Time{}},
		{``, "", time.Time{}},
	} {
		s.body = `{"success":true,"uuid":"u","returnType":"REDIRECT","redirectUrl":"http://` + host + `/pay/1"` + c.more + `}`
		l, err := s.adapter(t).CreateLink(t.Context(), providers.LinkRequest{SaleRequest: saleRequest()})
		if err != nil || l.Outcome != providers.Pending || l.RedirectURL != "http://"+host+"/pay/1" || l.CancelRef != c.cancel || !l.ExpiresAt.Equal(c.expires) {
			t.Errorf("%s: %+v, %v", c.more, l, err)
		}
	}
}

func TestCancellingALinkIsReadExactly(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   verdict
	}{
		{200, `{"success":true}`, approved},
		{200, system("8001"), refused(domain.ReasonInvalidRequest)},
		{400, system("1006"), refused(domain.ReasonNotAllowed)},
		{200, system("2012"), garbage},
		{200, `{}`, garbage},
		{200, `<p>`, garbage},
		{400, `{"success":true}`, garbage},
		{500, system("1008"), unknown},
		{401, system(""), verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}},
		{429, system(""), verdict{kind: providers.KindRateLimited, notDone: true, reason: domain.ReasonRateLimited}},
	} {
		res, err := serve(t, c.status, c.body).adapter(t).CancelLink(t.Context(), providers.Link{Result: providers.Result{CancelRef: "6ba2b0e0d02ac342cc41"}})
		c.want.check(t, res, err)
	}
}

func TestScheduleAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   verdict
	}{
		{"going on", 200, onGoing, approved},
		{"paused", 200, `{"success":true,"scheduleId":"` + series + `","oldStatus":"ACTIVE","newStatus":"PAUSED"}`, approved},
		{"another", 200, strings.ReplaceAll(onGoing, "SC-1234", "SC-9999"), garbage},
		{"nameless", 200, `{"success":true}`, garbage},
		{"no word", 200, `{}`, garbage},
		{"unreadable", 200, `<p>`, garbage},
		{"success under an HTTP error", 400, onGoing, garbage},
		{"failed", 200, system("7002"), unknown},
		{"a code to come", 200, system("7999"), unknown},
		{"a code under 500", 500, system("7040"), unknown},
		{"a decline", 200, system("2003"), garbage},
		{"invalid data", 400, system("1002"), refused(domain.ReasonInvalidRequest)},
		{"credentials", 401, system(""), verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}},
		{"signature", 401, system("1004"), verdict{kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials}},
		{"rate", 429, system(""), verdict{kind: providers.KindRateLimited, notDone: true, reason: domain.ReasonRateLimited}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := serve(t, c.status, c.body).adapter(t).PauseSchedule(t.Context(), series)
			c.want.check(t, providers.Result{Outcome: c.want.outcome}, err)
			if err == nil && (s.Ref != series || s.Before != "ACTIVE" || s.Status == "") {
				t.Errorf("%+v", s)
			}
		})
	}
	s, err := serve(t, 200, onGoing).adapter(t).GetSchedule(t.Context(), series)
	want := providers.Schedule{Ref: series, RegistrationRef: original, Status: "ACTIVE", Before: "ACTIVE", NextAt: time.Date(2019, 9, 30, 12, 0, 0, 0, time.UTC), Raw: s.Raw}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v", s, err)
	}
	// A series of another card is not the one that was started.
	begin := providers.ScheduleRequest{RegistrationRef: "another", Amount: minor(999, "EUR"), Every: 1, Unit: "MONTH", StartAt: arrived}
	_, err = serve(t, 200, onGoing).adapter(t).StartSchedule(t.Context(), begin)
	garbage.check(t, providers.Result{}, err)
	begin.RegistrationRef = storedCard(original)
	if _, err = serve(t, 200, onGoing).adapter(t).StartSchedule(t.Context(), begin); err != nil {
		t.Error(err)
	}
	// A question that failed says nothing of what it is about.
	if _, err := serve(t, 400, system("7040")).adapter(t).GetSchedule(t.Context(), series); err == nil {
		t.Error("an unknown schedule was read")
	} else if e, _ := providers.AsError(err); e.NotDone || e.Code != "7040" {
		t.Errorf("%v, not done %v", e, e.NotDone)
	}
}

func TestEveryScheduleCodeIsARefusalWithItsReason(t *testing.T) {
	for _, code := range []string{"7001", "7003", "7005", "7010", "7020", "7030", "7035", "7036", "7037", "7040", "7050", "7060", "7070"} {
		reason, ok := scheduleRefusals[code]
		if !ok {
			t.Errorf("%s has no reason", code)
			continue
		}
		for _, status := range []int{200, 400} {
			_, err := serve(t, status, system(code)).adapter(t).CancelSchedule(t.Context(), series)
			refused(reason).check(t, providers.Result{}, err)
		}
	}
	if len(scheduleRefusals) != 13 {
		t.Errorf("%d codes", len(scheduleRefusals))
	}
}

func TestOptionsAnswers(t *testing.T) {
	list, err := serve(t, 200, `{"success":true,"options":{"bank1":"Bank One","bank2":2}}`).adapter(t).Options(t.Context(), "banks", nil)
	if err != nil || !reflect.DeepEqual(list, map[string]string{"bank1": "Bank One", "bank2": "2"}) {
		t.Errorf("%v, %v", list, err)
	}
	for body, want := range map[string]verdict{
		`{"success":false,"errorMessage":"Given identifier 'someIdentifier' is invalid."}`: refused(domain.ReasonInvalidRequest),
		`{"success":true}`: garbage, `{}`: garbage, `{"success":true,"options":["a"]}`: garbage, `<p>`: garbage,
		system("1004"): {kind: providers.KindCredentials, notDone: true, reason: domain.ReasonCredentials},
	} {
		_, err := serve(t, 200, body).adapter(t).Options(t.Context(), "someIdentifier", nil)
		want.check(t, providers.Result{}, err)
	}
}

func TestTheTestOfAConnectionSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		status       int
		body         string
		unsigned, ok bool
		code, todo   string
	}{
		{200, system("8001"), false, true, "8001", ""},
		{404, system("8001"), false, true, "8001", ""},
		{401, system("1004"), false, false, "1004", "shared secret and API key again"},
		{200, system("1004"), true, false, "1004", "Copy the connector’s shared secret"},
		{401, system(""), false, false, "401", "API user"},
		{401, ``, false, false, "401", "API user"},
		{403, `<p>`, false, false, "403", "API user"},
		{404, `<p>`, false, false, "404", "/api/v3"},
		{404, system(""), false, false, "404", "/api/v3"},
		{302, ``, false, false, "302", "/api/v3"},
		{400, system("1007"), false, false, "1007", "Ask the provider"},
		{200, finished, false, false, "200", "Ask the provider"},
	} {
		s := serve(t, c.status, c.body)
		p, err := s.adapter(t, func(cfg *providers.Config) {
			if c.unsigned {
				cfg.Secrets[SecretSharedSecret] = ""
			}
		}).TestConnection(t.Context())
		if p.OK && strings.Contains(p.Meaning, "callback") {
			t.Errorf("%q", p.Meaning)
		}
		if err != nil || p.OK != c.ok || p.Code != c.code || p.Meaning == "" || (p.ToDo == "") != c.ok || !strings.Contains(p.ToDo, c.todo) {
			t.Errorf("%d %s: %+v, %v", c.status, c.body, p, err)
		}
		if len(s.requests) != 1 || s.requests[0].Method != http.MethodGet || !strings.HasPrefix(s.requests[0].RequestURI, "/api/v3/status/my-api-key/getByUuid/") {
			t.Errorf("asked %d times", len(s.requests))
		}
	}
	for status, kind := range map[int]providers.ErrorKind{429: providers.KindRateLimited, 500: providers.KindServer, 503: providers.KindServer, 200: providers.KindGarbage} {
		_, err := serve(t, status, `<p>`).adapter(t).TestConnection(t.Context())
		if e, ok := providers.AsError(err); !ok || e.Kind != kind {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestWhatTheAcquirerDoesNotOfferIsNotOffered(t *testing.T) {
	a := serve(t, 200, "").adapter(t)
	reg := Registration()
	all := providers.CapabilitiesOf(a, reg, nil, "")
	for setting, c := range map[string]domain.Capability{
		SettingSchedules: domain.CanSchedule, SettingIncrements: domain.CanIncrease, SettingPartialCapture: domain.CanPartCapture,
		SettingCaptureAgain: domain.CanCaptureAgain, SettingPartialVoid: domain.CanDecrease, SettingPartialRefund: domain.CanPartRefund,
		SettingPayByLink: domain.CanPayByLink, SettingPayout: domain.CanPayout,
	} {
		// What could void a whole hold instead of a part waits for a person's yes.
		atFirst := c != domain.CanDecrease
		if all.Has(c) != atFirst {
			t.Errorf("%s is offered at first: %v", c, all.Has(c))
		}
		for value, want := range map[string]bool{"": atFirst, "yes": true, "no": false} {
			for _, o := range providers.Offers(a, reg, map[string]string{setting: value}, "") {
				if o.Capability == c && (o.Offered != want || (o.Why == "") != want) {
					t.Errorf("%s = %q: %+v", setting, value, o)
				}
				if o.Capability != c && o.Offered != all.Has(o.Capability) {
					t.Errorf("%s = %q changes %s", setting, value, o.Capability)
				}
			}
		}
		found := false
		for _, f := range reg.Fields {
			found = found || (f.Name == setting && f.Kind == providers.FieldChoice && !f.Required && len(f.Options) == 2)
		}
		if !found {
			t.Errorf("%s is no field of the form", setting)
		}
	}
	for _, c := range []domain.Capability{domain.CanVoidSale, domain.CanAdjustTip, domain.CanTokenFromPast, domain.CanListDevices, domain.CanUseTerminal, domain.CanKeepBatches, domain.CanReceiveHints, domain.CanSignIn} {
		if all.Has(c) {
			t.Errorf("%s is offered", c)
		}
	}
}

// The optional objects leave as the document has them, digit by digit.
func TestDetailsKeepTheirDigits(t *testing.T) {
	var d Details
	dec := json.NewDecoder(bytes.NewReader(golden(t, "details.json")))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	s := serve(t, 200, another)
	a := s.adapter(t)
	if _, err := a.WithDetails(d).SellByToken(t.Context(), saleRequest()); err != nil {
		t.Fatal(err)
	}
	exact := func(b []byte) map[string]any {
		t.Helper()
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var out map[string]any
		if err := dec.Decode(&out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	want, got := exact(golden(t, "details.json")), exact(s.bodies[0])
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("%s:\n got %v\nwant %v", name, got[name], value)
		}
	}
	if _, err := a.SellByToken(t.Context(), saleRequest()); err != nil {
		t.Fatal(err)
	}
	if got := exact(s.bodies[1]); got["items"] != nil || got["language"] != nil {
		t.Errorf("the details stay with the connection: %s", s.bodies[1])
	}
}

// Every field of the document's tables is there once.
func TestTheObjectsHaveTheDocumentsFields(t *testing.T) {
	for want, v := range map[int]any{29: Customer{}, 8: Item{}, 9: ItemL2L3Data{}, 6: TaxDetail{}, 74: ThreeDSecureData{}, 32: RiskCustomer{}, 40: RiskTransaction{}, 5: ScheduleTerms{}, 3: CustomerProfileData{}} {
		typ := reflect.TypeOf(v)
		seen := map[string]bool{}
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" || seen[name] {
				t.Errorf("%s: field %s is written as %q", typ, typ.Field(i).Name, name)
			}
			seen[name] = true
			switch k := typ.Field(i).Type.Kind(); k {
			case reflect.Float32, reflect.Float64:
				t.Errorf("%s: %s is a float", typ, name)
			}
		}
		if len(seen) != want {
			t.Errorf("%s has %d fields, the document %d", typ, len(seen), want)
		}
	}
}

func TestRiskDataTravelsAsTexts(t *testing.T) {
	got := RiskCustomer{PastOrdersCount: "0", PastOrdersSumUSD: "0.00", LastLoginIP: "203.12.55.12", BillingAddressType: "HOME"}.Extra()
	if want := map[string]string{"FORTER_CUSTOMER_PAST_ORDERS_COUNT": "0", "FORTER_CUSTOMER_PAST_ORDERS_SUM_USD": "0.00",
		"FORTER_CUSTOMER_LAST_LOGINIP": "203.12.55.12", "FORTER_CUSTOMER_BILLING_ADDRESS_TYPE": "HOME"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := (RiskTransaction{Type: "PHONE", CheckoutTime: "1415273168"}).Extra(); got["FORTER_TYPE"] != "PHONE" || got["FORTER_CHECKOUT_TIME"] != "1415273168" || len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := (RiskItem{ProductID: "324234"}).Extra(); got["FORTER_ITEM_PRODUCTID"] != "324234" || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestARegistrationLeavesOutWhatBelongsToAnAmount(t *testing.T) {
	var d Details
	if err := json.Unmarshal(golden(t, "details.json"), &d); err != nil {
		t.Fatal(err)
	}
	d.WithRegister, d.CaptureInMinutes = true, "60"
	s := serve(t, 200, another)
	if _, err := s.adapter(t).WithDetails(d).Register(t.Context(), providers.RegisterRequest{AttemptRef: try, Token: "ix::x"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"items", "surchargeAmount", "withRegister", "captureInMinutes", "transactionIndicator", `"amount":"12`} {
		if bytes.Contains(s.bodies[0], []byte(`"`+strings.TrimPrefix(name, `"`))) {
			t.Errorf("%s was sent: %s", name, s.bodies[0])
		}
	}
}

func TestASaleThatStoresItsCardTellsTheStoredCard(t *testing.T) {
	res, err := serve(t, 200, another).adapter(t).WithDetails(Details{WithRegister: true}).SellByToken(t.Context(), saleRequest())
	if err != nil || res.Token != "register:fghij67890fghij67890" {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestTheConfigsTimeoutBoundsACall(t *testing.T) {
	s := serve(t, 200, another)
	if a := s.adapter(t); a.timeout != timeout {
		t.Errorf("%v", a.timeout)
	}
	if a := s.adapter(t, func(c *providers.Config) { c.Timeout = 7 * time.Second }); a.timeout != 7*time.Second {
		t.Errorf("%v", a.timeout)
	}
	a := s.adapter(t, func(c *providers.Config) { c.Timeout = time.Nanosecond })
	if _, err := a.SellByToken(t.Context(), saleRequest()); err == nil {
		t.Error("a call took no time")
	}
}

func TestTheConfigsBoundHoldsCallsBack(t *testing.T) {
	s := serve(t, 200, another)
	a := s.adapter(t, func(c *providers.Config) { c.PerMinute = 1 })
	if _, err := a.SellByToken(t.Context(), saleRequest()); err != nil {
		t.Fatal(err)
	}
	_, err := a.SellByToken(t.Context(), saleRequest())
	if e, ok := providers.AsError(err); !ok || !e.NotDone || len(s.requests) != 1 {
		t.Errorf("%v after %d requests", err, len(s.requests))
	}
}

func TestWhatTheSchemeAdvisesIsTold(t *testing.T) {
	body := `{"success":false,"uuid":"u","returnType":"ERROR","errors":[{"errorMessage":"no","errorCode":2003}],"returnData":{"_TYPE":"cardData","merchantAdviceCode":"03"},"extraData":{"doNotResubmit":"true"}}`
	if res := mustSell(t, body); res.Outcome != providers.Declined || res.Text != "no (advice of the card scheme: 03)" {
		t.Errorf("%+v", res)
	}
	body = strings.Replace(body, `"merchantAdviceCode":"03"`, `"merchantAdviceCode":"03","parsedMerchantAdviceCode":"do not try again"`, 1)
	if res := mustSell(t, body); res.Text != "no (advice of the card scheme: do not try again)" {
		t.Errorf("%+v", res)
	}
}

// The document's answers leave these open: a purchase's id and the expiry are
// texts or numbers, and what is not read may be anything.
func TestOdditiesBesideTheVerdictDoNotHideIt(t *testing.T) {
	for _, more := range []string{
		`"purchaseId":20190927`, `"purchaseId":null`, `"htmlContent":7`, `"paymentDescriptor":{}`, `"redirectQRCode":[]`, `"customerProfileData":"x"`,
		`"scheduleData":[]`, `"extraData":"x"`, `"riskCheckData":7`, `"newField":{"a":1}`, `"returnData":"x"`,
	} {
		if res := mustSell(t, strings.TrimSuffix(finished, "}")+","+more+"}"); res.Outcome != providers.Approved {
			t.Errorf("%s: %+v", more, res)
		}
	}
}

func TestEveryListedRefusalIsOne(t *testing.T) {
	for code, reason := range refusals {
		want := refused(reason)
		if code == codeInvalidSignature {
			want.kind = providers.KindCredentials
		}
		for _, status := range []int{200, 400} {
			res, err := serve(t, status, system(code)).adapter(t).SellByToken(t.Context(), saleRequest())
			want.check(t, res, err)
		}
	}
	for _, code := range []string{"1002", "1004", "1005", "1006", "1007", "8001"} {
		if _, ok := refusals[code]; !ok {
			t.Errorf("%s is no refusal", code)
		}
	}
	if len(refusals) != 6 {
		t.Errorf("%d codes", len(refusals))
	}
}

// Codes of what happens to a transaction later say nothing of whether it ran.
func TestCodesThatDecideNothingStayUnknown(t *testing.T) {
	for _, code := range []string{"1000", "1001", "1003", "1008", "3001", "3003", "3005", "4001", "4002", "7002", "9999"} {
		for _, body := range []string{failed(code), system(code)} {
			res, err := serve(t, 200, body).adapter(t).SellByToken(t.Context(), saleRequest())
			unknown.check(t, res, err)
		}
	}
}
