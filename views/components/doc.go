// Package components holds the small parts that pages are made of: statuses,
// amounts, times, fields, notes, receipts. Each is a pure function of its
// arguments and fetches nothing. Of ours it imports only domain, money and
// static.
package components
