package pages

import "github.com/counterfoil/counterfoil/services/domain"

// explained adds to a note why its transaction did not go through, and what
// follows from that.
func explained(n note, t domain.Transaction) note {
	why := t.Explain()
	n.text, n.tell, n.say, n.retry = why.What, why.Do, why.Say, why.Advice
	// A new payment beside one that may have gone through is the mistake that the
	// advice warns of.
	n.again = t.Type == domain.Sale && why.Advice != domain.FindOutFirst
	return n
}

func retryIcon(a domain.RetryAdvice) string {
	switch {
	case a == domain.RetryNotKnown:
		return "circle-question-mark"
	case !a.Allows():
		return "ban"
	case a == domain.RetrySoon, a == domain.RetryAnotherDay:
		return "clock"
	}
	return "rotate-cw"
}
