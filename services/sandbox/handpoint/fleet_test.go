package handpoint_test

import (
	"testing"
	"time"

	"github.com/counterfoil/counterfoil/services/sandbox/handpoint"
)

func (f *fixture) change(t *testing.T, s handpoint.Setting) {
	t.Helper()
	s.Serial = handpoint.TerminalSerial
	if err := f.Set(s); err != nil {
		t.Fatal(err)
	}
}

func TestAResultTellsBatteryPowerAndVersionAsTheDeviceHasThem(t *testing.T) {
	f := newFixture(t)
	low, yes := 8, true
	f.change(t, handpoint.Setting{Battery: &low, Charging: &yes, App: "20.5.0.2"})
	got, _ := f.run(t, operate("pingDevice")).json["deviceStatus"].(map[string]any)
	if got["batteryStatus"] != "8" || got["batteryCharging"] != "Charging" || got["applicationVersion"] != "20.5.0.2" {
		t.Errorf("%v", got)
	}
	over := 101
	if err := f.Set(handpoint.Setting{Serial: handpoint.TerminalSerial, Battery: &over}); err == nil {
		t.Error("a battery of 101 percent was taken")
	}
}

func TestOutsideIntegratedModeOperationsHaveNoAnswerAndCommandsAreNotDone(t *testing.T) {
	f := newFixture(t)
	no, yes := false, true
	f.change(t, handpoint.Setting{Integrated: &no})
	if a := f.post(t, "/transactions", operate("pingDevice")); a.status != 400 || a.deviceCode() != 1002.0 {
		t.Error(a.raw)
	}
	path := "/devices/" + handpoint.TerminalType + "/" + handpoint.TerminalSerial + "/set-locale"
	if status, body := f.raw(t, "POST", path, `{"locale":"en_US"}`); status != 202 {
		t.Error(body)
	}
	f.change(t, handpoint.Setting{Integrated: &yes})
	if status, body := f.raw(t, "POST", path, `{"locale":"en_GB"}`); status != 202 {
		t.Error(body)
	}
	if got := f.Commands(); len(got) != 2 || got[0].Done || !got[1].Done {
		t.Errorf("%+v", got)
	}
}

func TestATerminalCanDeliverAResultTwice(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.Kit().Callbacks.Enable(true)
	yes := true
	f.change(t, handpoint.Setting{Twice: &yes})
	f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"t"`))
	f.pass(time.Second)
	f.pass(time.Minute)
	if c.got() != 2 || c.bodies[0]["recoveredTransaction"] != false || c.bodies[1]["recoveredTransaction"] != false || c.bodies[0]["transactionReference"] != c.bodies[1]["transactionReference"] {
		t.Errorf("%d deliveries: %v", c.got(), c.bodies)
	}
}

func TestWhatIsLostOnTheWayIsDeliveredLaterAsRecovered(t *testing.T) {
	f, c := newFixture(t), collect(t)
	f.Kit().Callbacks.Enable(true)
	no, yes := false, true
	f.change(t, handpoint.Setting{Delivers: &no})
	f.post(t, "/transactions", operate("sale", `"amount":"300"`, euro, `"callbackUrl":"`+c.URL+`/x"`, `"token":"t"`))
	f.pass(time.Second)
	f.pass(20 * time.Second)
	if c.got() != 0 {
		t.Fatalf("%d deliveries arrived", c.got())
	}
	f.change(t, handpoint.Setting{Delivers: &yes})
	f.pass(5 * time.Second)
	if c.got() != 1 || c.bodies[0]["recoveredTransaction"] != true {
		t.Errorf("%d deliveries: %v", c.got(), c.bodies)
	}
}

func TestAThousandTerminalsCanBeHad(t *testing.T) {
	s := handpoint.New(handpoint.Config{MoreDevices: 1000}, nil)
	if err := s.Set(handpoint.Setting{Serial: "3000000999", Card: handpoint.TokenAmex}); err != nil {
		t.Error(err)
	}
	if err := s.Set(handpoint.Setting{Serial: "3000001000"}); err == nil {
		t.Error("there is one terminal too many")
	}
}
