// The tip worksheet: keys between the rows, sums that follow the typing, and
// cells that are pasted. The page works without it. The server reads every
// amount again and decides; this only keeps what is shown in step.
(() => {
  "use strict";
  const form = document.querySelector("form[data-worksheet]");
  if (!form) return;
  const $ = (selector, from = form) => from.querySelector(selector);
  const inputs = [...form.querySelectorAll("input[data-tip]")];

  // Whole minor units as BigInt, from the field's own text.
  const minorOf = (text, exponent) => {
    const match = /^(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?$/.exec(text.trim());
    if (!match || (match[2] !== undefined && match[2].length !== exponent)) return null;
    return BigInt(match[1] + (match[2] || "0".repeat(exponent)));
  };
  const words = (minor, set) => {
    const exponent = Number(set.exponent);
    const digits = minor.toString().padStart(exponent + 1, "0");
    const whole = exponent === 0 ? digits : digits.slice(0, -exponent);
    const number = whole.replace(/\B(?=([0-9]{3})+$)/g, ",") + (exponent === 0 ? "" : "." + digits.slice(-exponent));
    return set.sign ? set.sign + number : number + " " + set.code;
  };
  const count = (n, one, many) => (n === 1 ? "1 " + one : n + " " + many);

  // What a row stands for now: its new tip, or the one that it has.
  const read = (input) => {
    const typed = input.value.trim();
    const now = BigInt(input.dataset.now);
    const minor = typed === "" ? now : minorOf(typed, Number(input.dataset.exponent));
    return { typed, minor, now, changed: minor !== null && minor !== now, sale: BigInt(input.dataset.sale) };
  };
  const showRow = (input) => {
    const row = read(input);
    const line = document.getElementById(input.getAttribute("aria-describedby"));
    const total = $("[data-total]", input.closest("tr"));
    if (total) total.textContent = row.minor === null ? "–" : words(row.sale + row.minor, input.dataset);
    const large = row.changed && row.minor > row.sale / 5n;
    const box = $("[data-large]", line);
    if (large) $("[data-large-words]", box).textContent = words(row.minor, input.dataset) + " is more than 20 % of " + words(row.sale, input.dataset) + ".";
    else $("input", box).checked = false;
    box.hidden = !large;
    line.hidden = !large && $("[data-err]", line).hidden;
  };
  const showSums = () => {
    let changed = 0;
    for (const foot of form.querySelectorAll("tr[data-tips-of]")) {
      let tips = Number(foot.dataset.fixedTips), then = BigInt(foot.dataset.fixedThen), total = BigInt(foot.dataset.fixedTotal);
      for (const input of inputs) {
        if (input.dataset.code !== foot.dataset.code) continue;
        const row = read(input);
        if (row.minor === null) continue;
        if (row.changed) changed++;
        if (row.minor > 0n) tips++;
        then += row.minor;
        total += row.sale + row.minor;
      }
      $("[data-tips-count]", foot).textContent = count(tips, "tip", "tips");
      $("[data-tips-sum]", foot).textContent = words(then, foot.dataset);
      $("[data-tips-total]", foot).textContent = words(total, foot.dataset);
    }
    const button = document.getElementById("set-tips");
    if (button.getAttribute("aria-busy") !== "true") button.textContent = changed ? "Set " + count(changed, "tip", "tips") : "Set tips";
  };
  const clearErr = (input) => {
    input.removeAttribute("aria-invalid");
    const line = document.getElementById(input.getAttribute("aria-describedby"));
    $("[data-err]", line).hidden = true;
  };
  form.addEventListener("input", (event) => {
    if (!event.target.matches("input[data-tip]")) return;
    clearErr(event.target);
    showRow(event.target);
    showSums();
  });
  form.addEventListener("focusout", (event) => {
    const input = event.target;
    if (!input.matches("input[data-tip]") || input.value.trim() === "") return;
    const exponent = Number(input.dataset.exponent);
    const minor = minorOf(input.value, exponent);
    if (minor === null) return;
    const digits = minor.toString().padStart(exponent + 1, "0");
    input.value = exponent === 0 ? digits : digits.slice(0, -exponent) + "." + digits.slice(-exponent);
  });

  const go = (input, by) => {
    const to = inputs[inputs.indexOf(input) + by];
    if (!to) return;
    to.focus();
    to.select();
    to.scrollIntoView({ block: "nearest" });
  };
  form.addEventListener("keydown", (event) => {
    const input = event.target;
    if (!input.matches("input[data-tip]") || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    switch (event.key) {
      case "Enter": go(input, event.shiftKey ? -1 : 1); break;
      case "ArrowDown": go(input, 1); break;
      case "ArrowUp": go(input, -1); break;
      case "Escape":
        input.value = input.defaultValue;
        showRow(input);
        showSums();
        input.select();
        break;
      default: return;
    }
    event.preventDefault();
  });

  // Cells go to the server's own reader, which knows every reference and reads
  // amounts exactly; the page comes back with the fields filled and nothing sent.
  form.addEventListener("paste", (event) => {
    const input = event.target;
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!input.matches?.("input[data-tip]") || !/[\t\n\r]/.test(text.trim())) return;
    event.preventDefault();
    form.elements.namedItem("paste").value = text.slice(0, 16000);
    form.elements.namedItem("paste_at").value = input.name.slice("tip.".length);
    form.requestSubmit(document.getElementById("fill"));
  });
  for (const input of inputs) showRow(input);
  showSums();
})();
