// The token frame: it waits for its parent to ask for a token, and tells the
// parent nothing but the token, the brand, the last four digits and the expiry.
(function () {
  "use strict";

  var origin = document.body.dataset.origin;
  var form = document.getElementById("card");
  var errorLine = document.getElementById("error");
  var fields = {};
  form.querySelectorAll("[data-field]").forEach(function (input) {
    fields[input.dataset.field] = input;
  });

  function tell(message) {
    window.parent.postMessage(message, origin);
  }

  function show(errors) {
    var first = null;
    ["number", "expiry", "code"].forEach(function (name) {
      var input = fields[name];
      if (errors[name]) {
        input.setAttribute("aria-invalid", "true");
        first = first || name;
      } else {
        input.removeAttribute("aria-invalid");
      }
    });
    errorLine.textContent = first ? errors[first] : "";
    if (first) {
      fields[first].focus();
    }
    return first ? errors[first] : "";
  }

  function fail(id, message) {
    tell({ type: "cardflo.error", id: id, message: message });
  }

  function tokenize(id) {
    fetch(document.body.dataset.tokens, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        cardNumber: fields.number.value,
        expiry: fields.expiry.value,
        securityCode: fields.code.value
      })
    }).then(function (response) {
      return response.json().then(function (body) {
        if (response.ok) {
          show({});
          tell({ type: "cardflo.token", id: id, token: body.token, brand: body.brand, last4: body.last4, expiry: body.expiry });
          return;
        }
        fail(id, show(body.errors || {}) || "The card could not be read. Try again.");
      });
    }).catch(function () {
      fail(id, "The card service did not answer. Try again.");
    });
  }

  window.addEventListener("message", function (event) {
    var data = event.data;
    if (event.origin !== origin || event.source !== window.parent) {
      return;
    }
    if (!data || data.type !== "cardflo.tokenize" || typeof data.id !== "string") {
      return;
    }
    tokenize(data.id);
  });

  // Enter in a field must not load another page into the frame.
  form.addEventListener("submit", function (event) {
    event.preventDefault();
  });

  tell({ type: "cardflo.ready" });
})();
