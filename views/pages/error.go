package pages

import "strconv"

type errorWords struct{ title, message, next string }

var errorTable = map[int]errorWords{
	400: {"We could not read that", "The request was not one that this page understands.", "Go back and try again from the page itself."},
	401: {"Sign in to see this", "Your session has ended, or you have not signed in.", "Sign in, and you come back here."},
	403: {"You may not do this", "Your role does not allow it.", "An owner or administrator of your account can change your role."},
	404: {"There is nothing here", "The page or the payment does not exist, or it belongs to another account.", "Check the address, or search under Payments."},
	405: {"That cannot be done here", "This address does not take that kind of request.", "Go back and try again from the page itself."},
	409: {"It changed while you were looking", "Somebody, or the provider, changed this since the page was made.", "Go back, look at it as it is now, and decide again."},
	413: {"That was too much at once", "The form was larger than any of ours.", "Go back and try again with less."},
	422: {"Something in the form needs another look", "One of the values cannot be used.", "Go back and change it."},
	429: {"Too much at once", "There were too many requests in a short time.", "Wait a minute, then try again."},
	500: {"Something went wrong on our side", "It was not your doing, and it has been written down.", "If you were moving money, look at the payment before you try again."},
	503: {"We are not ready", "A part that we need does not answer at the moment, most likely the database.", "Wait a minute. If you were moving money, look at the payment before you try again."},
}

func wordsOf(status int) errorWords {
	if w, ok := errorTable[status]; ok {
		return w
	}
	if status >= 500 {
		return errorTable[500]
	}
	return errorTable[400]
}

func errorTitle(status int) string { return wordsOf(status).title }
func errorNext(status int) string  { return wordsOf(status).next }

func errorMessage(v ErrorView) string {
	if v.Message != "" {
		return v.Message
	}
	return wordsOf(v.Status).message
}

func statusText(status int) string { return strconv.Itoa(status) }
