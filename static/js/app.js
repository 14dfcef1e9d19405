// Counterfoil's own script. Every page works without it; it makes them quicker
// to use. It runs under script-src 'self' and moves no money by itself.
(() => {
  "use strict";
  const $ = (selector, from = document) => from.querySelector(selector);
  const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];
  const root = document.documentElement;
  root.classList.add("js");

  // ---- Amounts: whole minor units as BigInt, from the field's own text. The
  // grammar is the server's, which decides; this only keeps labels in step.
  const settingsOf = (input) => {
    const select = input.dataset.currencySelect && document.getElementById(input.dataset.currencySelect);
    return select && select.selectedOptions[0] ? select.selectedOptions[0].dataset : input.dataset;
  };
  const minorOf = (text, exponent) => {
    const match = /^(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?$/.exec(text.trim());
    if (!match || (match[2] !== undefined && match[2].length !== exponent)) return null;
    return BigInt(match[1] + (match[2] || "0".repeat(exponent)));
  };
  const majorOf = (minor, exponent) => {
    const digits = minor.toString().padStart(exponent + 1, "0");
    return exponent === 0 ? digits : digits.slice(0, -exponent) + "." + digits.slice(-exponent);
  };
  const words = (minor, set) => {
    const [whole, decimals] = majorOf(minor, Number(set.exponent)).split(".");
    const number = whole.replace(/\B(?=([0-9]{3})+$)/g, ",") + (decimals ? "." + decimals : "");
    return set.sign ? set.sign + number : number + " " + set.code;
  };
  const amountError = (input, text) => {
    const p = document.getElementById(input.id + "-err");
    if (!p) return;
    p.hidden = !text;
    const span = $("span", p);
    if (span && text) span.textContent = text;
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  const overLimit = (minor, set) => set.max && minor > BigInt(set.max);
  const readAmount = (input) => minorOf(input.value, Number(settingsOf(input).exponent));
  // A tip above a fifth of what it is given on asks once more; the server asks
  // for it too.
  const askAboutTip = (form) => {
    const ask = form && $("[data-tip-ask]", form);
    if (!ask) return;
    const typed = $("input[name=amount]", form);
    const part = $("input[name=tip]", form);
    const sum = typed && readAmount(typed);
    let bare = null, tip = null;
    if (part) { tip = minorOf(part.value, Number(settingsOf(typed || part).exponent)); bare = sum !== null && sum !== undefined && tip !== null ? sum - tip : null; }
    else if (typed?.dataset.tipOn) { tip = sum; bare = BigInt(typed.dataset.tipOn); }
    const large = tip !== null && bare !== null && tip > 0n && tip * 5n > bare;
    if (large) ask.hidden = false;
    else if (!$("[aria-invalid]", ask)) ask.hidden = true;
  };
  const showAmount = (input) => {
    const set = settingsOf(input);
    const minor = readAmount(input);
    // A second field is added to this one in every label but its own line.
    const plus = input.dataset.plus && document.getElementById(input.dataset.plus);
    const more = plus && plus.value.trim() ? readAmount(plus) : 0n;
    const sum = minor === null || more === null ? null : minor + more;
    const part = input.closest("[data-when-checked]");
    const asleep = part && !$(part.dataset.whenChecked)?.checked;
    if (!asleep) {
      for (const id of (input.dataset.amountFor || "").split(" ").filter(Boolean)) {
        const target = document.getElementById(id);
        if (!target || target.getAttribute("aria-busy") === "true") continue;
        const shown = id === input.dataset.alone ? minor : sum;
        const bare = shown === null || (shown === 0n && target.dataset.bare !== undefined && target.dataset.zeroToo === undefined);
        if (bare && target.dataset.empty) target.textContent = target.dataset.empty;
        else target.textContent = ((target.dataset.verb || "") + (bare ? target.dataset.bare ?? "–" : words(shown, set))).trim() + (target.dataset.tail || "");
      }
    }
    const whole = input.dataset.partOf && document.getElementById(input.dataset.partOf);
    if (whole) showAmount(whole);
    askAboutTip(input.form);
    const sign = $("[data-sign]", input.parentElement);
    if (sign) sign.textContent = set.sign || set.code;
    if (minor !== null && overLimit(minor, set)) amountError(input, set.maxWords);
    else if (input.dataset.limited) amountError(input, "");
    if (minor !== null && overLimit(minor, set)) input.dataset.limited = "1";
    else delete input.dataset.limited;
  };
  document.addEventListener("input", (event) => {
    const input = event.target;
    if (input.matches?.("[data-amount-for]")) showAmount(input);
    else if (input.matches?.("input[name=tip]")) askAboutTip(input.form);
  });
  document.addEventListener("focusout", (event) => {
    const input = event.target;
    if (!input.matches?.("[data-amount-for]")) return;
    const set = settingsOf(input);
    const minor = readAmount(input);
    if (minor === null || !input.value.trim()) return;
    input.value = majorOf(minor, Number(set.exponent));
    if (!overLimit(minor, set) && minor > 0n) amountError(input, "");
  });
  // A payment on a terminal is sent there: the button names the one that is chosen.
  const nameTerminal = (form) => {
    const go = form && $("[data-terminal-verb]", form);
    if (!go || go.getAttribute("aria-busy") === "true") return;
    go.dataset.usualVerb ??= go.dataset.verb;
    go.dataset.usualBusy ??= go.dataset.busy;
    const on = $("input[name=method]:checked", form)?.value === "terminal";
    go.dataset.verb = on ? go.dataset.terminalVerb : go.dataset.usualVerb;
    go.dataset.busy = on ? go.dataset.terminalBusy : go.dataset.usualBusy;
    go.dataset.tail = on ? $("input[name=terminal]:checked", form)?.dataset.tail || " to a terminal" : "";
    for (const input of $$("[data-amount-for]", form)) showAmount(input);
  };
  document.addEventListener("change", (event) => {
    const el = event.target;
    if (el.matches?.("select[data-currency]")) $$(`[data-currency-select="${CSS.escape(el.id)}"]`).forEach(showAmount);
    // A radio that stands for a fixed amount, beside one with a field.
    if (el.matches?.("[data-fixed-for]")) {
      const target = document.getElementById(el.dataset.fixedFor);
      if (target) target.textContent = (target.dataset.verb || "") + el.dataset.fixed;
    }
    if (el.matches?.("[data-wakes]")) {
      const field = document.getElementById(el.dataset.wakes);
      if (field) { showAmount(field); field.focus(); }
    }
    if (el.matches?.("input[name=theme]")) {
      if (el.value === "light" || el.value === "dark") root.dataset.theme = el.value;
      else delete root.dataset.theme;
    }
    if (el.matches?.("form[data-card-frame] input[name=method]")) dropToken(el.form);
    if (el.matches?.("input[name=method], input[name=terminal]")) nameTerminal(el.form);
  });

  // ---- Forms. First press wins: the label says what is going on, and a second
  // press does nothing. The server's idempotency key is what really protects.
  const busyButton = (form, submitter) => (submitter?.matches?.("[data-busy]") ? submitter : $("[data-busy]", form));
  const setBusy = (form, submitter) => {
    form.dataset.sent = "1";
    const button = busyButton(form, submitter);
    if (!button) return;
    button.dataset.label = button.textContent;
    button.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    const amount = button.dataset.verb && button.textContent.startsWith(button.dataset.verb) ? " " + button.textContent.slice(button.dataset.verb.length) : "";
    button.textContent = button.dataset.busy + amount + "…";
  };
  const clearBusy = (form) => {
    delete form.dataset.sent;
    for (const button of $$("[data-busy][aria-busy]", form)) {
      button.removeAttribute("aria-busy");
      button.removeAttribute("aria-disabled");
      if (button.dataset.label) button.textContent = button.dataset.label;
    }
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    // Not form.method: our forms have a field of that name.
    const kind = (form.getAttribute("method") || "get").toLowerCase();
    if (kind === "dialog") return;
    for (const menu of $$("details.menu[open]", form)) menu.open = false;
    if (form.dataset.cardFrame !== undefined && needsToken(form)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      askToken(form, event.submitter);
      return;
    }
    if (kind !== "post") return;
    if (form.dataset.sent === "1") {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    setBusy(form, event.submitter);
  }, true);
  // Empty filters stay out of the address.
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches?.("[data-drop-empty]")) return;
    for (const [name, value] of [...event.formData.entries()]) if (value === "") event.formData.delete(name);
  });
  // Back from the next page: the form is shown as it was left.
  window.addEventListener("pageshow", (event) => { if (event.persisted) $$("form[data-sent]").forEach(clearBusy); });
  document.addEventListener("htmx:finally:request", (event) => {
    const form = event.target.closest?.("form");
    if (form && form.isConnected) clearBusy(form);
  });
  const flash = (text) => {
    const region = document.getElementById("flash");
    if (!region || region.textContent === text) return;
    const note = document.createElement("p");
    note.className = "note warn lone";
    note.textContent = text;
    region.replaceChildren(note);
  };
  document.addEventListener("htmx:error", (event) => {
    const source = event.detail?.ctx?.sourceElement;
    if (source && !source.matches("[data-background]")) flash("The server could not be reached. Check the connection, then look at the payment before you try again.");
  });
  // What no person asked for does not keep a session alive: parts of a page that
  // ask for themselves, by a timer or because the stream named them.
  document.addEventListener("htmx:config:request", (event) => {
    const ctx = event.detail?.ctx;
    const cause = ctx?.sourceEvent;
    if (!ctx || ctx.request.method !== "GET" || cause?.isTrusted || cause?.type === "click") return;
    ctx.request.headers["X-Background"] = "1";
    // What the stream tells of needs no timer, or only a slow one, in case that the
    // line has died and nobody has noticed.
    if (cause?.type === "every" && streaming && (skipped = (skipped + 1) % 5) !== 0) event.preventDefault();
  });
  // The stream of changes: quiet while it stands, one line while it does not. Its
  // script asks again by itself; what the server refuses stays refused.
  const stream = document.getElementById("stream");
  let streaming = false, skipped = 0;
  const notLive = (is) => {
    streaming = !is;
    const line = stream && $("[data-not-live]", stream);
    if (line) line.hidden = !is || !!$("[hx-trigger*='every ']");
  };
  for (const name of ["htmx:error", "htmx:response:error"]) stream?.addEventListener(name, (event) => { if (event.target === stream) notLive(true); });
  stream?.addEventListener("htmx:sse:after:connection", () => notLive(false));
  stream?.addEventListener("htmx:sse:close", () => { streaming = false; });
  stream?.addEventListener("htmx:sse:error", (event) => {
    const { connection, status } = event.detail;
    if (!connection?.attempt) return; // the line broke, and is tried again at once
    notLive(true);
    if (status === 401 || status === 403) connection.config.reconnect = false;
  });
  // An answer without the part that was asked for would wipe it away.
  document.addEventListener("htmx:before:swap", (event) => {
    const ctx = event.detail?.ctx;
    if (!ctx?.select?.startsWith("#") || ctx.swap === "none" || ctx.text?.includes(`id="${ctx.select.slice(1)}"`)) return;
    event.preventDefault();
    flash("This page could not be brought up to date. Load it again.");
  });

  // ---- Card token frame. Only this window's frame, only its exact origin, only
  // the exact shape; the token goes into hidden fields and nowhere else.
  const waiting = new Map(); // form -> {id, timer, submitter}
  const methodOf = (form) => $("input[name=method]:checked", form)?.value || $("input[type=hidden][name=method]", form)?.value;
  const frameOf = (form) => $("iframe[data-card-box]", form);
  const field = (form, name) => form.elements.namedItem(name);
  const needsToken = (form) => methodOf(form) === "frame" && !field(form, "card_token")?.value;
  const dropToken = (form) => { for (const name of ["card_token", "card_brand", "card_last4", "card_expiry"]) { const el = field(form, name); if (el) el.value = ""; } };
  const say = (form, text) => {
    const region = $("[data-card-message]", form);
    if (!region) return;
    $("[data-card-note]", region).hidden = !text;
    $("span", region).textContent = text;
  };
  const endAsking = (form) => {
    const asked = waiting.get(form);
    if (asked) clearTimeout(asked.timer);
    waiting.delete(form);
    clearBusy(form);
  };
  const askToken = (form, submitter) => {
    if (waiting.has(form)) return;
    const amount = $("[data-amount-for]", form);
    if (amount) {
      const set = settingsOf(amount);
      const minor = readAmount(amount);
      const wrong = minor === null ? set.bad : minor === 0n ? set.zero : overLimit(minor, set) ? set.maxWords : "";
      if (wrong) { amountError(amount, wrong); amount.focus(); return; }
    }
    const missing = $$("input[required]", form).find((el) => !el.value.trim());
    if (missing) { missing.setAttribute("aria-invalid", "true"); missing.focus(); return; }
    const frame = frameOf(form);
    if (!frame?.contentWindow) { say(form, "The card box did not load. Nothing was charged. Choose another way to pay, or load the page again."); return; }
    const id = crypto.randomUUID();
    say(form, "");
    setBusy(form, submitter);
    const timer = setTimeout(() => {
      endAsking(form);
      say(form, "The card box did not answer within 20 seconds. Nothing was charged. Check the card details and try once more.");
    }, 20000);
    waiting.set(form, { id, timer, submitter });
    frame.contentWindow.postMessage({ type: "cardflo.tokenize", id }, form.dataset.cardOrigin);
  };
  const short = (value, most) => typeof value === "string" && value.length > 0 && value.length <= most;
  const plain = (value) => value !== null && typeof value === "object" && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);
  const tokenShape = (data) =>
    Object.keys(data).every((key) => ["type", "id", "token", "brand", "last4", "expiry"].includes(key)) &&
    short(data.token, 200) && short(data.brand, 40) && /^[0-9]{4}$/.test(data.last4) && /^(0[1-9]|1[0-2])\/[0-9]{2}$/.test(data.expiry);
  window.addEventListener("message", (event) => {
    const data = event.data;
    if (!plain(data) || !short(data.type, 60)) return;
    if (event.origin === location.origin && data.type === "counterfoil.card-entry-returned") {
      if ($$("iframe[data-card-page]").some((frame) => frame.contentWindow === event.source)) askNow();
      return;
    }
    for (const [form, asked] of waiting) {
      if (event.source !== frameOf(form)?.contentWindow || event.origin !== form.dataset.cardOrigin || data.id !== asked.id) continue;
      if (data.type === "cardflo.token" && typeof data.last4 === "string" && typeof data.expiry === "string" && tokenShape(data)) {
        endAsking(form);
        field(form, "card_token").value = data.token;
        field(form, "card_brand").value = data.brand;
        field(form, "card_last4").value = data.last4;
        field(form, "card_expiry").value = data.expiry;
        form.requestSubmit(asked.submitter?.isConnected ? asked.submitter : undefined);
      } else if (data.type === "cardflo.error" && short(data.message, 300)) {
        endAsking(form);
        say(form, data.message + " Nothing was charged.");
      }
    }
  });
  // The card was typed: ask the provider at once instead of at the resolver's next turn.
  const askNow = () => {
    const check = $("#payment-live form[action$='/check']");
    if (check) check.requestSubmit();
    else refresh();
  };
  const refresh = () => {
    const live = $("#payment-live[hx-get]");
    if (live) live.dispatchEvent(new CustomEvent("refresh"));
    else location.reload();
  };

  // ---- Ways to pay that need this script start switched off.
  for (const radio of $$("input[data-needs-script]")) {
    radio.disabled = false;
    const note = document.getElementById(radio.dataset.needsScript);
    if (note) note.textContent = note.dataset.ready;
    if (radio.dataset.first !== undefined) radio.checked = true;
  }

  // ---- What a fresh piece of page needs: buttons that only work with this
  // script, and amounts in labels.
  const prepare = () => {
    for (const el of $$("[data-print][hidden], [data-copy][hidden], [data-reveal][hidden], [data-fill-email][hidden]")) el.hidden = false;
    for (const el of $$("[data-fixed-for]:checked")) {
      const target = document.getElementById(el.dataset.fixedFor);
      if (target && !target.hasAttribute("aria-busy")) target.textContent = (target.dataset.verb || "") + el.dataset.fixed;
    }
    for (const el of $$("[data-amount-for]")) showAmount(el);
    for (const el of $$("[data-terminal-verb]")) nameTerminal(el.form);
  };
  prepare();
  document.addEventListener("htmx:after:swap", prepare);

  // ---- Countdowns. The server says how many seconds are left, so that a till's
  // wrong clock does no harm; the time itself stands beside it. No reader is told
  // of a tick.
  const clocks = new WeakMap(); // element -> {left, since}
  const leftWords = (s) => (s <= 0 ? "now" : s < 60 ? s + " s left" : s < 3600 ? Math.floor(s / 60) + " min " + (s % 60) + " s left" : Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min left");
  const agoWords = (s) => (s < 60 ? s + " s ago" : Math.floor(s / 60) + " min " + (s % 60) + " s ago");
  const tick = () => {
    for (const el of $$("[data-elapsed]")) {
      let clock = clocks.get(el);
      if (!clock || clock.elapsed !== el.dataset.elapsed) {
        clock = { elapsed: el.dataset.elapsed, since: performance.now() };
        clocks.set(el, clock);
      }
      const text = agoWords(Number(clock.elapsed) + Math.floor((performance.now() - clock.since) / 1000));
      if (el.textContent !== text) el.textContent = text;
    }
    for (const el of $$("[data-until]")) {
      let clock = clocks.get(el);
      if (!clock || clock.left !== el.dataset.left || clock.until !== el.dataset.until) {
        clock = { left: el.dataset.left, until: el.dataset.until, since: performance.now(), over: Number(el.dataset.left) <= 0 };
        clocks.set(el, clock);
      }
      const left = Math.max(0, Number(clock.left) - Math.floor((performance.now() - clock.since) / 1000));
      const text = leftWords(left);
      if (el.textContent !== text) el.textContent = text;
      if (left === 0 && !clock.over) { clock.over = true; $("#payment-live[hx-get]")?.dispatchEvent(new CustomEvent("refresh")); }
    }
  };
  tick();
  setInterval(tick, 1000);

  // ---- What is selected of a list, in the bar that sends it something.
  const countBulk = (form) => {
    const boxes = $$("input[type=checkbox]", form), n = boxes.filter((box) => box.checked).length;
    const words = $("[data-bulk-words]", form), text = n === 1 ? "1 selected" : n + " selected";
    if (words && words.textContent !== text) words.textContent = text;
    const all = $("[data-bulk-all]", form);
    if (all) all.hidden = n === boxes.length;
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest?.("form[data-bulk]");
    if (form) countBulk(form);
  });
  // Back from the next page: the boxes are as they were left.
  window.addEventListener("pageshow", () => $$("form[data-bulk]").forEach(countBulk));

  // ---- Dialogs and menus.
  document.addEventListener("click", (event) => {
    const target = event.target;
    if (!(target instanceof Element)) return;
    const opener = target.closest("a[data-dialog]");
    const dialog = opener && document.getElementById(opener.dataset.dialog);
    if (dialog?.showModal && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); dialog.showModal(); }
    if (!("commandForElement" in HTMLButtonElement.prototype)) {
      const button = target.closest("button[commandfor]");
      const other = button && document.getElementById(button.getAttribute("commandfor"));
      if (other) button.getAttribute("command") === "close" ? other.close() : other.showModal();
    }
    for (const menu of $$("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
    // Another kind of payment is another page: what was typed goes along.
    const carry = target.closest("a[data-carry]");
    if (carry) {
      const to = new URL(carry.href);
      for (const name of ["amount", "currency", "order_reference"]) {
        const typed = document.getElementById(name)?.value;
        if (typed) to.searchParams.set(name, typed);
      }
      carry.href = to.href;
    }
    const copy = target.closest("[data-copy]");
    if (copy) navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).textContent.trim()).then(() => { $("span", copy).textContent = "Copied"; }, () => {});
    if (target.closest("[data-print]")) window.print();
    const all = target.closest("[data-bulk-all]");
    if (all) {
      for (const box of $$("input[type=checkbox]", all.form)) box.checked = true;
      countBulk(all.form);
      $(".bulk [type=submit]", all.form).focus();
    }
    const fill = target.closest("[data-fill-email]");
    if (fill) {
      document.getElementById("email").value = fill.dataset.fillEmail;
      document.getElementById("password").value = fill.dataset.fillPassword;
      $("[data-busy]").focus();
    }
    const reveal = target.closest("[data-reveal]");
    if (reveal) {
      const secret = document.getElementById(reveal.dataset.reveal);
      const shown = secret.type === "text";
      secret.type = shown ? "password" : "text";
      reveal.setAttribute("aria-pressed", String(!shown));
    }
  });
  document.addEventListener("keydown", (event) => {
    // In a red dialog Enter moves to the button and does not confirm.
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    const button = $(".btn-bad", event.target.closest("dialog, [data-red]") || document.createElement("i"));
    if (button) { event.preventDefault(); button.focus(); }
  });

  // ---- Keyboard shortcuts: never in fields or dialogs, never for money.
  let leader = 0, at = -1;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = $("details.menu[open]");
      if (open) { const inside = open.contains(document.activeElement); open.open = false; if (inside) $("summary", open).focus(); }
      return;
    }
    if (document.body.dataset.shortcuts !== "on" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const tag = event.target.tagName;
    if ((tag === "INPUT" && !["checkbox", "radio", "button", "submit"].includes(event.target.type)) || tag === "TEXTAREA" || tag === "SELECT" || tag === "IFRAME" || event.target.isContentEditable || $("dialog[open]")) return;
    const since = Date.now() - leader;
    leader = 0;
    if (since < 1200 && /^[a-z]$/.test(event.key)) {
      const link = $(`[data-go="${event.key}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const rows = $$("tbody .rowlink, .cards .rowlink");
    switch (event.key) {
      case "/": {
        const box = $("#q") || $$("#gs").find((el) => el.offsetParent);
        if (box) { event.preventDefault(); box.focus(); box.select(); } else $("[data-search-link]")?.click();
        break;
      }
      case "?": $("#keys")?.showModal(); break;
      case "g": leader = Date.now(); break;
      case "n": $("[data-new]")?.click(); break;
      case "j": case "k": {
        if (!rows.length) break;
        const now = rows.indexOf(document.activeElement);
        at = Math.max(0, Math.min(rows.length - 1, (now < 0 ? (event.key === "j" ? -1 : rows.length) : now) + (event.key === "j" ? 1 : -1)));
        rows[at].focus();
        break;
      }
      case "x": $("input[type=checkbox]", document.activeElement?.closest("tr, .cards > li") || document.createElement("i"))?.click(); break;
    }
  });
})();
