// Runs inside the provider's frame after the card was typed, on our own page.
// It tells the page around it, if that is ours too, to look at the payment.
(() => {
  "use strict";
  if (window.parent !== window) window.parent.postMessage({ type: "counterfoil.card-entry-returned" }, window.location.origin);
})();
