"use strict";
// The only script of these pages. It asks the authenticator on behalf of a form,
// puts the answer into the form and submits it. It writes text, never markup.
//
//   <form data-passkey="get|create" data-begin="/…/begin">   fields, and hidden "ceremony" and "credential"
//
// A vote's form also carries data-digest and data-decision: the script refuses to
// ask for a signature whose challenge is not made of exactly these.
(() => {
  const bytes = (text) => {
    const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, (c) => c.charCodeAt(0));
  };
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const hex = (digits) => Uint8Array.from(digits.match(/../g) || [], (d) => parseInt(d, 16));
  const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

  const named = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));

  async function create(options) {
    const answer = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: named(options.excludeCredentials),
      },
    });
    const r = answer.response;
    return {
      id: answer.id, rawId: text(answer.rawId), type: answer.type,
      authenticatorAttachment: answer.authenticatorAttachment || undefined,
      clientExtensionResults: answer.getClientExtensionResults(),
      response: {
        clientDataJSON: text(r.clientDataJSON), attestationObject: text(r.attestationObject),
        transports: r.getTransports ? r.getTransports() : [],
      },
    };
  }

  async function get(options) {
    const answer = await navigator.credentials.get({
      publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) },
    });
    const r = answer.response;
    return {
      id: answer.id, rawId: text(answer.rawId), type: answer.type,
      authenticatorAttachment: answer.authenticatorAttachment || undefined,
      clientExtensionResults: answer.getClientExtensionResults(),
      response: {
        clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData),
        signature: text(r.signature), userHandle: r.userHandle ? text(r.userHandle) : undefined,
      },
    };
  }

  // checkVote recomputes the challenge of a vote from what the page shows.
  async function checkVote(form, begun, options) {
    const digest = form.dataset.digest;
    if (begun.digest !== digest) throw new Error("The statement has changed since this page was loaded. Nothing was signed. Load the page again.");
    const decision = form.dataset.decision === "approve" ? 1 : 2;
    const parts = [new TextEncoder().encode("holdfast vote v1\n"), hex(begun.nonce), Uint8Array.of(decision), hex(digest.replace("sha256:", ""))];
    const input = Uint8Array.from(parts.flatMap((p) => [...p]));
    const want = new Uint8Array(await crypto.subtle.digest("SHA-256", input));
    if (!same(want, bytes(options.challenge))) throw new Error("The server asked for a signature of something else. Nothing was signed. Tell your colleagues.");
  }

  const field = (form, name) => form.elements[form.dataset.prefix + name];

  // instead points to the code where the page takes one, and opens what hides it.
  const instead = (form) => {
    const code = form.dataset.passkey === "get" && document.querySelector("input.code");
    if (!code) return "Try again.";
    const folded = code.closest("details");
    if (folded) folded.open = true;
    const below = form.compareDocumentPosition(code) & Node.DOCUMENT_POSITION_FOLLOWING;
    return "No passkey of this account on this device? Use a code " + (below ? "below." : "above.");
  };

  const words = (error, form) => {
    switch (error.name) {
      case "NotAllowedError": return "The passkey was not used: it was cancelled, took too long, or is not one of this account. Nothing was changed. " + instead(form);
      case "InvalidStateError": return "This authenticator has a passkey of this account already. Take another one.";
      case "SecurityError": return "Passkeys do not work on this address. Use the address that you were given.";
    }
    return error.message;
  };

  async function prove(form) {
    const status = form.querySelector("[role=status]");
    const button = form.querySelector("button");
    const say = (message, trouble) => { status.textContent = message; status.classList.toggle("trouble", trouble); };
    button.disabled = true;
    try {
      if (!window.PublicKeyCredential) throw new Error("This browser knows no passkeys. Use another one, or a code.");
      say("Follow your browser: touch the key or confirm on the device.", false);
      const response = await fetch(form.dataset.begin, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" }, redirect: "error" });
      const begun = await response.json();
      if (!response.ok) throw new Error(begun.detail || begun.title);
      const options = begun.public_key.publicKey;
      if (form.dataset.digest) await checkVote(form, begun, options);
      const credential = form.dataset.passkey === "create" ? await create(options) : await get(options);
      field(form, "ceremony").value = begun.ceremony;
      field(form, "credential").value = JSON.stringify(credential);
      say("Sending the answer…", false);
      form.submit();
    } catch (error) {
      say(words(error, form), true);
      button.disabled = false;
    }
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.dataset.passkey) return;
    event.preventDefault();
    prove(event.target);
  });
  // A page that comes back from the history must not keep a used answer.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-passkey]")) {
      field(form, "ceremony").value = "";
      field(form, "credential").value = "";
      form.querySelector("button").disabled = false;
    }
  });
  // An invitation's link carries its code behind the #, which no server sees.
  const secret = document.getElementById("secret");
  if (secret && location.hash.length > 1) {
    secret.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
  }
})();
