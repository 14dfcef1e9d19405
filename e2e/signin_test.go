package e2e_test

import (
	"testing"

	"github.com/playwright-community/playwright-go"
)

// signIn does what a person does who is asked for both factors.
func (v *visitor) signIn(email string) {
	v.t.Helper()
	who := v.site.person(v.t, email)
	v.fill(v.label("Email"), who.Email)
	v.fill(v.label("Password"), who.Password)
	v.press("Continue")
	v.fill(v.label("6 digit code"), v.site.person(v.t, email).Code)
	v.press("Sign in")
}

func TestSignInAsksForPasswordThenCodeAndGoesWhereOneWanted(t *testing.T) {
	t.Parallel()
	v := visit(t, shop, options{})
	v.brings("422")
	v.goTo("/payments?status=declined")
	v.at(`/signin\?next=.*`)
	v.look("sign in")
	who := shop.person(t, "ana@harbour.example")

	v.fill(v.label("Email"), who.Email)
	v.fill(v.label("Password"), "not the password")
	v.press("Continue")
	alert := v.page.GetByRole("alert")
	v.shows(alert)
	v.focused(alert)
	v.value(v.label("Email"), who.Email)
	v.value(v.label("Password"), "")
	v.look("wrong password")

	v.fill(v.label("Password"), who.Password)
	v.press("Continue")
	v.at(`/signin/totp\?next=.*`)
	v.look("code")
	v.fill(v.label("6 digit code"), "000000")
	v.press("Sign in")
	v.shows(alert)
	v.value(v.label("6 digit code"), "")
	v.look("wrong code")

	v.fill(v.label("6 digit code"), shop.person(t, who.Email).Code)
	v.press("Sign in")
	v.at(`/payments\?status=declined`)
	v.shows(v.role("heading", "Payments"))
	v.look("payments, declined")

	v.click(v.page.GetByText("AR", playwright.PageGetByTextOptions{Exact: playwright.Bool(true)}))
	v.look("account menu")
	v.press("Sign out")
	v.at(`/signin\?.*`)
	v.sees("signed out")
	v.look("signed out")
	_, err := v.page.GoBack()
	must(t, err)
	v.at(`/signin.*`)
	v.hides("Export CSV", who.Name+", account menu")
	if code, _ := get(t, shop.url+"/payments"); code != 303 {
		t.Errorf("without a session /payments answered %d", code)
	}
}
