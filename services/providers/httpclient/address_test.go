package httpclient

import (
	"errors"
	"net/url"
	"testing"
)

func TestCheckAddressRefusesWhatADialWouldAndAllowsTheOperatorsList(t *testing.T) {
	s := Transport(Options{AllowHosts: []string{"127.0.0.1:9090", "terminal.lan:443", "Router:8443"}})
	for address, allowed := range map[string]bool{
		"https://gateway.example.com/api": true, "https://gateway.example.com:443": true, "https://8.8.8.8/": true, "https://[2606:4700::1]/": true,
		"http://127.0.0.1:9090/cardflo": true, "https://terminal.lan/": true, "https://router:8443/": true, "https://ROUTER:8443/": true,
		"http://gateway.example.com": false, "https://gateway.example.com:8443": false, "https://me@gateway.example.com": false, "https:///x": false,
		"http://127.0.0.1:9091/": false, "https://127.0.0.1/": false, "https://router/": false, "https://localhost/": false, "https://a.localhost/": false,
		"https://0.0.0.0/": false, "https://[::1]/": false, "https://[::ffff:10.0.0.1]/": false, "https://169.254.169.254/": false, "https://[fd00::1]/": false,
		"https://2130706433/": false, "https://0x7f.1/": false, "https://0177.0.0.1/": false, "https://1.2.3/": false, "https://a../": false, "https://./": false,
		"ftp://gateway.example.com": false, "me@router:8443": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			u = &url.URL{}
		}
		err = s.CheckAddress(u)
		var refused *RefusedError
		if allowed != (err == nil) || err != nil && (!errors.As(err, &refused) || refused.Why == "") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
