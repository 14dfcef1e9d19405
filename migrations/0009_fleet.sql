-- +goose Up
-- What the fleet's own questions need: the last answer to one of ours, which payment runs where, and alerts of terminals.

alter table devices add column pinged_at timestamptz; -- when it last answered a check of ours, which proves Integrated Mode
create index devices_running on devices (merchant_id, running_payment) where running_payment is not null;
-- The wall of one connection, and the terminals that a form offers.
create index devices_by_connection on devices (merchant_id, connection_id, (lower(case when name <> '' then name when provider_name <> '' then provider_name else type || ' ' || serial end)), id);
create index alerts_of_silence on alerts (merchant_id, created_at, id) where device_id is not null and seen_at is null;
