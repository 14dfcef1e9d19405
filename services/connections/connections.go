// Package connections is the use case that keeps a merchant's accounts at the
// providers: their public values, their credentials, which are sealed before
// they reach the database and never shown again, what each of them can do, and
// what its provider says to a test. It imports store, providers,
// providers/httpclient, domain and money.
package connections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/counterfoil/counterfoil/services/domain"
	"github.com/counterfoil/counterfoil/services/money"
	"github.com/counterfoil/counterfoil/services/providers"
	"github.com/counterfoil/counterfoil/services/providers/httpclient"
	"github.com/counterfoil/counterfoil/services/store"
)

// Vault seals under associated parts, and opens with the same ones.
type Vault interface {
	Seal(plain []byte, associated ...string) ([]byte, error)
	Open(sealed []byte, associated ...string) ([]byte, error)
}

// Service is the use case. It is safe for use by many goroutines.
type Service struct {
	Store    *store.Store
	Registry *providers.Registry
	Secrets  Vault
	Now      func() time.Time
	// Transport is how adapters reach providers, and the rule of where to. Nil:
	// addresses are judged only when they are dialled, by an adapter's own.
	Transport *httpclient.Shared
	// PublicURL is where providers and browsers reach this server.
	PublicURL string

	mu     sync.Mutex
	tested map[domain.ConnectionID]time.Time // when each was last asked

	once      sync.Once
	summaries map[string]string // of each system, for the page that chooses one
}

// now is the clock at the database's precision.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// NewConnection is what a connection is made from.
type NewConnection struct {
	// ID is minted with the form, so that a form that is sent twice makes one
	// connection; zero: it is minted here.
	ID         domain.ConnectionID
	Provider   string
	Name       string
	BaseURL    string
	Settings   map[string]string
	Secrets    map[string]string
	Currencies []money.Currency
}

// FieldName and FieldBaseURL name the two values that every connection has, in
// the fields of an Invalid error. No registration's field is called so.
const (
	FieldName    = "name"
	FieldBaseURL = "base_url"
)

// The limits of what is typed, in characters.
const (
	maxName  = 60
	maxValue = 1024
)

// Create adds a connection in the merchant's own mode, with its credentials
// sealed. Invalid says which value is refused; no value is repeated. The
// operator's command calls it (the actor is the system, and nothing is asked
// of it); it leaves one audit row.
func (s *Service) Create(ctx context.Context, actor domain.Actor, in NewConnection) (domain.Connection, error) {
	return s.create(ctx, actor, in, false)
}

// Add is Create for a person's form. It needs connections:manage. A form that
// was sent before gives the connection that it made; with other values it is
// Duplicate. A name that another connection has is Invalid, and so is a required
// value that is missing.
func (s *Service) Add(ctx context.Context, actor domain.Actor, in NewConnection) (domain.Connection, error) {
	if err := actor.Require(domain.ConnectionsManage); err != nil {
		return domain.Connection{}, err
	}
	if in.ID.IsZero() {
		return domain.Connection{}, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was added. Open a new one.")
	}
	c, err := s.create(ctx, actor, in, true)
	if domain.CodeOf(err) != domain.Duplicate {
		return c, err
	}
	return s.madeBefore(ctx, actor, in)
}

func (s *Service) create(ctx context.Context, actor domain.Actor, in NewConnection, typed bool) (domain.Connection, error) {
	reg, ok := s.Registry.Get(in.Provider)
	if !ok {
		return domain.Connection{}, domain.Errorf(domain.Invalid, "There is no provider %q.", in.Provider)
	}
	in = trimmed(in)
	var merchant domain.Merchant
	var names []string
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		if merchant, err = tx.MerchantRow(ctx); err != nil || !typed {
			return err
		}
		there, err := tx.Connections(ctx)
		for _, c := range there {
			if !c.Removed() && c.ID != in.ID {
				names = append(names, strings.ToLower(c.Name))
			}
		}
		return err
	})
	if err != nil {
		return domain.Connection{}, err
	}
	fields := s.check(reg, merchant.Mode, in, typed)
	if slices.Contains(names, strings.ToLower(in.Name)) {
		fields[FieldName] = "There is already a connection with this name."
	}
	if len(fields) > 0 {
		return domain.Connection{}, domain.InvalidFields(fields)
	}
	if _, err := reg.New(providers.Config{BaseURL: in.BaseURL, Settings: in.Settings, Secrets: in.Secrets, Now: s.Now}); err != nil {
		return domain.Connection{}, notAccepted(reg, err)
	}
	now := s.now()
	c := domain.Connection{ID: in.ID, MerchantID: actor.MerchantID, Provider: in.Provider, Name: in.Name, Mode: merchant.Mode, BaseURL: in.BaseURL,
		Settings: in.Settings, Currencies: in.Currencies, Active: true, CreatedAt: now}
	if c.ID.IsZero() {
		c.ID = domain.NewConnectionID()
	}
	err = s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		if err := tx.InsertConnection(ctx, c); err != nil {
			return err
		}
		if err := s.put(ctx, tx, store.SlotCurrent, c.ID, in.Secrets, now); err != nil {
			return err
		}
		tx.Audit(entry(now, actor, "connection.created", c, "ok"))
		return nil
	})
	return c, err
}

// madeBefore answers a form whose id is taken.
func (s *Service) madeBefore(ctx context.Context, actor domain.Actor, in NewConnection) (domain.Connection, error) {
	in = trimmed(in)
	var c domain.Connection
	var rows []store.SecretRow
	err := s.Store.ReadTenant(ctx, actor.MerchantID, func(tx *store.Tx) (err error) {
		if c, err = tx.Connection(ctx, in.ID); err != nil {
			return err
		}
		rows, err = tx.SecretRows(ctx, in.ID)
		return err
	})
	switch {
	case domain.CodeOf(err) == domain.NotFound: // another merchant's, which nobody is told
		return c, domain.Errorf(domain.Conflict, "This form is too old to use. Nothing was added. Open a new one.")
	case err != nil:
		return c, err
	}
	was, err := s.open(c, rows, store.SlotCurrent)
	if err != nil {
		return c, err
	}
	if c.Provider != in.Provider || c.Name != in.Name || c.BaseURL != in.BaseURL || !maps.Equal(c.Settings, in.Settings) || !maps.Equal(was, in.Secrets) {
		return c, domain.Errorf(domain.Duplicate, "This form has made the connection “%s” already. Open a new form to add another one.", c.Name)
	}
	return c, nil
}

// trimmed takes away what comes along when a value is pasted, and values that
// are empty.
func trimmed(in NewConnection) NewConnection {
	in.Name, in.BaseURL = strings.TrimSpace(in.Name), strings.TrimSpace(in.BaseURL)
	in.Settings, in.Secrets = trimAll(in.Settings), trimAll(in.Secrets)
	return in
}

func trimAll(values map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			out[k] = v
		}
	}
	return out
}

// check is every rule of the form that needs no database, one sentence per
// field.
func (s *Service) check(reg providers.Registration, mode domain.Mode, in NewConnection, typed bool) map[string]string {
	fields := map[string]string{}
	switch {
	case in.Name == "":
		fields[FieldName] = "Give the connection a name."
	case len([]rune(in.Name)) > maxName:
		fields[FieldName] = fmt.Sprintf("Use at most %d characters.", maxName)
	case hasControl(in.Name):
		fields[FieldName] = "Use letters, digits and signs only."
	case domain.LooksLikeCardNumber(in.Name):
		fields[FieldName] = cardNumber
	}
	switch {
	case in.BaseURL == "":
		fields[FieldBaseURL] = "Enter the provider’s address, beginning with https://."
	default:
		if why := s.checkAddress(reg, mode, in.BaseURL); why != "" {
			fields[FieldBaseURL] = why
		}
	}
	for k := range in.Settings {
		if !slices.Contains(reg.Settings(), k) {
			fields[k] = reg.Label + " has no such setting."
		}
	}
	for k := range in.Secrets {
		if !slices.Contains(reg.Secrets(), k) {
			fields[k] = reg.Label + " has no such credential."
		}
	}
	for name, why := range providers.CheckCommon(reg, in.Settings) {
		fields[name] = why
	}
	for _, f := range reg.AllFields() {
		value := in.Settings[f.Name]
		if f.Secret {
			value = in.Secrets[f.Name]
		}
		if why := s.checkField(reg, mode, f, value); why != "" {
			fields[f.Name] = why
		} else if typed && f.Required && value == "" {
			fields[f.Name] = missing(f)
		}
	}
	return fields
}

const cardNumber = "This looks like a card number. Card numbers are never kept."

func missing(f providers.Field) string {
	if f.Kind == providers.FieldChoice {
		return "Choose one of these."
	}
	return "Enter this value: the connection does not work without it."
}

func (s *Service) checkField(reg providers.Registration, mode domain.Mode, f providers.Field, value string) string {
	switch {
	case value == "":
		return ""
	case len([]rune(value)) > maxValue:
		return fmt.Sprintf("Use at most %d characters.", maxValue)
	case hasControl(value):
		return "This has characters that cannot be typed. Copy it again."
	case f.Kind == providers.FieldURL:
		return s.checkAddress(reg, mode, value)
	case f.Kind == providers.FieldChoice:
		if !slices.ContainsFunc(f.Options, func(o providers.Option) bool { return o.Value == value }) {
			return "Choose one of these."
		}
	case f.Kind == providers.FieldYesNo:
		if value != "yes" {
			return "Tick it or leave it empty."
		}
	case !f.Secret && domain.LooksLikeCardNumber(value):
		return cardNumber
	}
	return ""
}

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// checkAddress says in a sentence why an address may not be one of this
// merchant's: it cannot be one, the transport would refuse it, or the provider's
// document names it for the other mode.
func (s *Service) checkAddress(reg providers.Registration, mode domain.Mode, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "Enter an address that begins with https://."
	}
	if len([]rune(address)) > maxValue || u.RawQuery != "" || u.Fragment != "" {
		return "Enter the address alone, without anything after ? or #."
	}
	if domain.LooksLikeCardNumber(address) {
		return cardNumber
	}
	if s.Transport != nil {
		var refused *httpclient.RefusedError
		if err := s.Transport.CheckAddress(u); errors.As(err, &refused) {
			return sentence(refused.Why) + " Whoever runs this copy of Counterfoil can allow others."
		}
	}
	if other := otherMode(reg, mode, u); other != "" {
		return other
	}
	return ""
}

func sentence(s string) string {
	s = strings.ReplaceAll(s, "'", "’")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// otherMode says that an address is one that the document names for the other
// mode only. A host that both modes share is told apart by the path.
func otherMode(reg providers.Registration, mode domain.Mode, u *url.URL) string {
	ours, theirs := 0, 0 // how much of the address each mode's best match covers
	for _, a := range reg.Addresses {
		known, err := url.Parse(a.URL)
		if err != nil || host(known) != host(u) {
			continue
		}
		n := 1
		if path := strings.Trim(known.Path, "/"); path == "" || strings.HasPrefix(strings.Trim(u.Path, "/")+"/", path+"/") {
			n += 1 + len(path)
		}
		if a.Mode == mode {
			ours = max(ours, n)
		} else {
			theirs = max(theirs, n)
		}
	}
	if theirs <= ours {
		return ""
	}
	if mode == domain.Test {
		return "This is " + reg.Label + "’s address for live payments. A test merchant may not use it."
	}
	return "This is " + reg.Label + "’s address for tests. A live merchant may not use it."
}

// host is an address's host as it is reached: in small letters, without the dot
// that may end a name.
func host(u *url.URL) string { return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") }

// notAccepted turns an adapter's refusal into Invalid, at the field that it is
// about where the adapter's sentence begins with one.
func notAccepted(reg providers.Registration, err error) error {
	field, words := plain(reg, err)
	if field != "" {
		return domain.InvalidFields(map[string]string{field: words})
	}
	return domain.Wrap(err, domain.Invalid, "%s does not accept these values: %s", reg.Label, words)
}

// plain gives an adapter's refusal in a person's words: its own name is left out
// and the field's name is its label. No refusal repeats a value.
func plain(reg providers.Registration, err error) (field, words string) {
	words = strings.TrimPrefix(err.Error(), reg.Name+": ")
	for _, f := range reg.AllFields() {
		if rest, ok := strings.CutPrefix(words, f.Name+" "); ok {
			return f.Name, "“" + f.Label + "” " + rest + "."
		}
	}
	return "", words + "."
}

// put seals credentials into a slot.
func (s *Service) put(ctx context.Context, tx *store.Tx, slot store.Slot, id domain.ConnectionID, secrets map[string]string, at time.Time) error {
	for _, field := range slices.Sorted(maps.Keys(secrets)) {
		value := secrets[field]
		if value == "" {
			continue
		}
		sealed, err := s.Secrets.Seal([]byte(value), domain.SecretContext(tx.Merchant(), id, field)...)
		if err != nil {
			return fmt.Errorf("connections: seal %s: %w", field, err)
		}
		if err := tx.PutSecretIn(ctx, slot, id, field, sealed, last4(value), at); err != nil {
			return err
		}
	}
	return nil
}

// open gives the credentials of one slot in clear.
func (s *Service) open(c domain.Connection, rows []store.SecretRow, slot store.Slot) (map[string]string, error) {
	out := map[string]string{}
	for _, r := range rows {
		if r.ConnectionID != c.ID || r.Slot != slot {
			continue
		}
		plain, err := s.Secrets.Open(r.Sealed, domain.SecretContext(c.MerchantID, c.ID, r.Field)...)
		if err != nil {
			return nil, domain.Wrap(fmt.Errorf("connections: secret %q of connection %s: %w", r.Field, c.ID, err), domain.Unavailable,
				"The credentials of “%s” do not open. Tell whoever runs this copy of Counterfoil.", c.Name)
		}
		out[r.Field] = string(plain)
	}
	return out, nil
}

// last4 is what pages may show of a credential: the end of one that is long
// enough for four characters to give nothing away.
func last4(secret string) string {
	if len(secret) < 12 {
		return ""
	}
	r := []rune(secret)
	return string(r[max(0, len(r)-4):])
}

func entry(at time.Time, actor domain.Actor, action string, c domain.Connection, result string) store.AuditEntry {
	return store.AuditEntry{At: at, Actor: actor, Action: action, ObjectType: "connection", ObjectID: c.ID.String(), Result: result,
		Detail: map[string]any{"provider": c.Provider, "name": c.Name, "mode": string(c.Mode)}}
}

// AddCard keeps a card token of the provider's under a connection, sealed. The
// token may not be a card number.
func (s *Service) AddCard(ctx context.Context, actor domain.Actor, c domain.ConnectionID, token string, card domain.Card, customer string) (domain.StoredCard, error) {
	if token == "" || domain.LooksLikeCardNumber(token) || domain.LooksLikeCardNumber(customer) {
		return domain.StoredCard{}, domain.Errorf(domain.Invalid, "That is not a card token. Card numbers are never kept.")
	}
	stored := domain.StoredCard{ID: domain.NewCardID(), ConnectionID: c, Card: card, Customer: customer, CreatedAt: s.now()}
	sealed, err := s.Secrets.Seal([]byte(token), domain.CardContext(actor.MerchantID, stored.ID)...)
	if err != nil {
		return stored, fmt.Errorf("connections: seal token: %w", err)
	}
	err = s.Store.InTenant(ctx, actor.MerchantID, func(tx *store.Tx) error {
		conn, err := tx.Connection(ctx, c)
		if err != nil {
			return err
		}
		if conn.Removed() {
			return errRemoved
		}
		tx.Audit(store.AuditEntry{At: stored.CreatedAt, Actor: actor, Action: "card.stored", ObjectType: "card", ObjectID: stored.ID.String(), Result: "ok"})
		return tx.InsertCard(ctx, stored, sealed, domain.TokenHash(token))
	})
	return stored, err
}

var errRemoved = domain.Errorf(domain.Conflict, "This connection was removed. Nothing was changed.")
