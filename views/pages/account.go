package pages

import (
	"time"

	"github.com/counterfoil/counterfoil/views/components"
	"github.com/counterfoil/counterfoil/views/layouts"
)

func themeOf(theme string) string {
	switch theme {
	case layouts.ThemeLight, layouts.ThemeDark:
		return theme
	}
	return "system"
}

func minutes(d time.Duration) string {
	return components.Count(int(d/time.Minute), "minute", "minutes")
}

// endsWords follow the moment at which a session ends at the latest.
func endsWords(idle time.Duration) string {
	if idle <= 0 {
		return " at the latest"
	}
	return " at the latest, or after " + minutes(idle) + " without a click"
}

func returnTitle(outcome string) string {
	switch outcome {
	case "cancel":
		return "Card entry was cancelled"
	case "error":
		return "The provider ended card entry"
	}
	return "Card details received"
}

func returnWords(outcome string) string {
	if outcome == "cancel" || outcome == "error" {
		return "Counterfoil is asking the provider what happened. Go back to the payment if it does not change by itself."
	}
	return "Counterfoil is asking the provider for the outcome. Go back to the payment if it does not change by itself."
}
