package domain

// The capabilities. Each is one small interface of services/providers.
const (
	CanSellByToken      Capability = "sell_by_token"
	CanSellByPage       Capability = "sell_by_page"
	CanTokenizeInFrame  Capability = "tokenize_in_frame" // a frame of the provider's that posts a token
	CanPreauthByToken   Capability = "preauth_by_token"
	CanPreauthByPage    Capability = "preauth_by_page"
	CanCapture          Capability = "capture"
	CanPartCapture      Capability = "part_capture"
	CanCaptureAgain     Capability = "capture_again"
	CanVoidPreauth      Capability = "void_preauth"
	CanVoidSale         Capability = "void_sale"
	CanIncrease         Capability = "increase"
	CanDecrease         Capability = "decrease"
	CanRefund           Capability = "refund"
	CanPartRefund       Capability = "part_refund"
	CanAdjustTip        Capability = "adjust_tip"
	CanPayout           Capability = "payout"
	CanRegisterCard     Capability = "register_card"
	CanForgetCard       Capability = "forget_card"
	CanTokenFromPast    Capability = "token_from_past"
	CanPayByLink        Capability = "pay_by_link"
	CanSurcharge        Capability = "surcharge"
	CanAutoCapture      Capability = "auto_capture"
	CanSchedule         Capability = "schedule"
	CanReadOptions      Capability = "read_options"
	CanListDevices      Capability = "list_devices"
	CanCheckDevice      Capability = "check_device"
	CanCommandDevice    Capability = "command_device"
	CanUseTerminal      Capability = "use_terminal"
	CanKeepBatches      Capability = "keep_batches"
	CanLookUp           Capability = "look_up"
	CanReceiveCallbacks Capability = "receive_callbacks"
	CanReceiveHints     Capability = "receive_hints"
	CanTestConnection   Capability = "test_connection"
	CanSignIn           Capability = "sign_in"
)

// AllCapabilities lists them in the order in which pages and the command show
// them.
var AllCapabilities = []Capability{
	CanSellByToken,
	CanSellByPage,
	CanTokenizeInFrame,
	CanPreauthByToken,
	CanPreauthByPage,
	CanCapture,
	CanPartCapture,
	CanCaptureAgain,
	CanVoidPreauth,
	CanVoidSale,
	CanIncrease,
	CanDecrease,
	CanRefund,
	CanPartRefund,
	CanAdjustTip,
	CanPayout,
	CanRegisterCard,
	CanForgetCard,
	CanTokenFromPast,
	CanPayByLink,
	CanSurcharge,
	CanAutoCapture,
	CanSchedule,
	CanReadOptions,
	CanListDevices,
	CanCheckDevice,
	CanCommandDevice,
	CanUseTerminal,
	CanKeepBatches,
	CanLookUp,
	CanReceiveCallbacks,
	CanReceiveHints,
	CanTestConnection,
	CanSignIn,
}

// Label is the capability in words.
func (c Capability) Label() string {
	switch c {
	case CanSellByToken:
		return "Sale with a card token"
	case CanSellByPage:
		return "Sale on the provider’s page"
	case CanTokenizeInFrame:
		return "Card frame on our page"
	case CanPreauthByToken:
		return "Pre-authorisation with a card token"
	case CanPreauthByPage:
		return "Pre-authorisation on the provider’s page"
	case CanCapture:
		return "Capture"
	case CanPartCapture:
		return "Capture of a part"
	case CanCaptureAgain:
		return "Several captures of one hold"
	case CanVoidPreauth:
		return "Void of a pre-authorisation"
	case CanVoidSale:
		return "Void of a sale before settlement"
	case CanIncrease:
		return "Increase of a hold"
	case CanDecrease:
		return "Decrease of a hold"
	case CanRefund:
		return "Refund"
	case CanPartRefund:
		return "Refund of a part"
	case CanAdjustTip:
		return "Tip adjustment"
	case CanPayout:
		return "Payout to a card"
	case CanRegisterCard:
		return "Storing a card"
	case CanForgetCard:
		return "Forgetting a stored card"
	case CanTokenFromPast:
		return "Card token of an earlier payment"
	case CanPayByLink:
		return "Pay-by-link"
	case CanSurcharge:
		return "Surcharge"
	case CanAutoCapture:
		return "Capture by itself after a time"
	case CanSchedule:
		return "Schedules"
	case CanReadOptions:
		return "Lists of options"
	case CanListDevices:
		return "List of terminals"
	case CanCheckDevice:
		return "Is a terminal connected"
	case CanCommandDevice:
		return "Commands to a terminal"
	case CanUseTerminal:
		return "Payments on a terminal"
	case CanKeepBatches:
		return "Batches"
	case CanLookUp:
		return "Asking for an outcome by our reference"
	case CanReceiveCallbacks:
		return "Verified callbacks"
	case CanReceiveHints:
		return "Unverified callbacks, as a hint to ask"
	case CanTestConnection:
		return "Test of the connection"
	case CanSignIn:
		return "Sign-in at the provider"
	}
	return string(c)
}
