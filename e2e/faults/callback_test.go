package faults

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/failpoint"
	sandboxcardflo "github.com/counterfoil/counterfoil/services/sandbox/cardflo"
	"github.com/counterfoil/counterfoil/services/sandbox/kit"
)

// A provider calls about a sale whose answer was lost, and the product dies
// while it takes the call. The provider sends again what was not acknowledged;
// what was committed is applied by the next process. Either way once.
func TestACrashWhileACallbackIsTakenLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	p := newPool(t)
	t.Run("crash", func(t *testing.T) {
		for _, point := range []string{failpoint.Opening, failpoint.Opened, failpoint.Settling, failpoint.Settled} {
			t.Run(word(point), func(t *testing.T) {
				t.Parallel()
				p.with(t, func(h *house) {
					defer scores.count(t, "callback, Cardflo", "killed: "+word(point))
					h.calledAndKilled(t, point)
				})
			})
		}
	})
	p.close(t)
}

func (h *house) calledAndKilled(t *testing.T, point string) {
	h.start(t, "callback "+point, 0)
	f, err := sellToken.fill(h, "")
	must(t, err)
	must(t, h.cf.Fault(t.Context(), kit.Fault{Kind: kit.FaultDropAfter, Method: http.MethodPost, Path: "/debit"}))
	status, payment, err := h.post(f)
	must(t, err)
	if status != http.StatusSeeOther {
		t.Fatalf("the sale was answered %d", status)
	}
	var attempt string
	must(t, h.owner.QueryRow(`select attempt_ref from transactions where payment_id = $1`, payment).Scan(&attempt))
	uuid := ""
	for _, c := range ledger(t, h.cf) {
		if c.Reference == attempt {
			uuid = c.ID
		}
	}
	body, err := json.Marshal(map[string]string{"result": "OK", "uuid": uuid, "merchantTransactionId": attempt, "purchaseId": "20261126-" + uuid,
		"transactionType": "DEBIT", "paymentMethod": "Creditcard", "amount": f.fields.Get("amount"), "currency": "GBP"})
	must(t, err)

	acknowledged := h.call(t, body)
	if died := point == failpoint.Opening || point == failpoint.Opened; acknowledged == died {
		t.Errorf("acknowledged %t by a process that dies at %q", acknowledged, point)
	}
	until(t, "the process dies at callback "+point, 20*time.Millisecond, func() bool { h.hurry(t); return !h.product.alive() })
	if !h.product.wasKilled() {
		t.Fatalf("ended with %s instead of by SIGKILL:\n%s", h.product.cmd.ProcessState, h.product.text())
	}
	h.start(t, "", 0)
	if !acknowledged && !h.call(t, body) {
		t.Error("the call was not acknowledged the second time")
	}
	until(t, "the callback is handled", 50*time.Millisecond, func() bool {
		h.hurry(t)
		waiting := 0
		must(t, h.owner.QueryRow(`select count(*) from callbacks where status = 'received'`).Scan(&waiting))
		return waiting == 0
	})
	h.follow(t)
	h.check(t)
	var n int
	must(t, h.owner.QueryRow(`select count(*) from callbacks where status in ('applied', 'nothing_new') and body like '%' || $1 || '%'`, attempt).Scan(&n))
	if n != 1 {
		t.Errorf("the call is there %d times, want once", n)
	}
}

// call sends a signed notification as the gateway does, and says whether it was
// acknowledged.
func (h *house) call(t *testing.T, body []byte) bool {
	t.Helper()
	const contentType = "application/json; charset=utf-8"
	path, date := domain.CallbackPath("cardflo", h.cardflo), time.Now().UTC().Format(http.TimeFormat)
	sum := sha512.Sum512(body)
	mac := hmac.New(sha512.New, []byte(sandboxcardflo.SandboxSecret))
	_, _ = io.WriteString(mac, strings.Join([]string{http.MethodPost, hex.EncodeToString(sum[:]), contentType, date, path}, "\n"))
	req, err := http.NewRequest(http.MethodPost, h.base.Load().(string)+path, bytes.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Date", date)
	req.Header.Set("X-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	return err == nil && res.StatusCode == http.StatusOK && string(reply) == "OK"
}
