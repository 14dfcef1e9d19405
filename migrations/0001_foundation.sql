-- +goose Up
-- The walls: tenancy, people, sessions, the audit chain, connections, payments.
--
-- Tables without a merchant are a closed list (docs/adr/0005): merchants, users,
-- memberships, sessions, directory, goose's and River's. Every other table has
-- merchant_id first in its keys and forced row-level security.

-- +goose StatementBegin
do $$
begin
  create role counterfoil_app nologin;
exception when duplicate_object or unique_violation then
  null; -- roles belong to the whole cluster; another database made it
end
$$;
-- +goose StatementEnd

create table merchants (
  id          uuid primary key,
  name        text not null check (name <> ''),
  place       text not null default '',
  address     text not null default '',
  time_zone   text not null,
  mode        text not null check (mode in ('live', 'test')),
  currencies  text[] not null check (cardinality(currencies) > 0),
  created_at  timestamptz not null
);

create table users (
  id                uuid primary key,
  email             text not null,
  name              text not null,
  password_hash     text not null default '',
  totp_sealed       bytea,               -- sealed with the user's id as associated data
  totp_last_step    bigint not null default 0, -- a code works once: only a later step is accepted
  failed_attempts   integer not null default 0,
  locked_until      timestamptz,
  disabled_at       timestamptz,
  theme             text not null default 'system' check (theme in ('system', 'light', 'dark')),
  last_sign_in_at   timestamptz,
  created_at        timestamptz not null
);
create unique index users_email on users (lower(email));

create table memberships (
  merchant_id uuid not null references merchants (id),
  user_id     uuid not null references users (id),
  role        text not null check (role in ('owner', 'admin', 'manager', 'cashier', 'developer', 'analyst')),
  created_at  timestamptz not null,
  primary key (merchant_id, user_id)
);
create index memberships_user on memberships (user_id);

create table sessions (
  token_hash   bytea primary key,         -- SHA-256 of the cookie's token; the token itself is nowhere
  data         bytea not null,
  user_id      uuid references users (id),
  created_at   timestamptz not null,
  last_seen_at timestamptz not null,      -- moved by people, never by background requests
  expires_at   timestamptz not null
);
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

-- Whoever arrives without a merchant asks here and learns a merchant's id, no more.
create table directory (
  kind        text not null,
  key_hash    bytea not null,
  merchant_id uuid not null references merchants (id),
  primary key (kind, key_hash)
);

create table setup_links (
  merchant_id uuid not null references merchants (id),
  token_hash  bytea not null,
  user_id     uuid not null references users (id),
  expires_at  timestamptz not null,
  used_at     timestamptz,
  created_at  timestamptz not null,
  primary key (merchant_id, token_hash)
);

create table connections (
  merchant_id uuid not null references merchants (id),
  id          uuid not null,
  provider    text not null,
  name        text not null,
  mode        text not null check (mode in ('live', 'test')),
  base_url    text not null,
  settings    jsonb not null default '{}',
  currencies  text[] not null default '{}',
  active      boolean not null default true,
  created_at  timestamptz not null,
  primary key (merchant_id, id)
);

create table connection_secrets (
  merchant_id   uuid not null,
  connection_id uuid not null,
  field         text not null,
  sealed        bytea not null,           -- associated data: merchant, connection, field
  last4         text not null default '',
  set_at        timestamptz not null,
  primary key (merchant_id, connection_id, field),
  foreign key (merchant_id, connection_id) references connections (merchant_id, id)
);

create table cards (
  merchant_id   uuid not null,
  id            uuid not null,
  connection_id uuid not null,
  token_sealed  bytea not null,           -- associated data: merchant, card, "token"
  brand         text not null default '',
  last4         text not null check (last4 ~ '^[0-9]{4}$'),
  expiry        text not null default '',
  customer      text not null default '',
  created_at    timestamptz not null,
  primary key (merchant_id, id),
  foreign key (merchant_id, connection_id) references connections (merchant_id, id)
);
create index cards_by_connection on cards (merchant_id, connection_id, created_at desc, id desc);

create table payments (
  merchant_id     uuid not null,
  id              uuid not null,
  connection_id   uuid not null,
  reference       text not null check (length(reference) = 8),
  status          text not null check (status in ('processing', 'unknown', 'needs_person', 'approved', 'part_refunded', 'refunded', 'declined', 'not_charged')),
  method          text not null check (method in ('frame', 'page', 'card')),
  currency        char(3) not null,
  amount_minor    bigint not null check (amount_minor > 0),
  captured_minor  bigint not null default 0 check (captured_minor >= 0),
  refunded_minor  bigint not null default 0 check (refunded_minor >= 0),
  held_minor      bigint not null default 0 check (held_minor >= 0),
  order_reference text not null default '',
  email           text not null default '',
  card_brand      text not null default '',
  card_last4      text not null default '' check (card_last4 ~ '^([0-9]{4})?$'),
  card_expiry     text not null default '',
  auth_code       text not null default '',
  reason          text not null default '',
  created_by      uuid not null references users (id),
  created_by_name text not null,
  created_at      timestamptz not null,
  updated_at      timestamptz not null,
  primary key (merchant_id, id),
  foreign key (merchant_id, connection_id) references connections (merchant_id, id)
);
create unique index payments_reference on payments (merchant_id, reference);
create index payments_newest       on payments (merchant_id, created_at desc, id desc);
create index payments_by_status    on payments (merchant_id, status, created_at desc, id desc);
create index payments_by_connection on payments (merchant_id, connection_id, created_at desc, id desc);
create index payments_by_currency  on payments (merchant_id, currency, created_at desc, id desc);
create index payments_by_method    on payments (merchant_id, method, created_at desc, id desc);
create index payments_by_last4     on payments (merchant_id, card_last4, created_at desc, id desc);
create index payments_by_amount    on payments (merchant_id, amount_minor, created_at desc, id desc);
create index payments_by_order     on payments (merchant_id, lower(order_reference) text_pattern_ops, created_at desc, id desc);
create index payments_with_refunds on payments (merchant_id, created_at desc, id desc) where refunded_minor > 0 or held_minor > 0;

create table transactions (
  merchant_id    uuid not null,
  id             uuid not null,
  payment_id     uuid not null,
  connection_id  uuid not null,
  reference      text not null check (length(reference) = 8),
  type           text not null check (type in ('sale', 'refund')),
  status         text not null check (status in ('pending', 'processing', 'unknown', 'approved', 'declined', 'failed', 'needs_person')),
  currency       char(3) not null,
  amount_minor   bigint not null check (amount_minor > 0),
  reason         text not null default '',
  attempt_ref    uuid not null,
  original_ref   text not null default '',
  provider_ref   text,
  provider_code  text not null default '',
  provider_text  text not null default '',
  auth_code      text not null default '',
  redirect_url   text not null default '',
  note           text not null default '',
  created_by     uuid not null references users (id),
  created_by_name text not null,
  created_at     timestamptz not null,
  last_send_at   timestamptz not null,
  asked          integer not null default 0,
  absent         integer not null default 0, -- "not known" answers that came after the provider's window
  last_asked_at  timestamptz,
  next_ask_at    timestamptz,
  settled_at     timestamptz,
  primary key (merchant_id, id),
  foreign key (merchant_id, payment_id) references payments (merchant_id, id),
  unique (merchant_id, reference),
  unique (merchant_id, attempt_ref)
);
create unique index transactions_provider_ref on transactions (merchant_id, connection_id, provider_ref) where provider_ref is not null;
create index transactions_of_payment on transactions (merchant_id, payment_id, created_at desc, id desc);
create index transactions_newest on transactions (merchant_id, created_at desc, id desc);
create index transactions_open on transactions (merchant_id, next_ask_at) where status in ('pending', 'processing', 'unknown');

-- One row per form that moved money: a key minted with the form makes one effect.
create table idempotency_keys (
  merchant_id    uuid not null,
  key            text not null,
  request_hash   bytea not null,
  payment_id     uuid not null,
  transaction_id uuid not null,
  created_at     timestamptz not null,
  primary key (merchant_id, key)
);

-- What was said between us and the provider, scrubbed before it came here.
create table provider_messages (
  merchant_id    uuid not null,
  id             uuid not null,
  transaction_id uuid not null,
  at             timestamptz not null,
  op             text not null,
  outcome        text not null,
  body           text not null default '',
  primary key (merchant_id, id),
  foreign key (merchant_id, transaction_id) references transactions (merchant_id, id)
);
create index provider_messages_of_transaction on provider_messages (merchant_id, transaction_id, at desc, id desc);

-- The audit chain. The platform's own chain has the nil merchant.
create table audit_heads (
  merchant_id uuid primary key,
  seq         bigint not null,
  hash        bytea not null
);

create table audit_log (
  merchant_id  uuid not null,
  seq          bigint not null,
  at           timestamptz not null,
  actor        text not null check (actor <> ''), -- a user's id, "system", or "anonymous"
  actor_name   text not null,
  on_behalf_of text not null default '',
  action       text not null,
  object_type  text not null default '',
  object_id    text not null default '',
  result       text not null,
  ip           text not null default '',
  request_id   text not null default '',
  detail       jsonb not null default '{}',
  prev_hash    bytea not null,
  hash         bytea not null,
  primary key (merchant_id, seq)
);
create index audit_of_object on audit_log (merchant_id, object_type, object_id, seq);

-- The canonical form of a row: what the hash is taken over. jsonb's text has
-- its keys in one order, so the same row always gives the same bytes.
-- +goose StatementBegin
create function audit_hash(r audit_log) returns bytea language sql immutable as $$
  select sha256(r.prev_hash || convert_to(jsonb_build_array(
    r.merchant_id, r.seq, (extract(epoch from r.at) * 1000000)::bigint, r.actor, r.actor_name, r.on_behalf_of,
    r.action, r.object_type, r.object_id, r.result, r.ip, r.request_id, r.detail)::text, 'UTF8'))
$$;
-- +goose StatementEnd

-- Appends one row to the chain of the merchant that is set. It is the last
-- statement before COMMIT, so the head is locked for as short as can be. It
-- runs as its owner: the application may read and add, never touch the heads.
-- +goose StatementBegin
create function audit_append(p_at timestamptz, p_actor text, p_actor_name text, p_on_behalf_of text, p_action text,
  p_object_type text, p_object_id text, p_result text, p_ip text, p_request_id text, p_detail jsonb)
returns bigint language plpgsql security definer set search_path = pg_catalog, public as $$
declare
  m uuid := nullif(current_setting('app.merchant_id', true), '')::uuid;
  h public.audit_heads;
  r public.audit_log;
begin
  if m is null then
    raise exception 'audit_append: no merchant is set' using errcode = 'insufficient_privilege';
  end if;
  insert into public.audit_heads (merchant_id, seq, hash) values (m, 0, ''::bytea) on conflict do nothing;
  select * into h from public.audit_heads where merchant_id = m for update;
  r.merchant_id := m;
  r.seq := h.seq + 1;
  r.at := p_at;
  r.actor := p_actor;
  r.actor_name := p_actor_name;
  r.on_behalf_of := p_on_behalf_of;
  r.action := p_action;
  r.object_type := p_object_type;
  r.object_id := p_object_id;
  r.result := p_result;
  r.ip := p_ip;
  r.request_id := p_request_id;
  r.detail := p_detail;
  r.prev_hash := h.hash;
  r.hash := public.audit_hash(r);
  insert into public.audit_log select r.*;
  update public.audit_heads set seq = r.seq, hash = r.hash where merchant_id = m;
  return r.seq;
end
$$;
-- +goose StatementEnd

-- Row-level security: no merchant set sees zero rows and inserts nothing.
-- (nullif: a pooled connection keeps the setting as '' and the cast would fail.)
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['setup_links', 'connections', 'connection_secrets', 'cards', 'payments', 'transactions',
    'idempotency_keys', 'provider_messages', 'audit_heads', 'audit_log']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format($p$create policy tenant on %I
      using (merchant_id = nullif(current_setting('app.merchant_id', true), '')::uuid)
      with check (merchant_id = nullif(current_setting('app.merchant_id', true), '')::uuid)$p$, t);
  end loop;
end
$$;
-- +goose StatementEnd

-- What the application role may do: it owns nothing, deletes next to nothing.
grant usage on schema public to counterfoil_app;
grant select on all tables in schema public to counterfoil_app;
grant insert on merchants, memberships, setup_links, connections, connection_secrets, cards, directory,
  payments, transactions, idempotency_keys, provider_messages, users, sessions to counterfoil_app;
grant update on users, memberships, setup_links, connections, connection_secrets, payments, transactions, sessions to counterfoil_app;
grant delete on sessions, directory to counterfoil_app;
revoke all on function audit_append(timestamptz, text, text, text, text, text, text, text, text, text, jsonb) from public;
grant execute on function audit_append(timestamptz, text, text, text, text, text, text, text, text, text, jsonb) to counterfoil_app;

create schema river;
grant usage on schema river to counterfoil_app;
-- River makes its own tables next, as the same owner.
alter default privileges in schema river grant select, insert, update, delete on tables to counterfoil_app;
alter default privileges in schema river grant usage, select on sequences to counterfoil_app;
