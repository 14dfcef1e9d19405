package gallery

import (
	"time"

	"github.com/a-h/templ"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
	"github.com/counterfoil/counterfoil/views/pages"
)

func approvalOf(n byte, minor int64, status domain.ApprovalStatus, ago time.Duration) domain.Approval {
	at := now.Add(-ago)
	a := domain.Approval{ID: domain.ApprovalID{UUID: uuidOf(n)}, Action: domain.Refund, PaymentID: domain.PaymentID{UUID: uuidOf(1)}, PaymentReference: "7K2M04Q9", Amount: pounds(minor), Status: status,
		RequestedBy: domain.UserID{UUID: uuidOf(40)}, RequestedByName: "Maya Okafor", RequestedAt: at, ExpiresAt: at.Add(domain.ApprovalFor), Note: "Returned unopened, the customer waits at the counter"}
	if status != domain.ApprovalWaiting {
		a.DecidedAt = at.Add(20 * time.Minute)
	}
	switch status {
	case domain.ApprovalApproved, domain.ApprovalRefused:
		a.DecidedBy, a.DecidedByName, a.DecisionNote = domain.UserID{UUID: uuidOf(41)}, "Mara Quill", "Spoke to the customer"
	case domain.ApprovalWithdrawn:
		a.DecidedBy, a.DecidedByName = a.RequestedBy, a.RequestedByName
	}
	return a
}

func approvalView(a domain.Approval) pages.ApprovalView {
	p := domain.Payment{ID: domain.PaymentID{UUID: uuidOf(1)}, Reference: "7K2M04Q9", Status: domain.PaymentPartRefunded, Method: domain.MethodFrame, Amount: pounds(62000), Captured: pounds(62000),
		Refunded: pounds(2000), Held: pounds(0), ChargedBack: pounds(0), OrderReference: "Hamper 2261", Card: domain.Card{Brand: "Visa", Last4: "1881"}, CreatedAt: now.Add(-50 * time.Hour),
		CreatedByName: "Maya Okafor", ConnectionName: "Card by phone", Provider: "Cardflo"}
	return pages.ApprovalView{Layout: layout(), Approval: a, Payment: &p, Reason: "Item returned", OwnNote: "one came broken", Transactions: []domain.Transaction{
		{ID: domain.TransactionID{UUID: uuidOf(3)}, Reference: "Q2X7M04K", Type: domain.Refund, Status: domain.TxApproved, Amount: pounds(2000), CreatedName: "Tom Birch", ApprovedBy: "Mara Quill", CreatedAt: now.Add(-20 * time.Hour)},
		{ID: domain.TransactionID{UUID: uuidOf(2)}, Reference: "7K2M04Q9", Type: domain.Sale, Status: domain.TxApproved, Amount: pounds(62000), CreatedName: "Maya Okafor", CreatedAt: now.Add(-50 * time.Hour)},
	}}
}

func limitRows() []domain.Limit {
	at := now.Add(-400 * time.Hour)
	row := func(n byte, r domain.Role, action domain.TransactionType, per domain.Per, stepUp, approval domain.Threshold) domain.Limit {
		return domain.Limit{ID: domain.LimitID{UUID: uuidOf(n)}, Role: r, Action: action, Currency: gbp, Per: per, StepUpAbove: stepUp, ApprovalAbove: approval, ChangedAt: at, ChangedByName: "Olive Mercer"}
	}
	own := row(4, "", domain.Refund, domain.PerItem, domain.Above(5000), domain.Above(10000))
	own.UserID, own.UserName = domain.UserID{UUID: uuidOf(40)}, "Maya Okafor-Featherstonehaugh"
	return []domain.Limit{row(1, domain.Manager, domain.Refund, domain.PerItem, domain.Above(10000), domain.Above(40000)), row(2, domain.Manager, domain.Refund, domain.PerDay, domain.Threshold{}, domain.Above(100000)),
		row(3, domain.Admin, domain.Payout, domain.PerItem, domain.Above(0), domain.Threshold{}), own}
}

func limitForm() pages.LimitFormView {
	return pages.LimitFormView{Layout: manager(), Key: uuidOf(9).String(),
		Roles:   []components.Option{{Value: "role:owner", Label: "Owner"}, {Value: "role:manager", Label: "Manager", Chosen: true}},
		People:  []components.Option{{Value: "user:1", Label: "Maya Okafor, manager"}},
		Actions: []components.Option{{Value: "refund", Label: "Refund"}, {Value: "void", Label: "Void of a sale"}}, Currencies: []components.Option{{Value: "GBP", Label: "GBP"}},
		Pers: []components.Option{{Value: "item", Label: "Each one"}, {Value: "day", Label: "All on one day"}}}
}

func approvalSamples(add func(string, templ.Component)) {
	confirm := pages.ConfirmView{Layout: layout(), Next: "/payments/" + uuidOf(1).String() + "/refund?amount=150.00", For: domain.StepUpFor}
	confirm.Layout.Flash = &components.Flash{Tone: "info", Text: "Nothing was refunded. Refunds above £100.00 need your password and a code again."}
	add("confirm", pages.Confirm(confirm))
	confirm.Layout.Flash, confirm.FormError = nil, "The password or the code is not right, or the code was used before. After 10 wrong tries in a row an account is locked for 30 minutes."
	add("confirm-wrong", pages.Confirm(confirm))
	confirm.FormError, confirm.Errors = "", map[string]string{"password": "Enter your password.", "code": "Enter the 6 digits of your authenticator app."}
	add("confirm-missing", pages.Confirm(confirm))

	ask := pages.AskView{Layout: layout(), Key: uuidOf(9).String(), Action: domain.Refund, Amount: pounds(48000), MinNote: domain.MinApprovalNote, For: domain.ApprovalFor, BackURL: "/payments/" + uuidOf(1).String(),
		Because: "Nothing was refunded. Refunds above £400.00 need the approval of another person.", Hidden: []components.Line{{Label: "action", Value: "refund"}, {Label: "amount", Value: "480.00"}}}
	add("ask", pages.Ask(ask))
	ask.Why, ask.Errors = "Returned", map[string]string{"why": "Say in at least 10 characters why this is needed."}
	add("ask-short", pages.Ask(ask))

	list := pages.ApprovalsView{Layout: layout(), First: true, OverURL: "/approvals?show=decided",
		Waiting: []domain.Approval{approvalOf(11, 61000, domain.ApprovalWaiting, 25*time.Hour), approvalOf(12, 48000, domain.ApprovalWaiting, 200*time.Minute), approvalOf(13, 123456, domain.ApprovalWaiting, 30*time.Second)},
		Over: []domain.Approval{approvalOf(14, 52000, domain.ApprovalApproved, 30*time.Hour), approvalOf(15, 90000, domain.ApprovalRefused, 40*time.Hour), approvalOf(16, 45000, domain.ApprovalWithdrawn, 60*time.Hour),
			approvalOf(17, 47000, domain.ApprovalExpired, 90*time.Hour)}}
	list.Waiting[2].Action, list.Waiting[2].PaymentID, list.Waiting[2].PaymentReference = domain.Payout, domain.PaymentID{}, ""
	list.Layout.Can = layouts.CanOf(domain.Owner)
	add("approvals", pages.Approvals(list))
	add("approvals-none", pages.Approvals(pages.ApprovalsView{Layout: layout(), First: true}))
	add("approvals-decided", pages.Approvals(pages.ApprovalsView{Layout: layout(), First: true, Decided: true, Over: list.Over, NextURL: "/approvals?after=x&show=decided"}))

	waiting := approvalOf(12, 48000, domain.ApprovalWaiting, 200*time.Minute)
	v := approvalView(waiting)
	add("approval", pages.Approval(v))
	wrong := v
	wrong.FormError = "The password or the code is not right, or the code was used before. After 10 wrong tries in a row an account is locked for 30 minutes."
	wrong.RefuseError = "Say why, so that it can be asked for differently."
	add("approval-wrong", pages.Approval(wrong))
	missing := v
	missing.Errors = map[string]string{"password": "Enter your password.", "code": "Enter the 6 digits of your authenticator app."}
	add("approval-missing", pages.Approval(missing))
	gone := v
	gone.Impossible = "That is more than can be refunded now."
	add("approval-impossible", pages.Approval(gone))
	payout := v
	payout.Approval, payout.Payment, payout.Transactions, payout.Reason = approvalOf(13, 123456, domain.ApprovalWaiting, time.Minute), nil, nil, ""
	payout.Approval.Action, payout.Approval.PaymentID, payout.Approval.PaymentReference = domain.Payout, domain.PaymentID{}, ""
	payout.Card, payout.Through, payout.OwnNote = domain.Card{Brand: "Visa", Last4: "0936"}, "Card by phone · Cardflo", "Raffle, first prize"
	add("approval-payout", pages.Approval(payout))
	own := v
	own.Own, own.Undecidable = true, "You asked for this yourself, so another person must decide."
	add("approval-own", pages.Approval(own))
	for _, s := range []domain.ApprovalStatus{domain.ApprovalApproved, domain.ApprovalRefused, domain.ApprovalWithdrawn, domain.ApprovalExpired} {
		add("approval-"+string(s), pages.Approval(approvalView(approvalOf(14, 48000, s, 30*time.Hour))))
	}

	payment := approved()
	payment.Requests = []domain.Approval{waiting}
	add("payment-request", pages.Payment(payment))

	limits := pages.LimitsView{Layout: manager(), Rows: limitRows()}
	add("limits", pages.Limits(limits))
	add("limits-none", pages.Limits(pages.LimitsView{Layout: manager()}))
	add("limit-new", pages.LimitForm(limitForm()))
	bad := limitForm()
	bad.StepUp, bad.Approval = "1e3", "400.00"
	bad.Errors = map[string]string{"step_up": "Enter an amount like 12.50.", "password": "That is not your password.", "who": "Choose whom the limit is for."}
	add("limit-new-invalid", pages.LimitForm(bad))
	change := pages.LimitFormView{Layout: manager(), Limit: limitRows()[0], StepUp: "100.00", Approval: "400.00"}
	add("limit", pages.LimitForm(change))
	change.FormError = "You cannot raise or remove a limit that holds for yourself. Another owner or administrator can."
	add("limit-own", pages.LimitForm(change))
}
