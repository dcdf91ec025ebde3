"use strict";
// What every page does by itself: shows its marked regions afresh when there is
// news, keeps relative times and countdowns right, and warns before the session
// ends. Pages work without it. It puts in only what the same page's own address
// answers, as a document: no string ever becomes markup (Trusted Types: 'none').
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const said = document.getElementById("said");
  const say = (text) => { if (said && text) said.textContent = said.textContent === text ? text + "\u00a0" : text; };
  const quiet = { "X-Unattended": "1", Accept: "application/json" };

  // Words as in web/view/part.go and format.go.
  const ago = (at) => {
    const ms = Date.now() - at, s = Math.floor(Math.abs(ms) / 1000);
    if (s < 5) return "now";
    const whole = ms < 0 ? Math.round : Math.floor;
    const words = s < 60 ? `${s} s` : s < 3600 ? `${whole(s / 60)} min` : s < 172800 ? `${whole(s / 3600)} h` : `${whole(s / 86400)} days`;
    return ms < 0 ? `in ${words}` : `${words} ago`;
  };
  const span = (s) => {
    const two = (large, name, small, smaller) => {
      const n = Math.floor(s % large / small);
      return `${Math.floor(s / large)} ${name}` + (n ? ` ${n} ${smaller}` : "");
    };
    return s >= 172800 ? two(86400, "days", 3600, "h") : s >= 3600 ? two(3600, "h", 60, "min") : s >= 60 ? two(60, "min", 1, "s") : `${s} s`;
  };
  const write = (e, text) => { if (e.textContent !== text) e.textContent = text; };

  // ---- regions ----
  let asking = false, again = false;
  const regions = () => all("[data-live]");
  const bare = (e) => {
    const copy = e.cloneNode(true);
    for (const x of all(".ago, .left", copy)) x.textContent = "";
    for (const x of all("[data-left]", copy)) x.removeAttribute("data-left");
    for (const x of all("details", copy)) x.removeAttribute("open");
    return copy;
  };
  const touched = (e) => all("input:not([type=hidden]), textarea, select", e).some((f) => f === document.activeElement || (f.type === "checkbox" || f.type === "radio" ? f.checked !== f.defaultChecked : f.tagName !== "SELECT" && f.value !== f.defaultValue));

  function put(fresh) {
    for (const old of regions()) {
      const from = fresh.getElementById(old.id);
      if (!from) continue;
      if (touched(old)) continue;
      const changed = !bare(from).isEqualNode(bare(old));
      if (!changed && !old.querySelector("[data-left]")) continue;
      const node = document.importNode(from, true);
      for (const d of all("details[open][id]", old)) { const n = node.querySelector("#" + CSS.escape(d.id)); if (n) n.open = true; }
      const focus = old.contains(document.activeElement) ? document.activeElement : null;
      const path = focus && (focus.id ? "#" + CSS.escape(focus.id) : focus.getAttribute("href") ? `[href="${CSS.escape(focus.getAttribute("href"))}"]` : focus.tagName);
      const nth = path ? all(path, old).indexOf(focus) : -1;
      old.replaceWith(node);
      if (path) all(path, node)[nth]?.focus({ preventScroll: true });
      if (changed) {
        say(node.dataset.said);
        node.dispatchEvent(new CustomEvent("holdfast:fresh", { bubbles: true }));
      }
    }
  }

  function refresh() {
    if (asking) { again = true; return; }
    if (!regions().length) return;
    asking = true;
    const ask = new XMLHttpRequest();
    ask.open("GET", location.pathname + location.search);
    ask.responseType = "document";
    ask.timeout = 20000;
    ask.setRequestHeader("X-Unattended", "1");
    ask.onloadend = () => {
      asking = false;
      if (ask.status === 200 && ask.response && new URL(ask.responseURL).pathname === location.pathname) put(ask.response);
      if (again) { again = false; setTimeout(refresh, 500); }
    };
    ask.send();
  }
  window.holdfast = { refresh, say };

  // ---- news ----
  let source = null, since = "";
  function listen() {
    const hidden = document.visibilityState === "hidden";
    if (source && (hidden || !regions().length)) { source.close(); source = null; }
    // One connection a visible page: browsers allow few to one host.
    if (source || hidden || !regions().length) return;
    source = new EventSource("/events" + (since ? "?since=" + since : ""));
    source.addEventListener("at", (e) => { since = e.data; document.documentElement.dataset.listening = "yes"; });
    // A little apart, so that a thousand open pages do not ask in the same moment.
    source.addEventListener("news", (e) => { since = e.data; setTimeout(refresh, Math.random() * 400); });
    source.onerror = () => {
      delete document.documentElement.dataset.listening;
      if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(listen, 10000); }
    };
  }

  // ---- the session's end ----
  const box = document.getElementById("session");
  let idleAt = 0, wholeAt = 0, warned = "";
  const learn = (left) => { idleAt = Date.now() + left.idle * 1000; wholeAt = Date.now() + left.whole * 1000; };
  const node = (tag, text) => { const e = document.createElement(tag); e.textContent = text; return e; };
  async function left(method, path) {
    const answer = await fetch(path, { method, headers: quiet, redirect: "error" });
    if (answer.status === 401) return { idle: 0, whole: 0 };
    if (!answer.ok) throw new Error("no answer");
    return answer.json();
  }
  function show(kind, ...parts) {
    if (warned === kind) return;
    warned = kind;
    box.replaceChildren(...parts);
  }
  async function stay() {
    try { learn(await left("POST", "/session/stay")); session(); say("You stay signed in."); } catch { /* the warning stays */ }
  }
  function session() {
    const end = Math.min(idleAt, wholeAt), s = Math.round((end - Date.now()) / 1000);
    if (s > 120) return show("");
    if (s <= 0) {
      const link = node("a", "Sign in again");
      link.href = "/sign-in?next=" + encodeURIComponent(location.pathname);
      return show("over", node("p", "You are signed out, because the session’s time is over. What you typed is still on this page: copy what you need. "), link);
    }
    if (wholeAt <= idleAt) return show("whole", node("p", "This session ends in two minutes, however much it is used. Finish, or sign in again."));
    const button = node("button", "Stay signed in");
    button.type = "button";
    button.addEventListener("click", stay);
    show("idle", node("p", "You will be signed out in two minutes, because nothing has happened here. "), button);
  }
  if (box) {
    learn({ idle: +box.dataset.idle, whole: +box.dataset.whole });
    let checking = false;
    setInterval(async () => {
      if (Math.min(idleAt, wholeAt) - Date.now() < 125000 && warned !== "over" && !checking && document.visibilityState === "visible") {
        checking = true;
        // Another page may have used the session meanwhile.
        if (!warned || Date.now() > idleAt) try { learn(await left("GET", "/session/left")); } catch { /* asked again in a moment */ }
        checking = false;
        session();
      }
    }, 1000);
  }

  // ---- clocks ----
  const begun = new WeakMap();
  let seconds = 0;
  function tick() {
    seconds++;
    for (const e of all("[data-left]")) {
      if (!begun.has(e)) begun.set(e, Date.now() + e.dataset.left * 1000);
      const s = Math.max(0, Math.round((begun.get(e) - Date.now()) / 1000));
      write(e, span(s));
      if (s === 0 && !e.dataset.over) { e.dataset.over = "1"; setTimeout(refresh, 1500); }
    }
    if (seconds % 5 === 0) for (const e of all(".ago[data-at]")) write(e, `(${ago(Date.parse(e.dataset.at))})`);
    if (seconds % 30 === 0 && !document.documentElement.dataset.listening) refresh();
    if (document.visibilityState === "visible" && regions().some((r) => +r.dataset.live > 0 && seconds % +r.dataset.live === 0)) refresh();
  }
  setInterval(tick, 1000);

  document.addEventListener("visibilitychange", () => { listen(); });
  window.addEventListener("pagehide", () => { if (source) { source.close(); source = null; } });
  window.addEventListener("pageshow", () => listen());

  // ---- small conveniences; each works without ----
  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.passkey || event.defaultPrevented) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 10000);
  });
  // Copy buttons stand next to what they copy.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    try { await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim()); say("Copied."); write(button, "Copied"); } catch { say("Copying did not work. Select the text instead."); }
  });
})();
