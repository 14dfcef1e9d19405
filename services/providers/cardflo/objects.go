package cardflo

import (
	"encoding/json"
	"fmt"
)

// Details are the optional parts of a debit, a preauthorization or a
// registration (seed 003, "Transaction Data"). Amounts and rates that the
// document calls numbers are JSON numbers that keep their digits as they were
// written; those that it calls texts are texts.
type Details struct {
	AdditionalID1    string            `json:"additionalId1,omitempty"`
	AdditionalID2    string            `json:"additionalId2,omitempty"`
	ExtraData        map[string]string `json:"extraData,omitempty"`
	MerchantMetaData string            `json:"merchantMetaData,omitempty"`
	// SurchargeAmount and CaptureInMinutes are texts; the latter is a
	// preauthorization's.
	SurchargeAmount     string               `json:"surchargeAmount,omitempty"`
	CaptureInMinutes    string               `json:"captureInMinutes,omitempty"`
	Items               []Item               `json:"items,omitempty"`
	WithRegister        bool                 `json:"withRegister,omitempty"`
	Customer            *Customer            `json:"customer,omitempty"`
	Schedule            *ScheduleTerms       `json:"schedule,omitempty"`
	CustomerProfileData *CustomerProfileData `json:"customerProfileData,omitempty"`
	ThreeDSecureData    *ThreeDSecureData    `json:"threeDSecureData,omitempty"`
	L2L3Data            *L2L3Data            `json:"l2l3Data,omitempty"`
	Language            string               `json:"language,omitempty"`
}

// WithDetails is the same connection whose debits, preauthorizations and
// registrations carry the details. It sends nothing.
func (a *Adapter) WithDetails(d Details) *Adapter {
	b := *a
	b.details = d
	return &b
}

// Customer is who pays (seed 003, "Customer").
type Customer struct {
	Identification    string            `json:"identification,omitempty"`
	FirstName         string            `json:"firstName,omitempty"`
	LastName          string            `json:"lastName,omitempty"`
	BirthDate         string            `json:"birthDate,omitempty"` // YYYY-MM-DD
	Gender            string            `json:"gender,omitempty"`    // M or F
	BillingAddress1   string            `json:"billingAddress1,omitempty"`
	BillingAddress2   string            `json:"billingAddress2,omitempty"`
	BillingCity       string            `json:"billingCity,omitempty"`
	BillingPostcode   string            `json:"billingPostcode,omitempty"`
	BillingState      string            `json:"billingState,omitempty"`
	BillingCountry    string            `json:"billingCountry,omitempty"`
	BillingPhone      string            `json:"billingPhone,omitempty"`
	ShippingFirstName string            `json:"shippingFirstName,omitempty"`
	ShippingLastName  string            `json:"shippingLastName,omitempty"`
	ShippingCompany   string            `json:"shippingCompany,omitempty"`
	ShippingAddress1  string            `json:"shippingAddress1,omitempty"`
	ShippingAddress2  string            `json:"shippingAddress2,omitempty"`
	ShippingCity      string            `json:"shippingCity,omitempty"`
	ShippingPostcode  string            `json:"shippingPostcode,omitempty"`
	ShippingState     string            `json:"shippingState,omitempty"`
	ShippingCountry   string            `json:"shippingCountry,omitempty"`
	ShippingPhone     string            `json:"shippingPhone,omitempty"`
	Company           string            `json:"company,omitempty"`
	Email             string            `json:"email,omitempty"`
	EmailVerified     *bool             `json:"emailVerified,omitempty"`
	IPAddress         string            `json:"ipAddress,omitempty"`
	NationalID        string            `json:"nationalId,omitempty"`
	ExtraData         map[string]string `json:"extraData,omitempty"`
	PaymentData       *PaymentData      `json:"paymentData,omitempty"`
}

// PaymentData is one of the two (seed 003, "PaymentData").
type PaymentData struct {
	IBANData   *IBANData   `json:"ibanData,omitempty"`
	WalletData *WalletData `json:"walletData,omitempty"`
}

// IBANData is a bank account to debit.
type IBANData struct {
	IBAN        string `json:"iban,omitempty"`
	BIC         string `json:"bic,omitempty"`
	MandateID   string `json:"mandateId,omitempty"`
	MandateDate string `json:"mandateDate,omitempty"` // YYYY-MM-DD
}

// WalletData is a wallet to debit.
type WalletData struct {
	WalletType        string `json:"walletType,omitempty"`
	WalletOwner       string `json:"walletOwner,omitempty"`
	WalletReferenceID string `json:"walletReferenceId,omitempty"`
}

// CustomerProfileData names a customer's profile by one of the two (seed 003,
// "CustomerProfileData").
type CustomerProfileData struct {
	ProfileGUID            string `json:"profileGuid,omitempty"`
	CustomerIdentification string `json:"customerIdentification,omitempty"`
	MarkAsPreferred        *bool  `json:"markAsPreferred,omitempty"`
}

// Item is a line of the order (seed 003, "Item").
type Item struct {
	Identification string            `json:"identification,omitempty"`
	Name           string            `json:"name,omitempty"`
	Description    string            `json:"description,omitempty"`
	Quantity       json.Number       `json:"quantity,omitempty"`
	Price          json.Number       `json:"price,omitempty"`
	Currency       string            `json:"currency,omitempty"`
	ExtraData      map[string]string `json:"extraData,omitempty"`
	L2L3Data       *ItemL2L3Data     `json:"l2l3Data,omitempty"`
}

// L2L3Data is the order's level 2 and 3 data (seed 003, "Level 2 & 3 Data").
type L2L3Data struct {
	TaxAmount             json.Number `json:"taxAmount,omitempty"`
	VATRegistrationNumber string      `json:"vatRegistrationNumber,omitempty"`
	NationalTaxIncluded   string      `json:"nationalTaxIncluded,omitempty"`
	DiscountAmount        json.Number `json:"discountAmount,omitempty"`
	CommodityCode         string      `json:"commodityCode,omitempty"`
	FreightAmount         json.Number `json:"freightAmount,omitempty"`
	FreightTaxAmount      json.Number `json:"freightTaxAmount,omitempty"`
	DutyAmount            json.Number `json:"dutyAmount,omitempty"`
	TaxDetails            []TaxDetail `json:"taxDetails,omitempty"`
}

// ItemL2L3Data is a line's level 2 and 3 data (seed 003, "Item Level 2 & 3
// Data").
type ItemL2L3Data struct {
	Type           string      `json:"type,omitempty"`
	CommodityCode  string      `json:"commodityCode,omitempty"`
	Unit           string      `json:"unit,omitempty"`
	UnitPrice      json.Number `json:"unitPrice,omitempty"`
	Discount       json.Number `json:"discount,omitempty"`
	ShippingAmount json.Number `json:"shippingAmount,omitempty"` // without decimals
	TaxAmount      json.Number `json:"taxAmount,omitempty"`
	TaxRate        json.Number `json:"taxRate,omitempty"`
	TaxDetails     []TaxDetail `json:"taxDetails,omitempty"`
}

// TaxDetail is one tax of the order or of a line.
type TaxDetail struct {
	Type          string      `json:"type,omitempty"`
	Amount        json.Number `json:"amount,omitempty"`
	Rate          json.Number `json:"rate,omitempty"`
	Code          string      `json:"code,omitempty"`
	Applied       string      `json:"applied,omitempty"`
	ExemptionCode string      `json:"exemptionCode,omitempty"`
}

// ScheduleTerms begin a series with the transaction itself (seed 003,
// "Schedule"). The amount is a text in major units.
type ScheduleTerms struct {
	Amount        string      `json:"amount"`
	Currency      string      `json:"currency"`
	PeriodLength  json.Number `json:"periodLength"`
	PeriodUnit    string      `json:"periodUnit"` // DAY, WEEK, MONTH or YEAR
	StartDateTime string      `json:"startDateTime,omitempty"`
}

// ThreeDSecureData is what is told of the cardholder, the browser and the app
// for the cardholder check (seed 003, "3D-Secure 2.0 Data" and "3D-Secure 2.0
// Device Data"). What the document calls a number is one.
type ThreeDSecureData struct {
	ThreeDSecure                             string      `json:"3dsecure,omitempty"`
	SchemeID                                 string      `json:"schemeId,omitempty"`
	Channel                                  string      `json:"channel,omitempty"`
	AuthenticationIndicator                  string      `json:"authenticationIndicator,omitempty"`
	CardholderAuthenticationMethod           string      `json:"cardholderAuthenticationMethod,omitempty"`
	CardholderAuthenticationDateTime         string      `json:"cardholderAuthenticationDateTime,omitempty"`
	CardHolderAuthenticationData             string      `json:"cardHolderAuthenticationData,omitempty"`
	ChallengeIndicator                       string      `json:"challengeIndicator,omitempty"`
	PriorReference                           string      `json:"priorReference,omitempty"`
	PriorAuthenticationMethod                string      `json:"priorAuthenticationMethod,omitempty"`
	PriorAuthenticationDateTime              string      `json:"priorAuthenticationDateTime,omitempty"`
	PriorAuthenticationData                  string      `json:"priorAuthenticationData,omitempty"`
	CardholderAccountType                    string      `json:"cardholderAccountType,omitempty"`
	CardholderAccountAgeIndicator            string      `json:"cardholderAccountAgeIndicator,omitempty"`
	CardholderAccountDate                    string      `json:"cardholderAccountDate,omitempty"`
	CardholderAccountChangeIndicator         string      `json:"cardholderAccountChangeIndicator,omitempty"`
	CardholderAccountLastChange              string      `json:"cardholderAccountLastChange,omitempty"`
	CardholderAccountPasswordChangeIndicator string      `json:"cardholderAccountPasswordChangeIndicator,omitempty"`
	CardholderAccountLastPasswordChange      string      `json:"cardholderAccountLastPasswordChange,omitempty"`
	ShippingAddressUsageIndicator            string      `json:"shippingAddressUsageIndicator,omitempty"`
	ShippingAddressFirstUsage                string      `json:"shippingAddressFirstUsage,omitempty"`
	TransactionActivityDay                   json.Number `json:"transactionActivityDay,omitempty"`
	TransactionActivityYear                  json.Number `json:"transactionActivityYear,omitempty"`
	AddCardAttemptsDay                       json.Number `json:"addCardAttemptsDay,omitempty"`
	PurchaseCountSixMonths                   json.Number `json:"purchaseCountSixMonths,omitempty"`
	SuspiciousAccountActivityIndicator       string      `json:"suspiciousAccountActivityIndicator,omitempty"`
	ShippingNameEqualIndicator               string      `json:"shippingNameEqualIndicator,omitempty"`
	PaymentAccountAgeIndicator               string      `json:"paymentAccountAgeIndicator,omitempty"`
	PaymentAccountAgeDate                    string      `json:"paymentAccountAgeDate,omitempty"`
	BillingAddressLine3                      string      `json:"billingAddressLine3,omitempty"`
	ShippingAddressLine3                     string      `json:"shippingAddressLine3,omitempty"`
	BillingAddressState                      string      `json:"billingAddressState,omitempty"`
	ShippingAddressState                     string      `json:"shippingAddressState,omitempty"`
	BillingShippingAddressMatch              string      `json:"billingShippingAddressMatch,omitempty"`
	HomePhoneCountryPrefix                   string      `json:"homePhoneCountryPrefix,omitempty"`
	HomePhoneNumber                          string      `json:"homePhoneNumber,omitempty"`
	MobilePhoneCountryPrefix                 string      `json:"mobilePhoneCountryPrefix,omitempty"`
	MobilePhoneNumber                        string      `json:"mobilePhoneNumber,omitempty"`
	WorkPhoneCountryPrefix                   string      `json:"workPhoneCountryPrefix,omitempty"`
	WorkPhoneNumber                          string      `json:"workPhoneNumber,omitempty"`
	PurchaseInstalData                       json.Number `json:"purchaseInstalData,omitempty"`
	ShipIndicator                            string      `json:"shipIndicator,omitempty"`
	DeliveryTimeframe                        string      `json:"deliveryTimeframe,omitempty"`
	DeliveryEmailAddress                     string      `json:"deliveryEmailAddress,omitempty"`
	ReorderItemsIndicator                    string      `json:"reorderItemsIndicator,omitempty"`
	PreOrderPurchaseIndicator                string      `json:"preOrderPurchaseIndicator,omitempty"`
	PreOrderDate                             string      `json:"preOrderDate,omitempty"`
	GiftCardAmount                           json.Number `json:"giftCardAmount,omitempty"`
	GiftCardCurrency                         string      `json:"giftCardCurrency,omitempty"`
	GiftCardCount                            json.Number `json:"giftCardCount,omitempty"`
	PurchaseDate                             string      `json:"purchaseDate,omitempty"`
	RecurringExpiry                          string      `json:"recurringExpiry,omitempty"`
	RecurringFrequency                       json.Number `json:"recurringFrequency,omitempty"`
	TransType                                string      `json:"transType,omitempty"`
	ThreeRIIndicator                         string      `json:"threeRIIndicator,omitempty"`
	ExemptionIndicator                       string      `json:"exemptionIndicator,omitempty"`
	BrowserChallengeWindowSize               string      `json:"browserChallengeWindowSize,omitempty"`
	BrowserAcceptHeader                      string      `json:"browserAcceptHeader,omitempty"`
	BrowserIPAddress                         string      `json:"browserIpAddress,omitempty"`
	BrowserJavaEnabled                       *bool       `json:"browserJavaEnabled,omitempty"`
	BrowserLanguage                          string      `json:"browserLanguage,omitempty"`
	BrowserColorDepth                        string      `json:"browserColorDepth,omitempty"`
	BrowserScreenHeight                      json.Number `json:"browserScreenHeight,omitempty"`
	BrowserScreenWidth                       json.Number `json:"browserScreenWidth,omitempty"`
	BrowserTimezone                          json.Number `json:"browserTimezone,omitempty"`
	BrowserUserAgent                         string      `json:"browserUserAgent,omitempty"`
	SDKInterface                             string      `json:"sdkInterface,omitempty"`
	SDKUIType                                string      `json:"sdkUiType,omitempty"`
	SDKAppID                                 string      `json:"sdkAppID,omitempty"`
	SDKEncData                               string      `json:"sdkEncData,omitempty"`
	SDKEphemPubKey                           string      `json:"sdkEphemPubKey,omitempty"`
	SDKMaxTimeout                            json.Number `json:"sdkMaxTimeout,omitempty"`
	SDKReferenceNumber                       string      `json:"sdkReferenceNumber,omitempty"`
	SDKTransID                               string      `json:"sdkTransID,omitempty"`
}

// The three below are a risk check's own fields (seed 003, "Risk Data"). They
// travel in extraData, which holds texts only, so numbers and yes and no are
// texts as well.
type (
	// RiskCustomer goes into Customer.ExtraData.
	RiskCustomer struct {
		PastOrdersCount                          string `json:"FORTER_CUSTOMER_PAST_ORDERS_COUNT,omitempty"`
		PastOrdersSumUSD                         string `json:"FORTER_CUSTOMER_PAST_ORDERS_SUM_USD,omitempty"`
		LastLoginIP                              string `json:"FORTER_CUSTOMER_LAST_LOGINIP,omitempty"`
		RegistrationIP                           string `json:"FORTER_CUSTOMER_REGISTRATION_IP,omitempty"`
		BillingAddressType                       string `json:"FORTER_CUSTOMER_BILLING_ADDRESS_TYPE,omitempty"`
		BillingCreationTime                      string `json:"FORTER_CUSTOMER_BILLING_CREATION_TIME,omitempty"`
		BillingRemovalTime                       string `json:"FORTER_CUSTOMER_BILLING_REMOVAL_TIME,omitempty"`
		BillingSuggestedCorrectAddress           string `json:"FORTER_CUSTOMER_BILLING_SUGGESTED_CORRECT_ADDRESS,omitempty"`
		BillingVerificationDocumentType          string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_TYPE,omitempty"`
		BillingVerificationDocumentSource        string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_SOURCE,omitempty"`
		BillingVerificationNationality           string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_NATIONALITY,omitempty"`
		BillingVerificationDocumentIssuingState  string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_ISSUING_STATE,omitempty"`
		BillingVerificationDocumentNumber        string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_NUMBER,omitempty"`
		BillingVerificationDocumentFirstName     string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_FIRSTNAME,omitempty"`
		BillingVerificationDocumentLastName      string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_LASTNAME,omitempty"`
		BillingVerificationDocumentDateOfBirth   string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_DATEOFBIRTH,omitempty"`
		BillingVerificationDocumentExpiration    string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_EXPIRATION,omitempty"`
		BillingVerificationDocumentPayload       string `json:"FORTER_CUSTOMER_BILLING_VERIFICATION_DOCUMENT_PAYLOAD,omitempty"`
		ShippingAddressType                      string `json:"FORTER_CUSTOMER_SHIPPING_ADDRESS_TYPE,omitempty"`
		ShippingCreationTime                     string `json:"FORTER_CUSTOMER_SHIPPING_CREATION_TIME,omitempty"`
		ShippingRemovalTime                      string `json:"FORTER_CUSTOMER_SHIPPING_REMOVAL_TIME,omitempty"`
		ShippingSuggestedCorrectAddress          string `json:"FORTER_CUSTOMER_SHIPPING_SUGGESTED_CORRECT_ADDRESS,omitempty"`
		ShippingVerificationDocumentType         string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_TYPE,omitempty"`
		ShippingVerificationDocumentSource       string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_SOURCE,omitempty"`
		ShippingVerificationNationality          string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_NATIONALITY,omitempty"`
		ShippingVerificationDocumentIssuingState string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_ISSUING_STATE,omitempty"`
		ShippingVerificationDocumentNumber       string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_NUMBER,omitempty"`
		ShippingVerificationDocumentFirstName    string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_FIRSTNAME,omitempty"`
		ShippingVerificationDocumentLastName     string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_LASTNAME,omitempty"`
		ShippingVerificationDocumentDateOfBirth  string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_DATEOFBIRTH,omitempty"`
		ShippingVerificationDocumentExpiration   string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_EXPIRATION,omitempty"`
		ShippingVerificationDocumentPayload      string `json:"FORTER_CUSTOMER_SHIPPING_VERIFICATION_DOCUMENT_PAYLOAD,omitempty"`
	}
	// RiskTransaction goes into Details.ExtraData.
	RiskTransaction struct {
		Type                                     string `json:"FORTER_TYPE,omitempty"`
		Token                                    string `json:"FORTER_TOKEN,omitempty"`
		UserAgent                                string `json:"FORTER_USER_AGENT,omitempty"`
		CheckoutTime                             string `json:"FORTER_CHECKOUT_TIME,omitempty"`
		MobileUID                                string `json:"FORTER_MOBILE_UID,omitempty"`
		MerchantDeviceIdentifier                 string `json:"FORTER_MERCHANT_DEVICE_IDENTIFIER,omitempty"`
		MobileAppVersion                         string `json:"FORTER_MOBILE_APP_VERSION,omitempty"`
		MobileOSType                             string `json:"FORTER_MOBILE_OS_TYPE,omitempty"`
		MobileDeviceBrand                        string `json:"FORTER_MOBILE_DEVICE_BRAND,omitempty"`
		MobileDeviceModel                        string `json:"FORTER_MOBILE_DEVICE_MODEL,omitempty"`
		FullHeadersJSON                          string `json:"FORTER_FULL_HEADERS_JSON,omitempty"`
		DeliveryDetailsDeliveryType              string `json:"FORTER_DELIVERY_DETAILS_DELIVERY_TYPE,omitempty"`
		DeliveryDetailsDeliveryMethod            string `json:"FORTER_DELIVERY_DETAILS_DELIVERY_METHOD,omitempty"`
		DeliveryDetailsDelayedDeliveryDate       string `json:"FORTER_DELIVERY_DETAILS_DELAYED_DELIVERY_DATE,omitempty"`
		DeliveryDetailsCarrier                   string `json:"FORTER_DELIVERY_DETAILS_CARRIER,omitempty"`
		DeliveryDetailsDeliveryPriceAmount       string `json:"FORTER_DELIVERY_DETAILS_DELIVERY_PRICE_AMOUNT,omitempty"`
		DeliveryDetailsTrackingExtraChargeAmount string `json:"FORTER_DELIVERY_DETAILS_TRACKING_EXTRA_CHARGE_AMOUNT,omitempty"`
		DeliveryDetailsExpectedDeliveryDate      string `json:"FORTER_DELIVERY_DETAILS_EXPECTED_DELIVERY_DATE,omitempty"`
		DeliveryDetailsLeaveOutside              string `json:"FORTER_DELIVERY_DETAILS_LEAVE_OUTSIDE,omitempty"`
		DeliveryDetailsSMSUpdates                string `json:"FORTER_DELIVERY_DETAILS_SMS_UPDATES,omitempty"`
		DeliveryDetailsWaitToShipTogether        string `json:"FORTER_DELIVERY_DETAILS_WAIT_TO_SHIP_TOGETHER,omitempty"`
		DeliveryDetailsDeliveryComments          string `json:"FORTER_DELIVERY_DETAILS_DELIVERY_COMMENTS,omitempty"`
		IsMerchantOfRecord                       string `json:"FORTER_IS_MERCHANT_OF_RECORD,omitempty"`
		PaymentMethodNickname                    string `json:"FORTER_PAYMENT_METHOD_NICKNAME,omitempty"`
		PaymentCreditUsedAmount                  string `json:"FORTER_PAYMENT_CREDIT_USED_AMOUNT,omitempty"`
		IsDefaultPaymentMethod                   string `json:"FORTER_IS_DEFAULT_PAYMENT_METHOD,omitempty"`
		NumberOfInstallments                     string `json:"FORTER_NUMBER_OF_INSTALLMENTS,omitempty"`
		DelayedCharge                            string `json:"FORTER_DELAYED_CHARGE,omitempty"`
		DelayedChargeDate                        string `json:"FORTER_DELAYED_CHARGE_DATE,omitempty"`
		PaymentGatewayID                         string `json:"FORTER_PAYMENT_GATEWAY_ID,omitempty"`
		MerchantID                               string `json:"FORTER_MERCHANT_ID,omitempty"`
		MerchantDomain                           string `json:"FORTER_MERCHANT_DOMAIN,omitempty"`
		MerchantName                             string `json:"FORTER_MERCHANT_NAME,omitempty"`
		SiteLocalizationCountry                  string `json:"FORTER_SITE_LOCALIZATION_COUNTRY,omitempty"`
		SiteLocalizationLanguage                 string `json:"FORTER_SITE_LOCALIZATION_LANGUAGE,omitempty"`
		SiteLocalizationCurrency                 string `json:"FORTER_SITE_LOCALIZATION_CURRENCY,omitempty"`
		ItemDefaultQuantity                      string `json:"FORTER_ITEM_DEFAULT_QUANTITY,omitempty"`
		ItemDefaultType                          string `json:"FORTER_ITEM_DEFAULT_TYPE,omitempty"`
		ItemDefaultCreatedTime                   string `json:"FORTER_ITEM_DEFAULT_CREATED_TIME,omitempty"`
		ItemDefaultSpecificDataJSON              string `json:"FORTER_ITEM_DEFAULT_SPECIFIC_DATA_JSON,omitempty"`
	}
	// RiskItem goes into Item.ExtraData.
	RiskItem struct {
		Type             string `json:"FORTER_ITEM_TYPE,omitempty"`
		ProductID        string `json:"FORTER_ITEM_PRODUCTID,omitempty"`
		ProductIDType    string `json:"FORTER_ITEM_PRODUCTID_TYPE,omitempty"`
		Category         string `json:"FORTER_ITEM_CATEGORY,omitempty"`
		CouponCodeUsed   string `json:"FORTER_ITEM_COUPON_CODE_USED,omitempty"`
		DiscountType     string `json:"FORTER_ITEM_DISCOUNT_TYPE,omitempty"`
		SpecificDataJSON string `json:"FORTER_ITEM_SPECIFIC_DATA_JSON,omitempty"`
		CreatedTime      string `json:"FORTER_ITEM_CREATED_TIME,omitempty"`
	}
)

// Extra are the fields that have a value, by the names of the document.
func (r RiskCustomer) Extra() map[string]string { return extraOf(r) }

// Extra are the fields that have a value, by the names of the document.
func (r RiskTransaction) Extra() map[string]string { return extraOf(r) }

// Extra are the fields that have a value, by the names of the document.
func (r RiskItem) Extra() map[string]string { return extraOf(r) }

// extraOf writes a struct of texts as a map by its JSON names.
func extraOf(v any) map[string]string {
	b, err := json.Marshal(v)
	var out map[string]string
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		// The three types hold texts only.
		panic(fmt.Sprintf("cardflo: %T: %v", v, err))
	}
	return out
}
